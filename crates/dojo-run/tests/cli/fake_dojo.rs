//! A dojo without Kafka that speaks the contract's HTTP and SSE, and misbehaves where its script says so.

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use chrono::{DateTime, Utc};
use dojo_contract::{NewOrder, Order, Settings, SettingsPatch};
use futures::stream;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch, time::Instant};
use uuid::Uuid;

/// How the dojo behaves. The default is a well-behaved one.
#[derive(Clone)]
pub struct Script {
    /// Orders of one customer without a VELOCITY.
    pub velocity: usize,
    /// Fraud detection is down.
    pub no_fraud: bool,
    /// Every event is delivered twice.
    pub twice: bool,
    /// Events arrive before the answer to their POST.
    pub early: bool,
    /// How long a POST takes.
    pub answer_after: Duration,
    /// The order, counted from 1, at which the dojo stands still for [`Script::still_for`].
    pub stands_still_at: usize,
    /// How long the dojo stands still.
    pub still_for: Duration,
    /// Orders accepted; after that, 503.
    pub accepts: usize,
    /// Events on one connection before it breaks.
    pub breaks_after: Option<usize>,
    /// After a break, the log no longer reaches back.
    pub gap: bool,
    /// After a break, nobody answers on `/events`.
    pub never_resumes: bool,
    /// After the first order, nothing else is answered and no event arrives for this time, as if the process were stopped.
    pub stalls: Duration,
    /// What a PATCH answers.
    pub patched: StatusCode,
    /// The notification service has no instance that runs.
    pub no_notification: bool,
    /// Another run holds the lease.
    pub lent: bool,
    /// Requests of a run that are taken; after that, the run is over.
    pub requests: usize,
    /// Reports of the end that are answered with 503, as while the order service restarts.
    pub away_at_the_end: usize,
    /// The report of the end is never answered.
    pub hangs_at_the_end: bool,
    /// How the room guesses at every question.
    pub guesses: Vec<(&'static str, u32)>,
    /// A person on the page closes every question at once.
    pub closes_questions: bool,
    /// Reports with this text are refused with 422, and so is every request with one of them.
    pub refuses: Option<&'static str>,
    /// A person on the page stops the run at the step with this number.
    pub stops_at: Option<u64>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            velocity: 5,
            no_fraud: false,
            twice: false,
            early: false,
            answer_after: Duration::ZERO,
            stands_still_at: usize::MAX,
            still_for: Duration::ZERO,
            accepts: usize::MAX,
            breaks_after: None,
            gap: false,
            never_resumes: false,
            stalls: Duration::ZERO,
            patched: StatusCode::OK,
            no_notification: false,
            lent: false,
            requests: usize::MAX,
            away_at_the_end: 0,
            hangs_at_the_end: false,
            guesses: Vec::new(),
            closes_questions: false,
            refuses: None,
            stops_at: None,
        }
    }
}

impl Script {
    /// What a run hears of the room after these events.
    fn room(&self, reports: &[Value]) -> Value {
        let of = |name: &'static str| reports.iter().filter(move |report| report["type"] == name);
        let guesses: Vec<_> =
            self.guesses.iter().map(|(guess, count)| json!({"guess": guess, "count": count})).collect();
        let questions = of("asked").map(|asked| {
            let is_closed =
                self.closes_questions || of("closed").any(|closed| closed["number"] == asked["number"]);
            json!({"number": asked["number"], "text": asked["text"], "open": !is_closed, "guesses": guesses})
        });
        let is_stopped = self.stops_at.is_some_and(|step| of("step").any(|one| one["number"] == step));
        json!({"stopRequested": is_stopped, "questions": questions.collect::<Vec<_>>()})
    }
}

pub struct FakeDojo {
    pub url: String,
    shared: Arc<Shared>,
    _stop: watch::Sender<()>,
}

struct Shared {
    script: Script,
    state: Mutex<Known>,
    /// Wakes streams when the log grows.
    grown: watch::Sender<()>,
}

