//! `GET /events`: everything that happens, as server-sent events. See [`crate::frame`] for what an event looks like
//! and [`crate::stream`] for what a stream promises.

use crate::{
    app::{App, STREAMS},
    problem::Problem,
    query::Params,
    stream::{Begin, Stream},
};
use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use std::{convert::Infallible, sync::Arc};

pub(crate) async fn events(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let begin = begin(&headers, &Params::of(query))?;
    let slot = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        Problem::unavailable(format!("there are {STREAMS} streams already: close one, or come again"))
    })?;
    let stream = Stream::new(Arc::clone(&app.model.hub), app.log.clone(), begin, app.shutdown.clone(), slot);
    let chunks = stream::unfold(stream, |mut stream| async move {
        let chunk = stream.next().await?;
        Some((Ok::<_, Infallible>(chunk), stream))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies such as nginx would otherwise collect events before they pass them on.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// A browser that reconnects sends `Last-Event-ID` and asks for the same address as the first time, so the header is
/// the newer word.
fn begin(headers: &HeaderMap, params: &Params) -> Result<Begin, Problem> {
    let last = headers.get("last-event-id").filter(|id| !id.is_empty());
    if let Some(id) = last {
        let cursor = id.to_str().ok().and_then(|id| id.parse().ok());
        return cursor.map(Begin::After).ok_or_else(|| no_cursor("Last-Event-ID"));
    }
    if let Some(cursor) = params.get("after").filter(|cursor| !cursor.is_empty()) {
        return cursor.parse().map(Begin::After).map_err(|_| no_cursor("after"));
    }
    match params.get("from") {
        None => Ok(Begin::Now),
        Some("earliest") => Ok(Begin::Earliest),
        Some(_) => Err(Problem::invalid_field("from", "give `earliest`, or leave it out to start now")),
    }
}

fn no_cursor(field: &str) -> Problem {
    Problem::invalid_field(field, crate::cursor::NoCursor.to_string())
}
