//! Follows `GET /events` and hands the events to the observer.
//!
//! The stream is open before the first order is sent, so no event is missed at its start. A broken stream is resumed after
//! the last event's id, for a bounded time. If the server reports that events are missing (`event: gap`), or there is no id
//! to resume from, the run ends, because its counts could be wrong. Heartbeats, which have no id, and unknown events are
//! ignored.

use crate::{
    RunError,
    client::{Client, root_cause},
};
use dojo_contract::topic;
use dojo_scenario::observe::Observer;
use eventsource_stream::{Event, Eventsource};
use futures::StreamExt;
use reqwest::Response;
use serde::Deserialize;
use std::time::Duration;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};

/// How long to try to resume a broken stream: longer than an order service takes to restart.
const RESUME_WITHIN: Duration = Duration::from_secs(15);
/// A silence of the stream that isn't one between two heartbeats, which come every 3 s.
const OUTAGE: Duration = Duration::from_secs(4);
/// A stream that has been silent for this long is broken.
const SILENCE: Duration = Duration::from_secs(10);
const RESUME_EVERY: Duration = Duration::from_millis(200);

/// The result of following the stream so far.
#[derive(Debug)]
pub struct Watched {
    /// What was seen.
    pub observer: Observer,
    /// The number of the expectation that a step waits for.
    pub waits_for: Option<usize>,
    /// Floods that are being sent, so that more orders are to come.
    pub floods: usize,
    /// Whether the stream is connected. While it isn't, events may be on their way.
    pub connected: bool,
    /// When the stream last said anything: an event, or a heartbeat.
    pub heard: Instant,
    /// How long the stream was silent in all, although it has heartbeats.
    pub outages: Duration,
    /// Why nothing more will be seen.
    pub ended: Option<RunError>,
}

impl Watched {
    /// Nothing was seen yet, on a stream that has just begun.
    pub fn new(observer: Observer) -> Self {
        Self {
            observer,
            waits_for: None,
            floods: 0,
            connected: true,
            heard: Instant::now(),
            outages: Duration::ZERO,
            ended: None,
        }
    }

    /// Returns a time that stands still while the stream is silent, so that an interrupted stream breaks no promise.
    pub fn clock(&self) -> std::time::Instant {
        let silent = self.heard.elapsed();
        let outage = if silent > OUTAGE { self.outages + silent } else { self.outages };
        let now = Instant::now();
        now.checked_sub(outage).unwrap_or(now).into_std()
    }

    fn hear(&mut self) {
        let silent = self.heard.elapsed();
        if silent > OUTAGE {
            self.outages += silent;
        }
        self.heard = Instant::now();
        self.connected = true;
    }
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
        watched.send_modify(|watched| watched.connected = false);
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
        let Ok(next) = timeout(SILENCE, events.next()).await else {
            return Ok(format!("the server was silent for {} s", SILENCE.as_secs()));
        };
        watched.send_if_modified(|watched| {
            watched.hear();
            false
        });
        match next {
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
    serde_json::from_str(gap).map_or(true, |Gap { topic }| {
        [topic::ORDERS, topic::AUDIT, topic::ORDERS_DLQ].contains(&topic.as_str())
    })
}

fn record(event: &Event, watched: &watch::Sender<Watched>) {
    let now = Instant::now().into_std();
    watched.send_if_modified(|watched| {
        let is_new = watched.observer.event(&event.event, &event.data, now);
        if let (None, Some(reason)) = (&watched.ended, watched.observer.overflow()) {
            watched.ended = Some(RunError::EventsMissed(reason));
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
