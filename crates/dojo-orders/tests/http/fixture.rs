//! The service on a Kafka, and clients for both.

use chrono::Utc;
use dojo_contract::{Defaults, InstanceState, InstanceStatus, Service, topic};
use dojo_http::Metrics;
use dojo_kafka::{InstanceName, KafkaConfig, Outgoing, Readiness};
use dojo_orders::{Config, PageConfig, PassedIn};
use dojo_rules::{RulesConfig, WatchMode};
use dojo_testbed::{PATIENCE, Read, eventually};
use futures::{StreamExt, stream::BoxStream};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// A record without headers.
pub fn record(topic: &'static str, key: &str, value: Option<&[u8]>) -> Outgoing {
    let (key, value) = (Some(key.as_bytes().to_vec()), value.map(<[u8]>::to_vec));
    Outgoing { topic, key, value, headers: Vec::new(), timestamp: None }
}

/// The report of an instance that runs, as far as settings change: it has applied those that a test can write.
pub fn running(id: &str, service: Service) -> InstanceStatus {
    InstanceStatus {
        instance_id: id.into(),
        service,
        version: "0".into(),
        pid: 1,
        started_at: Utc::now(),
        timestamp: Utc::now(),
        state: InstanceState::Running,
        partitions: Vec::new(),
        rule_version: None,
        rule_error: None,
        limitation: None,
        settings_offset: 1_000,
        rebalances: 1,
    }
}

/// The record of an instance's report.
pub fn reported(status: &InstanceStatus) -> Outgoing {
    record(topic::STATUS, &status.instance_id, Some(&serde_json::to_vec(status).unwrap()))
}

/// Everything that a topic holds now: key and value of each record; null is what is no JSON.
pub fn told(records: Vec<Read>) -> Vec<(String, Value)> {
    let told = |record: Read| {
        let key = String::from_utf8_lossy(&record.key.unwrap_or_default()).into_owned();
        (key, serde_json::from_slice(&record.value.unwrap_or_default()).unwrap_or_default())
    };
    records.into_iter().map(told).collect()
}

/// A running order service.
pub struct Orders {
    pub url: String,
    pub client: Client,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), dojo_orders::Error>>,
    pub rules: tempfile::TempDir,
}

impl Orders {
    /// The service, once it is ready.
    pub async fn start(kafka: &KafkaConfig) -> Self {
        let orders = Self::start_cold(kafka).await;
        orders.until_ready().await;
        orders
    }

    /// The service, as soon as it listens.
    pub async fn start_cold(kafka: &KafkaConfig) -> Self {
        Self::start_keeping(kafka, 1_000).await
    }

    /// The service with an orders list of that length, as soon as it listens.
    pub async fn start_keeping(kafka: &KafkaConfig, orders_kept: usize) -> Self {
        Self::start_with(kafka, PageConfig { orders_kept, ..PageConfig::default() }).await
    }

    /// The service with a configuration of its page and API, as soon as it listens.
    pub async fn start_with(kafka: &KafkaConfig, page: PageConfig) -> Self {
        Self::start_passing_in(kafka, page, PassedIn::default()).await
    }

    /// The service with what a program passes in, as soon as it listens.
    pub async fn start_passing_in(kafka: &KafkaConfig, page: PageConfig, passed_in: PassedIn) -> Self {
        Self::start_as(InstanceName::default(), kafka, page, passed_in).await
    }

    /// The service with an id of its own, once it is ready.
    pub async fn start_named(id: &str, kafka: &KafkaConfig) -> Self {
        let name = InstanceName { instance_id: Some(id.to_owned()) };
        let orders = Self::start_as(name, kafka, PageConfig::default(), PassedIn::default()).await;
        orders.until_ready().await;
        orders
    }

    async fn start_as(
        instance: InstanceName,
        kafka: &KafkaConfig,
        page: PageConfig,
        passed_in: PassedIn,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let rules = tempfile::tempdir().unwrap();
        let config = Config {
            kafka: kafka.clone(),
            instance,
            defaults: Defaults::default(),
            rules: RulesConfig { rules_dir: rules.path().to_owned(), rules_watch: WatchMode::Poll },
            page: PageConfig { allowed_hosts: vec!["dojo.test".parse().unwrap()], ..page },
            embedded_broker: true,
        };
        let stop = CancellationToken::new();
        let (readiness, metrics) = (Readiness::default(), Metrics::default());
        let ended =
            tokio::spawn(dojo_orders::run(config, listener, readiness, metrics, passed_in, stop.clone()));
        let client = Client::builder().timeout(PATIENCE).build().unwrap();
        Self { url, client, stop, ended, rules }
    }

