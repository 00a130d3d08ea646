//! `GET /events`: everything that happens, as server-sent events. See [`crate::event_stream::frame`] for what an event looks like
//! and [`crate::event_stream::stream`] for what a stream promises.
//!
//! Three kinds of events aren't records. `event: rebalance` is a rebalance as on `GET /rebalances`: sent when it begins and each time more
//! is known of it, with the same `id`. A client that reconnects reads there what it missed. `event: gap` says that the log does not go on where the client's cursor is: what
//! came between is gone, or the cursor belongs to another log ([`crate::event_stream::cursor`]); the log's first record follows.
//! `event: heartbeat` comes every three seconds on a stream on which nothing else happens, so that a client can tell a
//! quiet stream from a dead connection; it has no `id:`.

use crate::{
    app::{App, STREAMS},
    event_stream::{
        cursor::InvalidCursor,
        stream::{Begin, GREETED_WITHIN, Stream},
    },
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use dojo_http::{Invalid, Problem, Query, Unavailable};
use futures::stream;
use serde::Deserialize;
use std::{convert::Infallible, sync::Arc};
use tokio::time::timeout;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// The value of `from`.
const EARLIEST: &str = "earliest";

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// A cursor, the `id:` of an event: the stream begins after it.
    after: Option<String>,
    /// `earliest`: the stream begins with the first record of each log. By default it begins now.
    #[param(value_type = Option<From>, inline)]
    from: Option<String>,
}

/// The values of `from`.
struct From;

impl ToSchema for From {}
impl PartialSchema for From {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some([EARLIEST])).into()
    }
}

/// Streams everything that happens, as server-sent events
///
/// `/asyncapi.json` describes the events. The stream doesn't end. A client that reconnects sends the `id:` of the last event
/// that it has, and misses none.
#[utoipa::path(
    get,
    path = "/events",
    tag = "stream",
    operation_id = "streamEvents",
    params(
        EventsQuery,
        ("Last-Event-ID" = Option<String>, Header, nullable = false, description = "A cursor, which goes before `after` and `from`.")
    ),
    responses(
        (status = 200, description = "The stream.", body = String, content_type = "text/event-stream"),
        Invalid, Unavailable
    )
)]
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Response, Problem> {
    let begin = begin(&headers, query)?;
    let slot = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        Problem::unavailable(format!("all {STREAMS} streams are in use: close one, or try again later"))
    })?;
    let (hub, rebalances) = (Arc::clone(&app.models.hub), Arc::clone(&app.models.rebalances));
    let mut stream = Stream::new(hub, app.log.clone(), rebalances, begin, app.shutdown.clone(), slot);
    // The answer waits for the stream's greeting, so that a client misses nothing that happens once it has the status.
    // While Kafka is away it isn't known where "now" is; then the greeting comes later than the status.
    let first = timeout(GREETED_WITHIN, stream.next()).await.unwrap_or_default();
    let chunks = stream::unfold((first, stream), |(first, mut stream)| async move {
        let chunk = match first {
            Some(chunk) => chunk,
            None => stream.next().await?,
        };
        Some((Ok::<_, Infallible>(chunk), (None, stream)))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies such as nginx would otherwise collect events before they pass them on.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// A browser that reconnects sends `Last-Event-ID` and asks for the same address as the first time, so the header has
/// the newer cursor.
fn begin(headers: &HeaderMap, query: EventsQuery) -> Result<Begin, Problem> {
    let last = headers.get("last-event-id").filter(|id| !id.is_empty());
    if let Some(id) = last {
        let cursor = id.to_str().ok().and_then(|id| id.parse().ok());
        return cursor.map(Begin::After).ok_or_else(|| invalid_cursor("Last-Event-ID"));
    }
    if let Some(cursor) = query.after.filter(|cursor| !cursor.is_empty()) {
        return cursor.parse().map(Begin::After).map_err(|_| invalid_cursor("after"));
    }
    match query.from.as_deref() {
        None => Ok(Begin::Now),
        Some(EARLIEST) => Ok(Begin::Earliest),
        Some(_) => {
            Err(Problem::invalid_field("from", format!("give `{EARLIEST}`, or leave it out to start now")))
        }
    }
}

fn invalid_cursor(field: &str) -> Problem {
    Problem::invalid_field(field, InvalidCursor.to_string())
}
