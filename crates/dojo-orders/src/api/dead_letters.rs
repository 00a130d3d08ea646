//! `GET /dlq`: what could not be delivered, newest first, read from the log whenever it is asked for, so that a restart
//! of this service forgets nothing. Each looks as it does on `GET /events`.
//!
//! `orders-dlq` has one partition; an offset names a dead letter.

use crate::{
    api::links::link_next,
    app::App,
    event_stream::frame,
    log::{decode::why_unreadable, stream_topic::StreamTopic},
};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use dojo_contract::topic;
use dojo_http::{Problem, Query, number};
use dojo_kafka::{Error, Isolation, StartFrom, Tailed, tail};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};

const LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 200;
/// A dead letter can have 2 MiB; then a page has fewer.
const MAX_BYTES: usize = 8 * 1024 * 1024;
const WITHIN: Duration = Duration::from_secs(5);
const PARTITION: i32 = 0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    limit: Option<String>,
    before: Option<String>,
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Query(ListQuery { limit, before }): Query<ListQuery>,
) -> Result<Response, Problem> {
    let limit = number("limit", limit.as_deref(), 1..=MAX_LIMIT)?.unwrap_or(LIMIT);
    let before = number("before", before.as_deref(), 0..=i64::MAX)?.unwrap_or(i64::MAX);
    app.refuse_while_away()?;
    let read = async {
        let _reader = app.log_readers.acquire().await;
        let marks = app.producer.watermarks(topic::ORDERS_DLQ).await?;
        let (low, high) = marks.get(&PARTITION).copied().unwrap_or_default();
        let end = before.clamp(low, high);
        let start = (end - limit).max(low);
        Ok::<_, Error>((
            low,
            start,
            if start < end { read(&app, start, end).await? } else { Some(Vec::new()) },
        ))
    };
    let (low, start, letters) = match timeout(WITHIN, read).await {
        Ok(Ok((low, start, Some(letters)))) => (low, start, letters),
        Ok(Ok((_, _, None))) | Err(_) => {
            return Err(Problem::unavailable("the dead letters could not be read from Kafka in time"));
        }
        Ok(Err(error)) => return Err(Problem::unavailable(error.to_string())),
    };
    let oldest = letters.last().map_or(start, |(offset, _)| *offset);
    let mut response = Json(letters.iter().map(|(_, data)| data).collect::<Vec<_>>()).into_response();
    if oldest > low {
        link_next(&mut response, &format!("/dlq?limit={limit}&before={oldest}"));
    }
    Ok(response)
}

type Letter = (i64, Box<RawValue>);

/// The dead letters from `start` to `end`, exclusively, newest first; without the oldest where they are too large.
/// `None` when the service ends meanwhile.
async fn read(app: &App, start: i64, end: i64) -> Result<Option<Vec<Letter>>, Error> {
    let (done, letters) = oneshot::channel();
    let mut page = Some((Page::default(), done));
    let client = format!("{}-dlq", app.config.instance_id());
    let from = StartFrom::Offsets(BTreeMap::from([(PARTITION, start)]));
    let isolation = Isolation::ReadCommitted;
    let _tail =
        tail(&app.config.kafka, &client, topic::ORDERS_DLQ, from, isolation, &app.shutdown, move |tailed| {
            let Some((collected, _)) = &mut page else { return };
            let complete = match tailed {
                Tailed::Record(record) if record.partition == PARTITION => {
                    if record.offset < end {
                        let unreadable = why_unreadable(StreamTopic::DeadLetters, record);
                        collected.push(record.offset, frame::data(record, unreadable.as_deref()));
                    }
                    record.offset.saturating_add(1) >= end
                }
                Tailed::CaughtUp { partition, .. } => partition == PARTITION,
                _ => false,
            };
            if complete && let Some((page, done)) = page.take() {
                // Nobody waits any more after the time is over.
                let _ = done.send(page.letters.into());
            }
        })?;
    Ok(letters.await.ok())
}

#[derive(Default)]
struct Page {
    letters: VecDeque<Letter>,
    bytes: usize,
}

impl Page {
    fn push(&mut self, offset: i64, data: String) {
        let Ok(data) = RawValue::from_string(data) else { return };
        self.bytes += data.get().len();
        self.letters.push_front((offset, data));
        while self.bytes > MAX_BYTES && self.letters.len() > 1 {
            self.bytes -= self.letters.pop_back().map_or(0, |(_, data)| data.get().len());
        }
    }
}