#[derive(Default)]
struct Known {
    log: Vec<String>,
    orders: Vec<(Value, NewOrder)>,
    per_customer: HashMap<String, usize>,
    settings: Settings,
    /// Each PATCH, with the run to which it belongs.
    patches: Vec<(Value, Option<String>)>,
    /// Until when nothing is answered.
    stalled_until: Option<tokio::time::Instant>,
    /// The runs that were asked for.
    runs: Vec<Value>,
    /// The events that the runs reported, in order.
    reports: Vec<Value>,
    /// How many events each request had.
    lists: Vec<usize>,
    streams: Vec<Option<String>>,
    /// Until when no POST is answered.
    still_until: Option<Instant>,
    /// The source of each rule that was saved.
    rules: HashMap<String, String>,
    /// How often the rules were asked for since a run ended.
    asked_for_rules: usize,
    /// The sources that a run has replaced.
    replaced: HashMap<String, String>,
}

impl Known {
    /// Whether a run has begun and not ended.
    fn plays(&self) -> bool {
        self.runs.len() > self.reports.iter().filter(|report| report["type"] == "ended").count()
    }

    fn source(&self, rule: &str) -> &str {
        self.rules.get(rule).map_or("LIMIT = 5", String::as_str)
    }
}

/// The version of a rule with this source.
pub fn version(source: &str) -> String {
    let mut hash = DefaultHasher::new();
    source.hash(&mut hash);
    format!("{:08x}", hash.finish() as u32)
}

impl FakeDojo {
    pub async fn start(script: Script) -> Self {
        Self::start_at("127.0.0.1:0", script).await
    }

    /// Starts where another one was before.
    pub async fn start_at(address: &str, script: Script) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { script, state: Mutex::default(), grown: watch::channel(()).0 });
        let routes = Router::new()
            .route("/orders", post(place))
            .route("/events", get(events))
            .route(
                "/settings",
                patch(change_settings)
                    .get(|| async { Json(json!({"failRate": {"value": 0.3, "source": "default"}})) }),
            )
            .route("/healthz", get(healthz))
            .route("/readyz", get(|| async { "ready" }))
            .route("/status", get(status))
            .route("/rebalances", get(|| async { Json(json!({"since": null, "rebalances": []})) }))
            .route("/rules", get(rules))
            .route("/rules/{name}", get(rule).put(change_rule))
            .route("/instances", get(|| async { Json(json!([])) }))
            .route("/runs", post(start_run))
            .route("/runs/{id}/events", post(report))
            .with_state(shared.clone());
        let (stop, mut stopped) = watch::channel(());
        tokio::spawn(async move {
            tokio::select! {
                served = axum::serve(listener, routes) => served.unwrap(),
                _ = stopped.changed() => {}
            }
        });
        Self { url, shared, _stop: stop }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.shared.state.lock().unwrap()
    }

    /// The orders as they came: the JSON itself, and what it says.
    pub fn orders(&self) -> Vec<(Value, NewOrder)> {
        self.known().orders.clone()
    }

    /// Each PATCH, with the run to which it belongs.
    pub fn patches(&self) -> Vec<(Value, Option<String>)> {
        self.known().patches.clone()
    }

    /// The runs that were asked for.
    pub fn runs(&self) -> Vec<Value> {
        self.known().runs.clone()
    }

    /// The verdicts with which runs reported their end.
    pub fn verdicts(&self) -> Vec<String> {
        let known = self.known();
        let ended = known.reports.iter().filter(|report| report["type"] == "ended");
        ended.map(|report| report["verdict"].as_str().unwrap().to_owned()).collect()
    }

    /// The events of these types that the runs reported, in order.
    pub fn reports(&self, types: &[&str]) -> Vec<Value> {
        let is_one = |report: &&Value| types.iter().any(|name| report["type"] == *name);
        self.known().reports.iter().filter(is_one).cloned().collect()
    }

    /// How many events each request of a run had.
    pub fn lists(&self) -> Vec<usize> {
        self.known().lists.clone()
    }

    /// The `Last-Event-ID` of every connection to `/events`.
    pub fn streams(&self) -> Vec<Option<String>> {
        self.known().streams.clone()
    }

    /// Saves a rule, as an editor does.
    pub fn save_rule(&self, name: &str, source: &str) {
        self.known().rules.insert(name.to_owned(), source.to_owned());
    }

    /// Waits until the rules were asked for so often since a run ended.
    pub async fn until_rules_are_asked_for(&self, times: usize) {
        self.until(|known| known.asked_for_rules >= times).await;
    }

    /// Waits until so many runs have ended.
    pub async fn until_runs_ended(&self, number: usize) {
        self.until(|known| known.reports.iter().filter(|report| report["type"] == "ended").count() >= number)
            .await;
    }

    /// Waits until so many steps have begun in all runs.
    pub async fn until_steps(&self, number: usize) {
        self.until(|known| known.reports.iter().filter(|report| report["type"] == "step").count() >= number)
            .await;
    }

    /// Waits until a run has begun the step with this number.
    pub async fn until_step(&self, number: u64) {
        self.until(|known| known.reports.iter().any(|report| report["number"] == number)).await;
    }

    /// Waits until a run has reported its end.
    pub async fn until_ended(&self) {
        self.until_reported("ended").await;
    }

    /// Waits until a run has reported an event of this type.
    pub async fn until_reported(&self, name: &str) {
        self.until(|known| known.reports.iter().any(|report| report["type"] == name)).await;
    }

    /// Waits until so many requests of runs were answered, which takes time that a test needs to pass.
    pub async fn until_requests(&self, number: usize) {
        self.until(|known| known.lists.len() >= number).await;
    }

    async fn until(&self, condition: impl Fn(&Known) -> bool) {
        let waited = async {
            let mut grown = self.shared.grown.subscribe();
            while !condition(&self.known()) {
                grown.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waited).await.expect("the run gets there");
    }
}

