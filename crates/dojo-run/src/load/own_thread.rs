//! Sends a flood on a thread that has nothing else to do, so that orders leave and answers are timed while the rest of the
//! runner is busy with events.
//!
//! The thread has a runtime with no further threads. So a request and its answer stay on one thread, which takes less than
//! half of the processor time that a shared runtime takes.

use super::{
    figures::Figures,
    measured::{FloodProgress, LoadReport},
    send::send_here,
};
use crate::RunError;
use dojo_scenario::schedule::Schedule;
use std::thread;
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// Calls `place` when an order of `schedule` is due, with its number from 1 and the time at which it is due, and waits for
/// every answer. The first order that isn't accepted ends the sending. Each future of `place` must end by itself after a
/// bounded time.
///
/// `place` is called on a thread of the flood, and `report` by the caller. `figures` has the figures so far, also if the flood
/// fails. Dropping the future ends the flood.
///
/// # Errors
/// An order wasn't accepted, the rate wasn't held, or `stop` was cancelled.
pub async fn send<P, F>(
    schedule: Schedule,
    place: P,
    mut report: impl FnMut(&FloodProgress),
    figures: Figures,
    stop: &CancellationToken,
) -> Result<LoadReport, RunError>
where
    P: Fn(u64, Instant) -> F + Send + 'static,
    F: Future<Output = Result<(), RunError>>,
{
    let stop = stop.child_token();
    let _stops_when_dropped = stop.clone().drop_guard();
    let (moments, mut moment) = watch::channel(None);
    let (ended, mut end) = oneshot::channel();
    let failed = |e: std::io::Error| RunError::Crashed(e.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let flood = move || {
        let report = |moment: &FloodProgress| {
            let _ = moments.send_replace(Some(*moment));
        };
        // If the receiver is gone, the caller no longer wants the result.
        let _ = ended.send(runtime.block_on(send_here(&schedule, place, report, figures, &stop)));
    };
    thread::Builder::new().name("flood".to_owned()).spawn(flood).map_err(failed)?;
    loop {
        tokio::select! {
            // The thread ends without a result only if it panics, after it has said why on stderr.
            result = &mut end => return result.unwrap_or(Err(RunError::Crashed("its sender panicked".to_owned()))),
            Ok(()) = moment.changed() => {
                if let Some(moment) = *moment.borrow_and_update() {
                    report(&moment);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dojo_scenario::schedule::{Length, Phase};

    /// Sends twenty orders in 20 ms.
    async fn sent<F>(
        place: impl Fn(u64, Instant) -> F + Send + 'static,
        report: impl FnMut(&FloodProgress),
    ) -> Result<LoadReport, RunError>
    where
        F: Future<Output = Result<(), RunError>>,
    {
        let phase = Phase::Steady { rate: 1_000.0, length: Length::Orders(20) };
        let schedule = Schedule::new(&[phase]).unwrap();
        let figures = Figures::new(&schedule).unwrap();
        send(schedule, place, report, figures, &CancellationToken::new()).await
    }

    #[tokio::test]
    async fn an_order_whose_sending_panics_ends_the_flood_with_an_error() {
        let place = |n, _| async move {
            assert_ne!(n, 10, "as the test asks");
            Ok(())
        };
        let ended = sent(place, |_| ()).await;
        assert!(matches!(&ended, Err(RunError::Crashed(_))), "{ended:?}");
    }

    #[tokio::test]
    async fn the_caller_is_told_how_far_the_flood_is() {
        let mut last = None;
        let place = |_, _| async { Ok(()) };
        let report = sent(place, |moment| last = Some(*moment)).await.unwrap();
        assert_eq!(report.accepted, 20);
        assert_eq!(last.unwrap().orders, 20);
    }
}
