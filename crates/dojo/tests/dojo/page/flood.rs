//! The page under a flood: 500 events a second for a minute. The events come from a stream that is made up here, always the same
//! one, so that the page is measured and not the services. `DOJO_FLOOD_SECONDS` makes the flood longer.

use super::Browser;
use crate::process::{Dojo, Start};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::get,
};
use chrono::{DateTime, SecondsFormat, Utc};
use dojo_testbed::eventually;
use futures::stream;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, time::Instant};

const PER_SECOND: u64 = 500;
const TICK: Duration = Duration::from_millis(20);
const REPORTS_EVERY: Duration = Duration::from_secs(2);
/// A script of the page may not keep the browser from what a person does for longer than this.
const LONGEST_SCRIPT_MS: f64 = 50.0;
/// In the second half of a flood. The page keeps what it knows of the newest 20,000 orders, which are there after three minutes;
/// a shorter flood lets the heap grow by what it knows of the orders of half a minute.
const HEAP_MAY_GROW: f64 = 3_000_000.0;

/// The events of orders, one after the other; every fourth delivery fails once, and every fortieth for good.
#[derive(Default)]
struct Recording {
    orders: u64,
    /// Of the three partitions of `orders`.
    ends: [u64; 3],
    audit: u64,
    dead_letters: u64,
    waiting: VecDeque<String>,
    sent: u64,
    is_over: bool,
}

impl Recording {
    fn next(&mut self, now: DateTime<Utc>) -> String {
        if self.waiting.is_empty() {
            self.order(&now.to_rfc3339_opts(SecondsFormat::Millis, true));
        }
        self.sent += 1;
        self.waiting.pop_front().unwrap()
    }

    fn order(&mut self, at: &str) {
        let n = self.orders;
        self.orders += 1;
        let id = format!("00000000-0000-7000-8000-{n:012x}");
        let order = json!({"id": id, "customerName": format!("Customer {}", n % 40), "item": "Pizza", "quantity": 1,
            "price": 12.5, "status": "created", "createdAt": at});
        let audit = json!({"orderId": id, "timestamp": at, "customerName": order["customerName"]});
        self.audit(
            &audit,
            json!({"source": "order-service", "action": "created", "instanceId": "order-1"}),
            at,
        );
        let partition = (n % 3) as usize;
        let first = self.record(partition, &order, json!({}), at);
        let (verdict, alerts) = if n.is_multiple_of(7) {
            ("FRAUD_ALERT", json!([{"type": "AMOUNT", "reason": "more than $100.00", "severity": "LOW"}]))
        } else {
            ("FRAUD_CHECK_PASSED", Value::Null)
        };
        let stats = json!({"customerOrdersInWindow": n % 6, "globalOrdersInWindow": n % 30});
        self.audit(
            &audit,
            json!({"source": "fraud-service", "action": verdict, "instanceId": "fraud-1", "alerts": alerts,
            "windowStats": stats, "ruleVersion": "3f03d394", "partition": partition, "offset": first}),
            at,
        );
        let failures = if n.is_multiple_of(40) { 3 } else { u64::from(n.is_multiple_of(4)) };
        let reads = if partition == 2 { "notification-2" } else { "notification-1" };
        let mut offset = first;
        for attempt in 0..=failures.min(2) {
            let action = if attempt < failures.min(2) {
                "RETRY"
            } else if failures == 3 {
                "DLQ"
            } else {
                "NOTIFIED"
            };
            let count = if action == "RETRY" { attempt + 1 } else { attempt };
            self.audit(&audit, json!({"source": "notification-service", "action": action, "instanceId": reads, "retryCount": count,
                "ruleVersion": "11a3d0a4", "partition": partition, "offset": offset}), at);
            if action == "RETRY" {
                offset = self.record(partition, &order, json!({"retryCount": count.to_string()}), at);
            }
        }
        if failures == 3 {
            let headers = json!({"dojo-original-partition": partition.to_string(), "dojo-original-offset": offset.to_string()});
            let record = json!({"topic": "orders-dlq", "partition": 0, "offset": self.dead_letters, "timestamp": at, "headers": headers});
            self.dead_letters += 1;
            self.push(
                "dlq",
                &json!({"action": "created", "order": order, "reason": "by chance", "instanceId": reads,
                "timestamp": at, "record": record}),
            );
        }
    }

