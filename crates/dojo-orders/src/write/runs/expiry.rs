//! Watches the leases: a run whose runner is silent is abandoned, and a run that ended some time ago is forgotten.

use crate::{
    read_models::ReadModels,
    write::runs::{journal::RunJournal, undo::RunUndo},
};
use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::Run;
use std::{cmp::Reverse, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After a longer pause between two looks, this service itself didn't run, and so heard of nobody.
const NOT_RUNNING: Duration = Duration::from_secs(1);
/// How long a run that has ended stays on the topic.
const KEPT_FOR: TimeDelta = TimeDelta::minutes(10);
/// The most runs that have ended and stay on the topic.
const MAX_ENDED: usize = 50;

/// Looks at the runs until `shutdown`.
pub(crate) async fn watch(
    models: Arc<ReadModels>,
    journal: Arc<RunJournal>,
    undo: Arc<RunUndo>,
    shutdown: CancellationToken,
) {
    let look = async {
        let mut last_look = Instant::now();
        loop {
            if last_look.elapsed() > NOT_RUNNING {
                models.runs.all().iter().for_each(|run| journal.hear(&run.run_id));
            }
            last_look = Instant::now();
            if models.runs.is_caught_up() {
                end_silent(&models, &journal, &undo);
                forget_ended(&models, &journal).await;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    shutdown.run_until_cancelled(look).await;
}

/// Ends the runs whose runners are silent. A run that this service sees for the first time, as after its start, has the whole time.
fn end_silent(models: &ReadModels, journal: &RunJournal, undo: &Arc<RunUndo>) {
    let running: Vec<_> = models.runs.all().into_iter().filter(|run| run.is_running()).collect();
    let heard = journal.heard(running.iter().map(|run| run.run_id.as_str()));
    for run in running {
        if !is_mine(models, journal, &run) {
            journal.hear(&run.run_id);
            continue;
        }
        let silent_since = heard.get(&run.run_id).copied().unwrap_or_else(Instant::now);
        if silent_since.elapsed() >= Run::SILENCE {
            undo.begin(&run.run_id, None);
        }
    }
}

async fn forget_ended(models: &ReadModels, journal: &RunJournal) {
    let now = Utc::now();
    let ended = models.runs.all().into_iter().filter(|run| !run.is_running());
    let mut ended: Vec<_> = ended.filter(|run| is_mine(models, journal, run)).collect();
    ended.sort_by_key(|run| Reverse(run.ended_at));
    for (n, run) in ended.into_iter().enumerate() {
        if (n >= MAX_ENDED || is_old(run.ended_at, now))
            && let Err(error) = journal.forget(&run.run_id).await
        {
            tracing::debug!(run = run.run_id, %error, "a run can't be forgotten yet");
            return;
        }
    }
}

fn is_old(ended_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    ended_at.is_none_or(|ended_at| (now - ended_at).abs() > KEPT_FOR)
}

/// Whether this service looks after a run: its runner reports here, or to an order service that is gone.
fn is_mine(models: &ReadModels, journal: &RunJournal, run: &Run) -> bool {
    let other = || models.instances.get(&run.order_service);
    journal.is_own(run) || !other().is_some_and(|other| other.is_live(Utc::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_forgotten_ten_minutes_after_its_end_by_whichever_clock() {
        let now = Utc::now();
        assert!(!is_old(Some(now - TimeDelta::minutes(9)), now));
        assert!(is_old(Some(now - TimeDelta::minutes(11)), now));
        assert!(is_old(Some(now + TimeDelta::minutes(11)), now), "its date is wrong");
    }
}
