//! Orders at a fixed rate, whatever becomes of them, and every answer written down.

use crate::process::{Dojo, client};
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

/// Orders of one customer who orders too often: within 60 s, so that exactly all but five are suspicious.
const PER_CUSTOMER: usize = 200;
/// Orders of each customer of [`Load::of_many`], and customers whose orders take turns.
const EACH: usize = 8;
const TAKING_TURNS: usize = 30;

/// The customer of the nth order, where each of many customers places eight within seconds: three of them are
/// suspicious, and a single order that isn't counted shows.
pub fn one_of_many(n: usize) -> String {
    format!("Customer {}-{}", n / (EACH * TAKING_TURNS), n % TAKING_TURNS)
}

fn one_of_ten_is_suspicious(n: usize) -> String {
    if n.is_multiple_of(10) {
        format!("Mallory {}", n / (10 * PER_CUSTOMER))
    } else {
        format!("Customer {n}")
    }
}

/// What the client was told of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// 201, under this id.
    Created(String),
    /// 503: nothing was changed.
    Refused,
    /// 503: nothing was changed, since the audit record, which comes first, was not acknowledged in time.
    Unaudited,
    /// 503: nobody knows.
    Unknown,
    /// 503: it is on the log, but something after that is late.
    Incomplete,
    /// Nothing: the order service ended before it answered.
    CutOff,
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
        Self::at(&dojo.url, 100, one_of_ten_is_suspicious)
    }

    /// So many orders a second of many customers, with eight orders each.
    pub fn of_many(url: &str, per_second: u64) -> Self {
        Self::at(url, per_second, one_of_many)
    }

    fn at(url: &str, per_second: u64, customer: fn(usize) -> String) -> Self {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let placing =
            place(format!("{url}/orders"), per_second, customer, Arc::clone(&answers), stop.clone());
        Self { answers, stop: stop.drop_guard(), placing: tokio::spawn(placing) }
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

    /// Waits until so many more orders have been taken.
    pub async fn takes(&self, more: usize) {
        let told = || tally(&self.answers.lock().unwrap());
        let taken = |told: &BTreeMap<_, usize>| told.get("created").copied().unwrap_or_default();
        let wanted = taken(&told()) + more;
        eventually(&format!("{wanted} orders to be taken"), async || {
            let told = told();
            if taken(&told) >= wanted { Ok(()) } else { Err(told) }
        })
        .await;
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
            Told::Unaudited => "unaudited",
            Told::Unknown => "unknown",
            Told::Incomplete => "incomplete",
            Told::CutOff => "cut off",
            Told::Other(_) => "other",
        };
        *tally.entry(name).or_default() += 1;
    }
    tally
}

async fn place(
    url: String,
    per_second: u64,
    customer: fn(usize) -> String,
    answers: Arc<Mutex<Vec<Answer>>>,
    stop: CancellationToken,
) {
    let http = client();
    let mut tick = interval(Duration::from_millis(1_000 / per_second));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut placing = JoinSet::new();
    let mut n = 0;
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let item = format!("Pizza {n}");
        let order = json!({"customerName": customer(n), "item": item, "quantity": 1, "price": 1});
        let (request, answers) = (http.post(&url).json(&order), Arc::clone(&answers));
        placing.spawn(async move {
            let asked = Instant::now();
            let told = match request.send().await {
                Ok(response) => understood(response).await,
                Err(error) if error.is_timeout() => Told::Other(format!("{error:?}")),
                Err(_) => Told::CutOff,
            };
            let answer = Answer { item, told, asked, answered: Instant::now() };
            answers.lock().unwrap().push(answer);
        });
        n += 1;
    }
    placing.join_all().await;
}

async fn understood(response: reqwest::Response) -> Told {
    let (status, again) = (response.status(), response.headers().contains_key("retry-after"));
    let body = match response.bytes().await {
        Ok(body) => body,
        Err(error) if error.is_timeout() => return Told::Other(format!("{error:?}")),
        Err(_) => return Told::CutOff,
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    match (status.as_u16(), body["detail"].as_str(), body["id"].as_str()) {
        (201, _, Some(id)) => Told::Created(id.to_owned()),
        (503, Some(detail), _) if again && detail.starts_with("nothing was changed: Kafka did not ack") => {
            Told::Unaudited
        }
        (503, Some(detail), _) if again && detail.starts_with("nothing was changed") => Told::Refused,
        (503, Some(detail), _) if again && detail.starts_with("the outcome is unknown") => Told::Unknown,
        (503, Some(detail), _) if again && detail.starts_with("the order ") => Told::Incomplete,
        _ => Told::Other(format!("{status} {body}")),
    }
}