async fn place(State(dojo): State<Arc<Shared>>, Json(json): Json<Value>) -> Response {
    let order: NewOrder = serde_json::from_value(json.clone()).unwrap();
    let order = order.validated().unwrap();
    let id = Uuid::new_v4();
    {
        let mut known = dojo.state.lock().unwrap();
        if known.orders.len() >= dojo.script.accepts {
            let problem = json!({"title": "Kafka is away", "detail": "nothing was sent"});
            return (StatusCode::SERVICE_UNAVAILABLE, Json(problem)).into_response();
        }
        if known.orders.is_empty() {
            known.stalled_until = Some(tokio::time::Instant::now() + dojo.script.stalls);
        }
        known.orders.push((json, order.clone()));
        if known.orders.len() == dojo.script.stands_still_at {
            known.still_until = Some(Instant::now() + dojo.script.still_for);
        }
    }
    let still_until = dojo.state.lock().unwrap().still_until;
    if let Some(until) = still_until {
        tokio::time::sleep_until(until).await;
    }
    let order = order.into_order(id, Utc::now());
    if dojo.script.early {
        dojo.happen(&order);
        tokio::time::sleep(dojo.script.answer_after).await;
    } else {
        tokio::time::sleep(dojo.script.answer_after).await;
        let (dojo, order) = (dojo.clone(), order.clone());
        tokio::spawn(async move { dojo.happen(&order) });
    }
    (StatusCode::CREATED, [(header::LOCATION, format!("/orders/{id}"))], Json(order)).into_response()
}

async fn healthz(State(dojo): State<Arc<Shared>>) -> &'static str {
    dojo.stall().await;
    "alive"
}