    fn record(&mut self, partition: usize, order: &Value, headers: Value, at: &str) -> u64 {
        let offset = self.ends[partition];
        self.ends[partition] += 1;
        let record = json!({"topic": "orders", "partition": partition, "offset": offset, "timestamp": at, "headers": headers});
        self.push("order", &json!({"action": "created", "order": order, "timestamp": at, "record": record}));
        offset
    }

    fn audit(&mut self, common: &Value, own: Value, at: &str) {
        let mut event = common.clone();
        for (name, value) in own.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()) {
            event[name] = value.clone();
        }
        event["record"] =
            json!({"topic": "audit", "partition": 0, "offset": self.audit, "timestamp": at, "headers": {}});
        self.audit += 1;
        self.push("audit", &event);
    }

    fn push(&mut self, kind: &str, event: &Value) {
        let id = self.sent + self.waiting.len() as u64;
        self.waiting.push_back(format!("id: r{id}\nevent: {kind}\ndata: {event}\n\n"));
    }

    /// The reports of all instances, which are as far as the log.
    fn reports(&self, at: DateTime<Utc>) -> String {
        let at = at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let orders = |of: &[usize]| {
            let place =
                |p: &usize| json!({"topic": "orders", "partition": p, "position": self.ends[*p], "lag": 0});
            of.iter().map(place).collect::<Vec<_>>()
        };
        let audit = vec![json!({"topic": "audit", "partition": 0, "position": self.audit, "lag": 0})];
        let report = |id: &str, service: &str, partitions: Vec<Value>| {
            let report = json!({"instanceId": id, "service": service, "version": "0.1.0", "pid": 1, "state": "running",
                "startedAt": "2026-01-01T00:00:00.000Z", "timestamp": at, "partitions": partitions, "ruleVersion": "11a3d0a4"});
            format!("event: status\ndata: {report}\n\n")
        };
        [
            report("notification-1", "notification", orders(&[0, 1])),
            report("notification-2", "notification", orders(&[2])),
            report("fraud-1", "fraud", orders(&[0, 1, 2])),
            report("audit-1", "audit", audit),
            "event: heartbeat\ndata: {}\n\n".to_owned(),
        ]
        .concat()
    }
}

/// The page of a dojo, whose stream is the recording.
#[derive(Clone)]
struct Stage {
    dojo: String,
    http: reqwest::Client,
    recording: Arc<Mutex<Recording>>,
}

