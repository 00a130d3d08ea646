//! A dojo without Kafka that speaks the contract's HTTP and SSE, and misbehaves where its script says so.

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::{DateTime, Utc};
use dojo_contract::{NewOrder, Order, Settings, SettingsPatch};
use futures::stream;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch};
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
    /// Orders accepted; after that, 503.
    pub accepts: usize,
    /// Events on one connection before it breaks.
    pub breaks_after: Option<usize>,
    /// After a break, the log no longer reaches back.
    pub gap: bool,
    /// After a break, nobody answers on `/events`.
    pub never_resumes: bool,
    /// What a PATCH that is taken answers.
    pub patched: StatusCode,
    /// The PATCH, counted from 1, that is never answered.
    pub hangs_on_patch: usize,
    /// PATCHes that are taken; after that, 503.
    pub takes_patches: usize,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            velocity: 5,
            no_fraud: false,
            twice: false,
            early: false,
            answer_after: Duration::ZERO,
            accepts: usize::MAX,
            breaks_after: None,
            gap: false,
            never_resumes: false,
            patched: StatusCode::OK,
            hangs_on_patch: usize::MAX,
            takes_patches: usize::MAX,
        }
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
    patches: Vec<Value>,
    streams: Vec<Option<String>>,
}

impl FakeDojo {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { script, state: Mutex::default(), grown: watch::channel(()).0 });
        let routes = Router::new()
            .route("/orders", post(place))
            .route("/events", get(events))
            .route("/settings", get(settings).patch(change_settings))
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

    pub fn patches(&self) -> Vec<Value> {
        self.known().patches.clone()
    }

    /// The `Last-Event-ID` of every connection to `/events`.
    pub fn streams(&self) -> Vec<Option<String>> {
        self.known().streams.clone()
    }

    pub fn set(&self, key: &str, value: &str) {
        self.known().settings.apply(key, Some(value.as_bytes())).unwrap();
    }

    /// Waits until `condition` holds of the patches taken.
    pub async fn until_patched(&self, condition: impl Fn(&[Value]) -> bool) {
        let waited = async {
            let mut grown = self.shared.grown.subscribe();
            while !condition(&self.known().patches) {
                grown.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waited).await.expect("the patch comes");
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
        known.orders.push((json, order.clone()));
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

impl Shared {
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

async fn settings(State(dojo): State<Arc<Shared>>) -> Json<Value> {
    let known = dojo.state.lock().unwrap();
    let mut shown = json!({"failRate": {"value": 0.3, "source": "default"}, "instances": {}});
    for (name, value) in known.settings.iter() {
        let value = json!({"value": value.to_json(), "source": "topic"});
        match &name.instance {
            None => shown[name.setting.name()] = value,
            Some(instance) => shown["instances"][instance][name.setting.name()] = value,
        }
    }
    Json(shown)
}

async fn change_settings(State(dojo): State<Arc<Shared>>, Json(patch): Json<Value>) -> Response {
    let count = dojo.state.lock().unwrap().patches.len() + 1;
    let response = take_patch(&dojo, patch);
    if count == dojo.script.hangs_on_patch {
        std::future::pending::<()>().await;
    }
    response
}

fn take_patch(dojo: &Shared, patch: Value) -> Response {
    let mut known = dojo.state.lock().unwrap();
    if known.patches.len() >= dojo.script.takes_patches {
        return (StatusCode::SERVICE_UNAVAILABLE, "Kafka is away").into_response();
    }
    for (name, value) in SettingsPatch::parse(&patch, &known.settings).unwrap().records {
        known.settings.apply(&name.to_string(), value.as_deref().map(str::as_bytes)).unwrap();
    }
    known.patches.push(patch);
    drop(known);
    dojo.grown.send_replace(());
    (dojo.script.patched, Json(json!({"waitingFor": ["notification-2"]}))).into_response()
}