    /// Waits until the service is ready; one that never is says why not.
    pub async fn until_ready(&self) {
        eventually("the service to be ready", async || {
            let ready = self.request(Method::GET, "/readyz").send().await.map_err(|e| e.to_string())?;
            if ready.status() == 200 { Ok(()) } else { Err(ready.text().await.unwrap_or_default()) }
        })
        .await;
    }

    pub async fn stop(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.ended).await.expect("the service ends in time").unwrap().unwrap();
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub async fn send(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.request(method, path).json(&body).send().await.unwrap()).await
    }

    /// Places an order and returns it. A machine under load may answer that it is not in the list yet; then the same order
    /// is asked for again.
    pub async fn place(&self, customer: &str) -> Value {
        let key = uuid::Uuid::new_v4().to_string();
        eventually("the order to be placed", async || {
            let request = self.request(Method::POST, "/orders").header("idempotency-key", &key);
            match answer(request.json(&pizza(customer)).send().await.unwrap()).await {
                (StatusCode::CREATED, order) => Ok(order),
                refused => Err(refused),
            }
        })
        .await
    }

    pub async fn events(&self, query: &str) -> Events {
        self.events_after(query, None).await
    }

    /// An open stream.
    pub async fn events_after(&self, query: &str, last_event_id: Option<&str>) -> Events {
        let mut request =
            Client::new().get(format!("{}/events{query}", self.url)).header("host", "localhost");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut events = Events::of(response);
        let greeting = events.block().await.expect("a stream greets at once");
        assert!(greeting.starts_with(":"), "{greeting}");
        events
    }
}

pub fn pizza(customer: &str) -> Value {
    json!({"customerName": customer, "item": "Pizza", "quantity": 2, "price": 9.5})
}

pub async fn answer(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect(&text) })
}

/// What a quiet stream says.
pub const HEARTBEAT: &str = "event: heartbeat\ndata: {}";

/// A client of server-sent events that takes nothing for granted.
pub struct Events {
    bytes: BoxStream<'static, Vec<u8>>,
    buffer: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct Event {
    pub id: String,
    pub event: String,
    pub data: Value,
}

impl Event {
    pub fn place(&self) -> (String, i64, i64) {
        let record = &self.data["record"];
        let number = |name: &str| record[name].as_i64().unwrap();
        (record["topic"].as_str().unwrap().to_owned(), number("partition"), number("offset"))
    }
}

impl Events {
    pub fn of(response: Response) -> Self {
        let bytes = response.bytes_stream().map(|chunk| chunk.unwrap().to_vec()).boxed();
        Self { bytes, buffer: Vec::new() }
    }

    /// The next block of lines; `None` at the stream's end.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let rest = self.buffer.split_off(end + 2);
                let block = std::mem::replace(&mut self.buffer, rest);
                return Some(String::from_utf8(block).unwrap().trim_end().to_owned());
            }
            let chunk = timeout(PATIENCE, self.bytes.next()).await.expect("the stream goes on")?;
            self.buffer.extend(chunk);
        }
    }

    /// The next event; `None` at the stream's end.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            // Comments, heartbeats and rebalances move no cursor.
            if !block.starts_with("id: ") {
                continue;
            }
            let lines: Vec<_> = block.split(['\n', '\r']).collect();
            let [id, event, data] = lines[..] else { panic!("an event has three lines: {block:?}") };
            return Some(Event {
                id: id.strip_prefix("id: ").unwrap().to_owned(),
                event: event.strip_prefix("event: ").unwrap().to_owned(),
                data: serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap(),
            });
        }
    }

    /// The next event of a kind, with patience: heartbeats keep a stream going on which nothing happens.
    pub async fn next_of(&mut self, kind: &str) -> Event {
        self.next_of_any(&[kind]).await
    }

    /// The next event of any of these kinds.
    pub async fn next_of_any(&mut self, kinds: &[&str]) -> Event {
        let wanted = async {
            loop {
                let event = self.next().await.expect("the stream goes on");
                if kinds.contains(&event.event.as_str()) {
                    return event;
                }
            }
        };
        timeout(PATIENCE, wanted).await.unwrap_or_else(|_| panic!("no event of {kinds:?} in time"))
    }
}
