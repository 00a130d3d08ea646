//! Sends a flood: order n leaves at its scheduled time, whether or not the ones before it were answered.
//!
//! Latency is counted from the scheduled time, so an order that had to wait for its turn counts that wait, too (else a
//! slow target would look fast: "coordinated omission"). What is in flight is bounded; a target so slow that the
//! bound is reached makes orders leave late, and a flood with too many late ones did not keep its rate.

use crate::{RunError, client::Client, events::Watched, scenario::Flood};
use std::time::Duration;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

const MAX_IN_FLIGHT: usize = 256;
/// What is not yet late: more than a busy laptop's hiccup, less than a room notices.
const TOLERANCE: Duration = Duration::from_millis(500);
/// One order in so many may be late.
const LATE_ONE_IN: u64 = 20;
const TELL_EVERY: Duration = Duration::from_millis(100);

/// How a flood went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flooded {
    /// Orders accepted.
    pub accepted: u64,
    /// Orders a second, over the whole flood.
    pub rate: f64,
    /// Half of the orders were answered within this time from when they were due.
    pub p50: Duration,
    /// Ninety-nine of a hundred were.
    pub p99: Duration,
}

struct Sent {
    took: Duration,
    result: Result<(), RunError>,
}

/// What is counted while a flood runs.
#[derive(Default)]
struct Tally {
    sent: u64,
    late: u64,
    took: Vec<Duration>,
    failed: u64,
    first_failure: Option<RunError>,
}

impl Tally {
    fn take_in(&mut self, sent: Sent) {
        match sent.result {
            Ok(()) => self.took.push(sent.took),
            Err(error) => {
                self.failed += 1;
                self.first_failure.get_or_insert(error);
            }
        }
    }

    fn told(&self, of: u64) -> String {
        format!("{} of {of} sent, {} accepted", self.sent, self.took.len())
    }
}

/// Sends `flood` as run `run` and waits for every answer. Each accepted order is claimed in `watched`. The first one that
/// is not accepted ends the sending.
pub async fn send(
    flood: &Flood,
    run: &str,
    client: &Client,
    watched: &watch::Sender<Watched>,
    mut tell: impl FnMut(String),
    stop: &CancellationToken,
) -> Result<Flooded, RunError> {
    let mut tally = Tally::default();
    // Dropping the set aborts what is still in flight.
    let mut in_flight = JoinSet::new();
    let mut tick = interval(TELL_EVERY);
    let start = Instant::now();
    let mut last_left = start;
    loop {
        let more = tally.sent < flood.count && tally.first_failure.is_none();
        if !more && in_flight.is_empty() {
            break;
        }
        let due = start + flood.rate.due(tally.sent);
        tokio::select! {
            // The schedule before the answers: they can wait, it cannot.
            biased;
            () = stop.cancelled() => return Err(RunError::Interrupted),
            () = sleep_until(due), if more && in_flight.len() < MAX_IN_FLIGHT => {
                last_left = Instant::now();
                tally.sent += 1;
                tally.late += u64::from(last_left - due > TOLERANCE);
                in_flight.spawn(post(flood, run, tally.sent, due, client, watched));
            }
            Some(sent) = in_flight.join_next(), if !in_flight.is_empty() => {
                if let Ok(sent) = sent {
                    tally.take_in(sent);
                }
            }
            _ = tick.tick() => tell(tally.told(flood.count)),
        }
    }
    finish(flood, tally, last_left - start)
}

/// One order, from its due time to its answer.
fn post(
    flood: &Flood,
    run: &str,
    n: u64,
    due: Instant,
    client: &Client,
    watched: &watch::Sender<Watched>,
) -> impl Future<Output = Sent> + Send + 'static {
    let order = flood.order.fill(run, n);
    let (client, watched) = (client.clone(), watched.clone());
    async move {
        let result = place(&client, &watched, order).await;
        Sent { took: due.elapsed(), result }
    }
}

/// Places one order and claims it as this run's own.
pub async fn place(
    client: &Client,
    watched: &watch::Sender<Watched>,
    order: dojo_contract::NewOrder,
) -> Result<(), RunError> {
    // As the order service does, so that a customer asked for is found.
    let customer = dojo_contract::normalize_name(&order.customer_name);
    let id = client.place(&order).await?;
    watched.send_modify(|watched| watched.ledger.claim(id, customer));
    Ok(())
}

fn finish(flood: &Flood, mut tally: Tally, lasted: Duration) -> Result<Flooded, RunError> {
    if let Some(first) = tally.first_failure {
        return Err(RunError::OrdersFailed {
            failed: tally.failed,
            sent: tally.sent,
            first: Box::new(first),
        });
    }
    // n orders span n - 1 gaps; a flood of one has no rate but the one asked for.
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
    tally.took.sort_unstable();
    Ok(Flooded {
        accepted: tally.took.len() as u64,
        rate,
        p50: quantile(&tally.took, 0.50),
        p99: quantile(&tally.took, 0.99),
    })
}

/// The nearest-rank quantile of sorted durations; zero of none.
fn quantile(sorted: &[Duration], q: f64) -> Duration {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let millis: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(quantile(&millis, 0.50), Duration::from_millis(50));
        assert_eq!(quantile(&millis, 0.99), Duration::from_millis(99));
        assert_eq!(quantile(&millis[..1], 0.99), Duration::from_millis(1));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }
}