impl Shared {
    /// Waits while nothing is answered.
    async fn stall(&self) {
        let until = self.state.lock().unwrap().stalled_until;
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Everything that follows from an order, and something that follows from somebody else's.
    fn happen(&self, order: &Order) {
        let mut known = self.state.lock().unwrap();
        let in_window = known.per_customer.entry(order.customer_name.clone()).or_default();
        *in_window += 1;
        let (in_window, all) = (*in_window, known.per_customer.values().sum::<usize>());
        let always_fails = known.settings.fail_rate("notification-1", &Default::default()) == 1.into();
        let mut alerts = Vec::new();
        for (alert, fires) in [
            ("VELOCITY", in_window > self.script.velocity),
            ("BURST", all > 20),
            ("AMOUNT", order.total() > 100.into()),
        ] {
            if fires {
                alerts.push(json!({"type": alert, "reason": "because", "severity": "LOW"}));
            }
        }
        let mut events = vec![
            audit("order-service", "created", order.id, json!({})),
            audit("fraud-service", "FRAUD_ALERT", Uuid::new_v4(), json!({"alerts": alerts})),
            ("status", json!({"instanceId": "notification-1"})),
            ("audit", json!({"source": "tomorrow", "action": "UNHEARD_OF"})),
        ];
        if !self.script.no_fraud && alerts.is_empty() {
            events.push(audit("fraud-service", "FRAUD_CHECK_PASSED", order.id, json!({})));
        } else if !self.script.no_fraud {
            events.push(audit("fraud-service", "FRAUD_ALERT", order.id, json!({"alerts": alerts})));
        }
        let notification = |action, retry: u32| {
            audit(
                "notification-service",
                action,
                order.id,
                json!({"retryCount": retry, "instanceId": "notification-1"}),
            )
        };
        if always_fails {
            events.extend([notification("RETRY", 1), notification("RETRY", 2), notification("DLQ", 2)]);
            events.push((
                "dlq",
                json!({"action": "created", "order": order, "reason": "no", "instanceId": "notification-1",
                       "timestamp": "2026-01-01T00:00:00.000Z"}),
            ));
        } else {
            events.push(notification("NOTIFIED", 0));
        }
        let times = if self.script.twice { 2 } else { 1 };
        for (event, mut data) in events {
            for _ in 0..times {
                let id = known.log.len() + 1;
                data["record"] = json!({"topic": event, "partition": 0, "offset": id});
                known.log.push(format!("event: {event}\nid: {id}\ndata: {data}\n\n"));
            }
        }
        drop(known);
        self.grown.send_replace(());
    }
}

fn audit(source: &str, action: &str, order: Uuid, more: Value) -> (&'static str, Value) {
    let mut event = json!({
        "source": source, "action": action, "orderId": order, "timestamp": dojo_contract::time::format(DateTime::UNIX_EPOCH),
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ("audit", event)
}

async fn events(State(dojo): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let last = headers.get("last-event-id").map(|id| id.to_str().unwrap().to_owned());
    let resumes = last.is_some();
    let from = {
        let mut known = dojo.state.lock().unwrap();
        known.streams.push(last.clone());
        last.map_or(known.log.len(), |id| id.parse().unwrap())
    };
    if resumes && dojo.script.never_resumes {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let first = if resumes && dojo.script.gap { "event: gap\ndata: {}\n\n" } else { ": here\n\n" };
    let until = dojo.script.breaks_after.map_or(usize::MAX, |n| from + n);
    let grown = dojo.grown.subscribe();
    let log = stream::unfold((from, grown), move |(at, mut grown)| {
        let dojo = dojo.clone();
        async move {
            if at >= until {
                return None;
            }
            loop {
                grown.borrow_and_update();
                let next = dojo.state.lock().unwrap().log.get(at).cloned();
                match next {
                    // A quiet stream says in between that it is alive.
                    Some(event) => {
                        dojo.stall().await;
                        return Some((format!("event: heartbeat\ndata: {{}}\n\n{event}"), (at + 1, grown)));
                    }
                    None => grown.changed().await.ok()?,
                }
            }
        }
    });
    let text = stream::StreamExt::chain(stream::iter([first.to_owned()]), log);
    let body = Body::from_stream(stream::StreamExt::map(text, |text| Ok::<_, Infallible>(Bytes::from(text))));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn change_settings(
    State(dojo): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(patch): Json<Value>,
) -> Response {
    let run = headers.get("dojo-run").map(|run| run.to_str().unwrap().to_owned());
    let mut known = dojo.state.lock().unwrap();
    for (name, value) in SettingsPatch::parse(&patch, &known.settings).unwrap().records {
        known.settings.apply(&name.to_string(), value.as_deref().map(str::as_bytes)).unwrap();
    }
    known.patches.push((patch, run));
    drop(known);
    dojo.grown.send_replace(());
    (dojo.script.patched, Json(json!({"waitingFor": ["notification-2"]}))).into_response()
}

async fn rules(State(dojo): State<Arc<Shared>>) -> Json<Value> {
    let mut known = dojo.state.lock().unwrap();
    known.asked_for_rules += 1;
    // What a run has replaced is put back, and that shows a little later.
    if known.asked_for_rules > 2 && !known.plays() {
        let replaced = std::mem::take(&mut known.replaced);
        known.rules.extend(replaced);
    }
    dojo.grown.send_replace(());
    let shown = |name: &str| json!({"name": name, "file": format!("rules/{name}.rhai"), "version": version(known.source(name))});
    Json(json!([shown("fraud"), shown("notification")]))
}

async fn rule(State(dojo): State<Arc<Shared>>, Path(name): Path<String>) -> Response {
    let source = dojo.state.lock().unwrap().source(&name).to_owned();
    ([(header::ETAG, version(&source))], Json(json!({"source": source}))).into_response()
}

async fn change_rule(
    State(dojo): State<Arc<Shared>>,
    Path(name): Path<String>,
    Json(body): Json<Value>,
) -> Json<Value> {
    let source = body["source"].as_str().unwrap().to_owned();
    let mut known = dojo.state.lock().unwrap();
    let before = known.source(&name).to_owned();
    known.replaced.entry(name.clone()).or_insert(before);
    known.rules.insert(name, source.clone());
    Json(json!({"version": version(&source)}))
}

async fn start_run(State(dojo): State<Arc<Shared>>, Json(run): Json<Value>) -> Response {
    let refused = dojo.script.lent && run["alongside"] != true;
    dojo.state.lock().unwrap().runs.push(run.clone());
    if refused {
        let detail = "the scenario \"Order flood\" (run a1b2c3) plays since 12:00:00, for 7 seconds";
        return (StatusCode::CONFLICT, Json(json!({"title": "Conflict", "detail": detail}))).into_response();
    }
    (StatusCode::CREATED, Json(run)).into_response()
}

async fn report(
    State(dojo): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(events): Json<Value>,
) -> Response {
    let events = events.as_array().cloned().unwrap_or_else(|| vec![events]);
    let ends = events.iter().any(|event| event["type"] == "ended");
    if dojo.script.refuses.is_some_and(|text| events.iter().any(|event| event["text"] == text)) {
        let problem =
            json!({"title": "invalid event", "errors": [{"field": "text", "message": "is refused"}]});
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(problem)).into_response();
    }
    let (requests, endings, room) = {
        let mut known = dojo.state.lock().unwrap();
        known.lists.push(events.len());
        known.reports.extend(events);
        if ends {
            known.asked_for_rules = 0;
        }
        let of = |name: &str| known.reports.iter().filter(|report| report["type"] == name).count();
        (known.lists.len(), of("ended"), dojo.script.room(&known.reports))
    };
    dojo.grown.send_replace(());
    if requests > dojo.script.requests && !ends {
        let detail = "the run was abandoned: its runner had been silent for 6 seconds";
        return (StatusCode::GONE, Json(json!({"title": "Gone", "detail": detail}))).into_response();
    }
    if !ends {
        return Json(room).into_response();
    }
    if dojo.script.hangs_at_the_end {
        std::future::pending::<()>().await;
    }
    if endings <= dojo.script.away_at_the_end {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    Json(json!({"runId": id, "undone": ["`failRate` is 0.3 again"]})).into_response()
}

async fn status(State(dojo): State<Arc<Shared>>) -> Json<Value> {
    let instance = |service: &str| json!({"instanceId": format!("{service}-1"), "service": service, "version": "9.8.7", "state": "running", "live": true});
    let mut instances = vec![instance("order"), instance("fraud")];
    if !dojo.script.no_notification {
        instances.push(instance("notification"));
    }
    Json(json!({"instances": instances, "groups": [], "topics": []}))
}