impl Stage {
    /// Returns the address of its page.
    async fn open(&self) -> String {
        let router = Router::new().route("/events", get(events)).fallback(pass_on).with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

async fn events(State(stage): State<Stage>) -> Response {
    let begun = Instant::now();
    let frames =
        stream::unfold((stage, 0_u64, Duration::ZERO), move |(stage, mut sent, mut reports)| async move {
            tokio::time::sleep(TICK).await;
            let (now, passed) = (Utc::now(), begun.elapsed());
            let mut recording = stage.recording.lock().unwrap();
            let mut frame = String::new();
            if recording.is_over {
                // The last order comes in whole.
                frame = recording.waiting.drain(..).collect();
            } else {
                let due = passed.as_millis() as u64 * PER_SECOND / 1000;
                for _ in sent..due {
                    frame += &recording.next(now);
                }
                sent = due;
            }
            if passed >= reports {
                reports = passed + REPORTS_EVERY;
                frame += &recording.reports(now);
            }
            drop(recording);
            Some((Ok::<_, Infallible>(frame), (stage, sent, reports)))
        });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(frames)).into_response()
}

/// Everything else is the dojo's.
async fn pass_on(State(stage): State<Stage>, request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let answer = stage.http.get(format!("{}{path}", stage.dojo)).send().await.unwrap();
    let (status, media_type) = (answer.status(), answer.headers().get(CONTENT_TYPE).cloned());
    let body = answer.bytes().await.unwrap();
    let mut response = (status, body).into_response();
    if let Some(media_type) = media_type {
        response.headers_mut().insert(CONTENT_TYPE, media_type);
    }
    response
}

/// Notes what was slow on the page: its scripts in each long frame, and the time from frame to frame.
const WATCH: &str = "const seen = globalThis.seen = {scripts: [], frames: [], blocked: 0}; \
    new PerformanceObserver((list) => { for (const entry of list.getEntries()) { \
        seen.blocked += entry.blockingDuration; \
        for (const {startTime, duration, invoker, sourceURL} of entry.scripts) seen.scripts.push({startTime, duration, invoker, sourceURL}); \
    } }).observe({type: 'long-animation-frame'}); \
    let last = performance.now(); \
    const frame = (now) => { if (seen.frames.length < 100000) seen.frames.push(now - last); last = now; requestAnimationFrame(frame); }; \
    requestAnimationFrame(frame)";

/// The longest script, the frames, the scripts that were too long, and in how many windows of ten seconds there was none of them.
const FOUND: &str = "const {scripts, frames, blocked} = globalThis.seen; \
    const tooLong = scripts.filter(({duration}) => duration > arguments[0]); \
    const windowOf = (time) => Math.floor(time / 10000); \
    const windows = windowOf(performance.now()) + 1; \
    const sorted = frames.toSorted((a, b) => a - b); \
    const at = (share) => Math.round(10 * (sorted[Math.floor(share * (sorted.length - 1))] ?? 0)) / 10; \
    return {longest: Math.max(0, ...scripts.map(({duration}) => duration)), frames: frames.length, p50: at(0.5), p99: at(0.99), \
        slowest: at(1), blocked: Math.round(blocked), tooLong, windows, \
        quiet: windows - new Set(tooLong.map(({startTime}) => windowOf(startTime))).size}";

const ENDS: &str = "return [...document.querySelectorAll('#board .lane')] \
    .map((lane) => [lane.dataset.lane, Number(lane.querySelector('[data-f=end]').textContent.replace(/\\D/g, ''))])";

impl Browser {
    /// Bytes of the page's heap once everything that isn't used has left it.
    async fn heap(&self) -> f64 {
        self.command("HeapProfiler.collectGarbage", json!({})).await;
        self.command("Runtime.getHeapUsage", json!({})).await["usedSize"].as_f64().unwrap()
    }
}

fn seconds() -> Duration {
    let seconds = std::env::var("DOJO_FLOOD_SECONDS");
    Duration::from_secs(
        seconds.map_or(60, |seconds| seconds.parse().expect("DOJO_FLOOD_SECONDS is a number")),
    )
}

#[tokio::test]
async fn five_hundred_events_a_second_leave_the_page_quick_its_heap_small_and_its_counts_true() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::embedded().ready().await;
    let stage = Stage { dojo: dojo.url.clone(), http: dojo.http.clone(), recording: Arc::default() };
    flood(&browser, &dojo, &stage).await;
}

async fn flood(browser: &Browser, dojo: &Dojo, stage: &Stage) {
    let begun = Instant::now();
    browser.client.goto(&stage.open().await).await.unwrap();
    browser.wait_for("#stream[data-state=live]").await;
    browser.js(WATCH, Vec::new()).await;
    browser.wait_for("#board .lane[data-dense=true]").await;
    tokio::time::sleep_until(begun + seconds() / 2).await;
    let before = browser.heap().await;
    tokio::time::sleep_until(begun + seconds()).await;
    browser.keep_screenshot("board-flood-1280x900.png").await;
    stage.recording.lock().unwrap().is_over = true;
    let after = browser.heap().await;
    let found = browser.js(FOUND, vec![json!(LONGEST_SCRIPT_MS)]).await;
    println!("{found:#}\nheap: {before} bytes, and {after} at the end");
    let ends = {
        let recording = stage.recording.lock().unwrap();
        assert!(
            recording.sent > seconds().as_secs() * PER_SECOND * 9 / 10,
            "only {} events were sent",
            recording.sent
        );
        let [a, b, c] = recording.ends;
        json!([
            ["orders/0", a],
            ["orders/1", b],
            ["orders/2", c],
            ["orders-dlq/0", recording.dead_letters],
            ["audit/0", recording.audit]
        ])
    };
    eventually(&format!("the ends to be {ends}"), async || match browser.js(ENDS, Vec::new()).await {
        shown if shown == ends => Ok(()),
        shown => Err(shown),
    })
    .await;
    // The flood is the same all the time: a script that is long because of its work is so in each window. In some, it only waits for a
    // core that another process has.
    let quiet = found["quiet"].as_u64().unwrap();
    assert!(quiet > 0, "in every ten seconds, scripts took longer than {LONGEST_SCRIPT_MS} ms: {found:#}");
    assert!(after - before < HEAP_MAY_GROW, "the heap grew from {before} to {after} bytes");
    assert!(dojo.get("/topics").await["topics"].is_array(), "the dojo behind it still answers");
}
