//! Orders at a fixed rate, whatever becomes of them, and every answer written down.

use crate::process::Dojo;
use dojo_testbed::eventually;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::{CancellationToken, DropGuard};

const PER_SECOND: u64 = 100;
/// So many orders of one customer follow one another: within 60 s, so that exactly all but five are suspicious.
const PER_CUSTOMER: usize = 200;

/// What the client was told of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// 201, under this id.
    Created(String),
    /// 503: nothing was changed.
    Refused,
    /// 503: nobody knows.
    Unknown,
    /// 503: it is on the log, but something after that is late.
    Incomplete,
    /// Anything else, which there must not be.
    Other(String),
}

/// An order's answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Names the order, whatever its id.
    pub item: String,
    pub told: Told,
    pub asked: Instant,
    pub answered: Instant,
}

impl Answer {
    pub fn took(&self) -> Duration {
        self.answered - self.asked
    }
}

/// Orders that are being placed.
pub struct Load {
    answers: Arc<Mutex<Vec<Answer>>>,
    stop: DropGuard,
    placing: JoinHandle<()>,
}

impl Load {
    /// A hundred orders a second, one of ten of which is of a customer who orders too often.
    pub fn start(dojo: &Dojo) -> Self {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let placing =
            tokio::spawn(place(dojo.http.clone(), dojo.url.clone(), Arc::clone(&answers), stop.clone()));
        Self { answers, stop: stop.drop_guard(), placing }
    }

    /// The answers so far, as they came.
    pub fn answers(&self) -> Vec<Answer> {
        self.answers.lock().unwrap().clone()
    }

    /// Waits for an answer that is `wanted`, to an order that was placed after `since`; how long after that it came.
    pub async fn until(&self, what: &str, since: Instant, wanted: impl Fn(&Told) -> bool) -> Duration {
        eventually(what, async || {
            let answers = self.answers.lock().unwrap();
            let found = answers.iter().filter(|a| a.asked > since).find(|a| wanted(&a.told));
            found.map(|answer| answer.answered - since).ok_or_else(|| tally(&answers))
        })
        .await
    }

    /// No more orders; every answer, once all have come.
    pub async fn end(self) -> Vec<Answer> {
        drop(self.stop);
        self.placing.await.unwrap();
        std::mem::take(&mut *self.answers.lock().unwrap())
    }
}

/// How often which answer was given.
pub fn tally(answers: &[Answer]) -> BTreeMap<&'static str, usize> {
    let mut tally = BTreeMap::new();
    for answer in answers {
        let name = match answer.told {
            Told::Created(_) => "created",
            Told::Refused => "refused",
            Told::Unknown => "unknown",
            Told::Incomplete => "incomplete",
            Told::Other(_) => "other",
        };
        *tally.entry(name).or_default() += 1;
    }
    tally
}

async fn place(
    http: reqwest::Client,
    url: String,
    answers: Arc<Mutex<Vec<Answer>>>,
    stop: CancellationToken,
) {
    let mut tick = interval(Duration::from_millis(1_000 / PER_SECOND));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut placing = JoinSet::new();
    let mut n = 0;
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        n += 1;
        let customer = if n % 10 == 0 {
            format!("Mallory {}", n / (10 * PER_CUSTOMER))
        } else {
            format!("Customer {n}")
        };
        let item = format!("Pizza {n}");
        let order = json!({"customerName": customer, "item": item, "quantity": 1, "price": 1});
        let (request, answers) = (http.post(format!("{url}/orders")).json(&order), Arc::clone(&answers));
        placing.spawn(async move {
            let asked = Instant::now();
            let told = match request.send().await {
                Ok(response) => understood(response).await,
                Err(error) => Told::Other(format!("{error:?}")),
            };
            let answer = Answer { item, told, asked, answered: Instant::now() };
            answers.lock().unwrap().push(answer);
        });
    }
    placing.join_all().await;
}

async fn understood(response: reqwest::Response) -> Told {
    let (status, again) = (response.status(), response.headers().contains_key("retry-after"));
    let body: Value = response.json().await.unwrap_or_default();
    match (status.as_u16(), body["detail"].as_str(), body["id"].as_str()) {
        (201, _, Some(id)) => Told::Created(id.to_owned()),
        (503, Some(detail), _) if again && detail.starts_with("nothing was changed") => Told::Refused,
        (503, Some(detail), _) if again && detail.starts_with("the outcome is unknown") => Told::Unknown,
        (503, Some(detail), _) if again && detail.starts_with("the order ") => Told::Incomplete,
        _ => Told::Other(format!("{status} {body}")),
    }
}
