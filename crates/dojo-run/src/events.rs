//! Follows `GET /events` and records the facts about orders in the ledger.
//!
//! The stream is open before the first order is sent, so no event is missed at its start. A broken stream is resumed after
//! the last event's id, for a bounded time. If the server reports that events are missing (`event: gap`), or there is no id
//! to resume from, the run ends, because its counts could be wrong. Heartbeats, which have no id, and unknown events are
//! ignored.

use crate::{
    RunError,
    client::{Client, root_cause},
    ledger::{Fact, Ledger},
};
use dojo_contract::{AuditEvent, DlqEvent, topic};
use eventsource_stream::{Event, Eventsource};
use futures::StreamExt;
use reqwest::Response;
use serde::Deserialize;
use std::time::Duration;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

/// How long to try to resume a broken stream: longer than an order service takes to restart.
const RESUME_WITHIN: Duration = Duration::from_secs(15);
const RESUME_EVERY: Duration = Duration::from_millis(200);

/// The result of following the stream so far.
#[derive(Debug)]
pub struct Watched {
    /// The facts.
    pub ledger: Ledger,
    /// Why no more facts will follow.
    pub ended: Option<RunError>,
}

/// Follows the stream that `response` began, until the stream is lost for good.
pub async fn follow(client: Client, response: Response, watched: watch::Sender<Watched>) {
    let mut stream = response;
    let mut last_id = None;
    let error = loop {
        let reason = match listen(stream, &mut last_id, &watched).await {
            Ok(reason) => reason,
            Err(error) => break error,
        };
        if last_id.is_none() {
            break RunError::EventsMissed("the event stream broke before its first event");
        }
        match resume(&client, last_id.as_deref(), reason).await {
            Ok(response) => stream = response,
            Err(error) => break error,
        }
    };
    watched.send_modify(|watched| watched.ended = Some(error));
}

/// Records the events of one connection. Returns why the connection ended, if another one may resume it.
async fn listen(
    response: Response,
    last_id: &mut Option<String>,
    watched: &watch::Sender<Watched>,
) -> Result<String, RunError> {
    let mut events = response.bytes_stream().eventsource();
    loop {
        match events.next().await {
            None => return Ok("the server closed the stream".to_owned()),
            Some(Err(error)) => return Ok(root_cause(&error)),
            Some(Ok(event)) => {
                if event.event == "gap" && concerns_orders(&event.data) {
                    return Err(RunError::EventsMissed(
                        "the log no longer has the events since the stream broke, or is another log",
                    ));
                }
                record(&event, watched);
                if !event.id.is_empty() {
                    *last_id = Some(event.id);
                }
            }
        }
    }
}

/// Whether a gap may hide events that are counted. A gap in another topic is harmless: settings and status are compacted,
/// so their logs have gaps by design. A gap without a topic counts as harmful.
fn concerns_orders(gap: &str) -> bool {
    #[derive(Deserialize)]
    struct Gap {
        topic: String,
    }
    serde_json::from_str(gap)
        .map_or(true, |Gap { topic }| [topic::AUDIT, topic::ORDERS_DLQ].contains(&topic.as_str()))
}

fn record(event: &Event, watched: &watch::Sender<Watched>) {
    let fact: Option<Fact> = match event.event.as_str() {
        "audit" => serde_json::from_str::<AuditEvent>(&event.data).ok().map(Fact::from),
        "dlq" => serde_json::from_str::<DlqEvent>(&event.data).ok().map(Fact::from),
        _ => None,
    };
    let Some(fact) = fact else { return };
    let now = Instant::now().into_std();
    watched.send_if_modified(|watched| {
        let is_new = watched.ledger.observe(fact, now);
        if watched.ledger.overflowed() && watched.ended.is_none() {
            watched.ended = Some(RunError::EventsMissed("too many orders of other clients at once"));
            return true;
        }
        is_new
    });
}

async fn resume(client: &Client, last_id: Option<&str>, reason: String) -> Result<Response, RunError> {
    let deadline = Instant::now() + RESUME_WITHIN;
    let mut reason = reason;
    loop {
        match timeout_at(deadline, client.events(last_id)).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => reason = error.to_string(),
            Err(_) => return Err(RunError::StreamLost { within: RESUME_WITHIN, reason }),
        }
        if Instant::now() + RESUME_EVERY > deadline {
            return Err(RunError::StreamLost { within: RESUME_WITHIN, reason });
        }
        sleep(RESUME_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_matters_if_events_of_its_topic_are_counted_or_its_topic_is_unknown() {
        for gap in [r#"{"topic":"audit"}"#, r#"{"topic":"orders-dlq","partition":0}"#, "{}", "", "lost"] {
            assert!(concerns_orders(gap), "{gap}");
        }
        assert!(!concerns_orders(r#"{"topic":"dojo-status","partition":0,"wanted":1,"resumes":5}"#));
    }
}
