//! How the API answered this run's requests: status and latency, for each request kind and step that an expectation names.

use super::Judgement;
use crate::scalar::counted;
use crate::{document::HttpExpectation, scalar::written};
use hdrhistogram::Histogram;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// Longest latency of the histogram, in microseconds: ten minutes.
const MAX_MICROS: u64 = 600_000_000;

/// A request about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// `POST /orders`.
    Post,
    /// `PUT /orders/{id}`.
    Put,
    /// `DELETE /orders/{id}`.
    Delete,
}

impl RequestKind {
    /// Returns the name that an expectation gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Post => "POST /orders",
            Self::Put => "PUT /orders",
            Self::Delete => "DELETE /orders",
        }
    }
}

/// The answers that one expectation or several are about.
#[derive(Debug)]
struct Answers {
    /// In microseconds. Grows with the longest latency.
    latencies: Histogram<u64>,
    /// Answers by status.
    statuses: BTreeMap<u16, u64>,
}

/// The request and, for some expectations, the name of the step.
type Key = (String, Option<String>);

/// The answers, by what the expectations ask for.
#[derive(Debug, Default)]
pub(super) struct AllAnswers(HashMap<Key, Answers>);

fn key(expected: &HttpExpectation) -> Key {
    let request = expected.request.as_deref().unwrap_or(RequestKind::Post.name());
    (request.to_owned(), expected.step.as_ref().map(|step| step.0.clone()))
}

impl AllAnswers {
    /// Keeps the answers that this expectation is about.
    pub fn watch(&mut self, expected: &HttpExpectation) {
        if let Ok(mut latencies) = Histogram::new(3) {
            latencies.auto(true);
            let answers = Answers { latencies, statuses: BTreeMap::new() };
            self.0.entry(key(expected)).or_insert(answers);
        }
    }

    /// Adds an answer.
    pub fn add(&mut self, request: RequestKind, step: Option<&str>, status: u16, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(MAX_MICROS).min(MAX_MICROS);
        for step in [None].into_iter().chain(step.map(|step| Some(step.to_owned()))) {
            if let Some(answers) = self.0.get_mut(&(request.name().to_owned(), step)) {
                // It grows as needed, and the latency is bounded, so it has room.
                let _ = answers.latencies.record(micros);
                *answers.statuses.entry(status).or_default() += 1;
            }
        }
    }

    /// Judges what has been answered so far, which is all that the steps before have asked.
    pub fn judge(&self, expected: &HttpExpectation, time_is_up: bool) -> Judgement {
        let (request, step) = key(expected);
        let of = step.as_ref().map(|step| format!(" in step `{step}`")).unwrap_or_default();
        let Some(answers) =
            self.0.get(&(request.clone(), step)).filter(|answers| !answers.latencies.is_empty())
        else {
            let seen = format!("no answer to {request}{of} so far");
            return Judgement { met: time_is_up.then_some(false), seen };
        };
        let total = answers.latencies.len();
        let at = |quantile| Duration::from_micros(answers.latencies.value_at_quantile(quantile));
        let max = Duration::from_micros(answers.latencies.max());
        let latencies = [
            ("p50", at(0.5), expected.p50),
            ("p90", at(0.9), expected.p90),
            ("p99", at(0.99), expected.p99),
            ("max", max, expected.max),
        ];
        let is_fast = latencies.iter().all(|(_, seen, limit)| limit.is_none_or(|limit| *seen < limit.0));
        let fits = expected.status.is_none_or(|status| answers.statuses.get(&status) == Some(&total));
        let statuses = answers.statuses.iter().map(|(status, number)| format!("{number} with {status}"));
        let statuses = statuses.collect::<Vec<_>>().join(", ");
        let latencies = latencies.map(|(name, seen, _)| format!("{name} {}", millis(seen))).join(", ");
        let seen = format!("{}: {statuses}; {latencies}", counted(total, "answer"));
        Judgement { met: Some(fits && is_fast), seen }
    }
}

/// Where the reason of unexpected answers is most likely to be found.
pub(super) const LOOK: &str = "which limit do the orders break, was Kafka away, or what else uses this machine? the answers' bodies, the log of the \
    order service and GET /metrics say";

fn millis(latency: Duration) -> String {
    match latency.as_millis() {
        0..10 => format!("{:.1}ms", latency.as_secs_f64() * 1e3),
        millis => written(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))),
    }
}
