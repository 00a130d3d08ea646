//! Sends the orders of a schedule on the thread of the caller.
//!
//! One task holds all requests in flight and polls those that make progress: no task is spawned for an order.

use super::{
    figures::Figures,
    measured::{FloodProgress, LoadReport, Measured, Wait},
    open_files,
};
use crate::RunError;
use dojo_scenario::schedule::Schedule;
use futures::stream::{FuturesUnordered, StreamExt};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

/// The most requests in flight. Each has a connection, of which the order service takes twice as many.
pub const MAX_IN_FLIGHT: usize = 1_024;
/// Open files besides the connections of a flood: more than the process needs.
const OTHER_FILES: u64 = 256;
/// How often progress is reported, and the least often that the sender looks at the clock.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// A flood ends if it is so far behind its schedule, because it can't hold its rate any more.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// Does the work of [`send`](super::send).
pub(super) async fn send_here<F>(
    schedule: &Schedule,
    place: impl Fn(u64, Instant) -> F,
    mut report: impl FnMut(&FloodProgress),
    figures: Figures,
    stop: &CancellationToken,
) -> Result<LoadReport, RunError>
where
    F: Future<Output = Result<(), RunError>>,
{
    open_files::allow(MAX_IN_FLIGHT as u64 + OTHER_FILES);
    let mut measured =
        Measured::new(schedule, MAX_IN_FLIGHT, figures).map_err(|e| RunError::Crashed(e.to_string()))?;
    // Dropping the set cancels the requests in flight.
    let mut in_flight = FuturesUnordered::new();
    let mut tick = interval(REPORT_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // When the number of requests in flight last kept an order from being sent.
    let mut full_at = None;
    let start = Instant::now();
    loop {
        let mut now = start.elapsed();
        measured.silences.look(now);
        let mut due = schedule.due(measured.sent);
        let mut more = measured.sent < schedule.orders() && !measured.has_failed();
        while more && due <= now && in_flight.len() < MAX_IN_FLIGHT {
            let wait = wait(&measured, due, full_at);
            measured.count_sent(due, now, wait);
            let placed = place(measured.sent, start + due);
            in_flight.push(async move { (due, placed.await) });
            due = schedule.due(measured.sent);
            more = measured.sent < schedule.orders();
            now = start.elapsed();
        }
        if more && due <= now {
            full_at = Some(now);
            if now - due > GIVE_UP_AFTER {
                measured.count_unsent(due, now, wait(&measured, due, full_at));
                return measured.report();
            }
        }
        if !more && in_flight.is_empty() {
            return measured.report();
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return Err(RunError::Interrupted),
            _ = tick.tick() => report(&measured.moment(start.elapsed())),
            // Answers come before the schedule: polling them is also what sends the requests that were just added.
            Some((due, result)) = in_flight.next() => {
                let now = start.elapsed();
                measured.silences.look(now);
                measured.count_answer(due, now, result, !in_flight.is_empty());
            }
            () = sleep_until(start + due), if more && in_flight.len() < MAX_IN_FLIGHT => {}
        }
    }
}

/// Returns what an order waits for that was due at `due`.
fn wait(measured: &Measured, due: Duration, full_at: Option<Duration>) -> Wait {
    let was_full = full_at.is_some_and(|full| due <= full);
    if was_full && !measured.silences.did_not_run_after(due) { Wait::Answers } else { Wait::Process }
}

#[cfg(test)]
mod tests;
