//! Sends a flood: each order is sent at its scheduled time, whether or not the orders before it were answered.
//!
//! Latency is measured from the scheduled time, so it includes the wait of an order that was sent late. Otherwise a slow
//! target would look fast ("coordinated omission"). The number of orders in flight is bounded. A target so slow that the
//! bound is reached makes orders late, and with too many late orders the flood did not reach its rate.

use crate::{RunError, client::Client, events::Watched, scenario::Flood};
use dojo_contract::NewOrder;
use std::time::Duration;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

const MAX_IN_FLIGHT: usize = 256;
/// How late an order may be sent: longer than a busy laptop stalls, shorter than a room notices.
const TOLERANCE: Duration = Duration::from_millis(500);
/// One order in this many may be late.
const LATE_ONE_IN: u64 = 20;
/// How often progress is reported.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// The figures of a flood in which every order was accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flooded {
    /// Orders accepted.
    pub accepted: u64,
    /// Orders per second, over the whole flood.
    pub rate: f64,
    /// Median latency, from an order's scheduled time to its answer.
    pub p50: Duration,
    /// 99th percentile of the same latency.
    pub p99: Duration,
}

/// The answer to one order.
struct Answer {
    latency: Duration,
    result: Result<(), RunError>,
}

/// Counts of a running flood.
#[derive(Default)]
struct Tally {
    sent: u64,
    late: u64,
    /// One for each accepted order, of which a scenario allows 100,000.
    latencies: Vec<Duration>,
    failed: u64,
    first_failure: Option<RunError>,
}

impl Tally {
    /// Counts the answer to an order. An order whose task panicked counts as failed.
    fn count(&mut self, answer: Result<Answer, JoinError>) {
        let (latency, result) = match answer {
            Ok(Answer { latency, result }) => (latency, result),
            Err(panicked) => (Duration::ZERO, Err(RunError::Crashed(panicked.to_string()))),
        };
        match result {
            Ok(()) => self.latencies.push(latency),
            Err(error) => {
                self.failed += 1;
                self.first_failure.get_or_insert(error);
            }
        }
    }

    fn progress(&self, of: u64) -> String {
        format!("{} of {of} sent, {} accepted", self.sent, self.latencies.len())
    }
}

/// Calls `place` with the number of each order of `flood`, from 1, and waits for every answer. The first order that isn't
/// accepted ends the sending.
///
/// # Errors
/// An order wasn't accepted, too many orders were late, or `stop` was cancelled.
pub async fn send<F>(
    flood: &Flood,
    place: impl Fn(u64) -> F,
    mut report: impl FnMut(String),
    stop: &CancellationToken,
) -> Result<Flooded, RunError>
where
    F: Future<Output = Result<(), RunError>> + Send + 'static,
{
    let mut tally = Tally::default();
    // Dropping the set aborts the orders in flight.
    let mut in_flight = JoinSet::new();
    let mut tick = interval(REPORT_EVERY);
    let start = Instant::now();
    let mut last_sent = start;
    loop {
        let more = tally.sent < flood.count && tally.first_failure.is_none();
        if !more && in_flight.is_empty() {
            break;
        }
        let due = start + flood.rate.due(tally.sent);
        tokio::select! {
            // The schedule comes before the answers, which can wait.
            biased;
            () = stop.cancelled() => return Err(RunError::Interrupted),
            () = sleep_until(due), if more && in_flight.len() < MAX_IN_FLIGHT => {
                last_sent = Instant::now();
                tally.sent += 1;
                tally.late += u64::from(last_sent - due > TOLERANCE);
                let placed = place(tally.sent);
                in_flight.spawn(async move { Answer { result: placed.await, latency: due.elapsed() } });
            }
            Some(answer) = in_flight.join_next(), if !in_flight.is_empty() => tally.count(answer),
            _ = tick.tick() => report(tally.progress(flood.count)),
        }
    }
    finish(flood, tally, last_sent - start)
}

/// Places one order and claims it as this run's own.
pub fn place(
    client: &Client,
    watched: &watch::Sender<Watched>,
    order: NewOrder,
) -> impl Future<Output = Result<(), RunError>> + Send + 'static {
    let (client, watched) = (client.clone(), watched.clone());
    async move {
        // The order service normalizes the name, too. An expectation compares it with the customer it names.
        let customer = dojo_contract::normalize_name(&order.customer_name);
        let id = client.place(&order).await?;
        watched.send_modify(|watched| watched.ledger.claim(id, customer));
        Ok(())
    }
}

fn finish(flood: &Flood, mut tally: Tally, lasted: Duration) -> Result<Flooded, RunError> {
    if let Some(first) = tally.first_failure {
        return Err(RunError::OrdersFailed {
            failed: tally.failed,
            sent: tally.sent,
            first: Box::new(first),
        });
    }
    // n orders have n - 1 gaps between them; the rate of a single order is the one asked for.
    let gaps = flood.count.saturating_sub(1);
    let rate = if gaps == 0 { flood.rate.per_second() } else { gaps as f64 / lasted.as_secs_f64() };
    if tally.late * LATE_ONE_IN > flood.count {
        return Err(RunError::RateNotReached {
            asked: flood.rate,
            reached: rate,
            late: tally.late,
            count: flood.count,
            tolerance: TOLERANCE,
        });
    }
    tally.latencies.sort_unstable();
    Ok(Flooded {
        accepted: tally.latencies.len() as u64,
        rate,
        p50: quantile(&tally.latencies, 0.50),
        p99: quantile(&tally.latencies, 0.99),
    })
}

/// Returns the nearest-rank quantile of sorted durations; zero if there are none.
fn quantile(sorted: &[Duration], q: f64) -> Duration {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scenario, scenario::Step};

    fn flood(count: u64) -> Flood {
        let yaml = format!(
            "name: Test\nsteps:\n  - flood: {{ count: {count}, rate: 1000/s, \
             order: {{ customerName: Ada, item: Pizza, quantity: 1, price: 1 }} }}\n"
        );
        match Scenario::parse("test.yaml", yaml.as_bytes()).unwrap().steps() {
            [Step::Flood(flood)] => flood.clone(),
            steps => panic!("not one flood: {steps:?}"),
        }
    }

    #[tokio::test]
    async fn an_order_whose_task_panics_is_an_order_that_failed() {
        let place = |n| async move {
            assert_ne!(n, 20, "as the test asks");
            Ok(())
        };
        let went = send(&flood(20), place, |_| (), &CancellationToken::new()).await;
        let Err(RunError::OrdersFailed { failed, sent, first }) = went else { panic!("{went:?}") };
        assert_eq!((failed, sent), (1, 20));
        assert!(
            matches!(&*first, RunError::Crashed(reason) if reason.contains("as the test asks")),
            "{first}"
        );
    }

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let millis: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(quantile(&millis, 0.50), Duration::from_millis(50));
        assert_eq!(quantile(&millis, 0.99), Duration::from_millis(99));
        assert_eq!(quantile(&millis[..1], 0.99), Duration::from_millis(1));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }
}
