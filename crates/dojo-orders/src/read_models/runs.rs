//! The scenario runs: a projection of `dojo-runs`. It also decides which run holds the lease: of the running ones, the one
//! that asked for it first on the log. So every order service comes to the same answer.

use crate::{log::decode::decode, read_models::applied_offsets::AppliedOffsets};
use dojo_contract::Run;
use dojo_kafka::{Record, Tailed};
use parking_lot::RwLock;
use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::watch;

/// More runs than are known at a time: the lease's, those alongside, and those that ended in the last minutes.
const MAX_RUNS: usize = 300;
/// `dojo-runs` has one partition.
pub(crate) const PARTITION: i32 = 0;

/// The runs of the topic, each as its last record says.
#[derive(Debug)]
pub(crate) struct Runs {
    /// How far the projection has come on `dojo-runs`.
    pub(crate) applied: AppliedOffsets,
    known: RwLock<Known>,
    is_caught_up: AtomicBool,
    changed: watch::Sender<u64>,
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            applied: AppliedOffsets::default(),
            known: RwLock::default(),
            is_caught_up: AtomicBool::new(false),
            changed: watch::Sender::new(0),
        }
    }
}

#[derive(Debug, Default)]
struct Known {
    runs: BTreeMap<String, Arc<Run>>,
    /// The next offset. A record below it comes from another log.
    next: i64,
}

impl Runs {
    /// Returns the last record of a run. It has its lease's offset, unless the run plays alongside.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Run>> {
        self.known.read().runs.get(id).cloned()
    }

    /// Returns every run, the newest first.
    pub(crate) fn all(&self) -> Vec<Arc<Run>> {
        let mut runs: Vec<_> = self.known.read().runs.values().cloned().collect();
        runs.sort_by_key(|run| Reverse(run.started_at));
        runs
    }

    /// Returns the run that holds the lease.
    pub(crate) fn holder(&self) -> Option<Arc<Run>> {
        let known = self.known.read();
        let asking = known.runs.values().filter(|run| run.is_running() && !run.alongside);
        asking.min_by_key(|run| run.lease_offset).cloned()
    }

    /// Whether every run was known once.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.is_caught_up.load(Ordering::Acquire)
    }

    /// Wakes after every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Applies what the tail of `dojo-runs` reports.
    pub(super) fn follow(&self, tailed: &Tailed<'_>) {
        match tailed {
            Tailed::Started { starts, .. } => {
                self.go_to(starts.get(&PARTITION).copied().unwrap_or_default());
            }
            Tailed::Record(record) => {
                self.apply(record);
                self.applied.advance(PARTITION, record.offset.saturating_add(1));
            }
            Tailed::CaughtUp { next, .. } => {
                self.go_to(*next);
                self.is_caught_up.store(true, Ordering::Release);
            }
            Tailed::Gap { wanted, resumes, .. } => {
                if resumes < wanted {
                    self.known.write().runs.clear();
                }
                self.go_to(*resumes);
            }
        }
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    fn go_to(&self, next: i64) {
        self.known.write().next = next;
        self.applied.advance(PARTITION, next);
    }

    fn apply(&self, record: &Record<'_>) {
        let Some(Ok(id)) = record.key.map(std::str::from_utf8) else { return };
        let mut known = self.known.write();
        if record.offset < known.next {
            known.runs.clear();
        }
        known.next = record.offset.saturating_add(1);
        if record.value.is_none() {
            known.runs.remove(id);
        } else if let Ok(mut run) = decode::<Run>(record.value)
            && run.run_id == id
        {
            if !run.alongside {
                run.lease_offset.get_or_insert(record.offset);
            }
            known.runs.insert(id.to_owned(), Arc::new(run));
            known.make_room();
        }
    }
}

impl Known {
    /// Forgets the run that ended first, if there are too many; without one that ended, the one that started first.
    fn make_room(&mut self) {
        if self.runs.len() <= MAX_RUNS {
            return;
        }
        let first = self.runs.values().min_by_key(|run| (run.is_running(), run.ended_at, run.started_at));
        if let Some(id) = first.map(|run| run.run_id.clone()) {
            self.runs.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, TimeDelta};
    use dojo_contract::{RunState, topic};

    fn run(id: &str, state: RunState, lease_offset: Option<i64>) -> Run {
        let run =
            Run::starting(id.into(), format!("{id}.yaml"), false, DateTime::UNIX_EPOCH, "order-1".into());
        let ended_at = (state != RunState::Running).then_some(DateTime::UNIX_EPOCH);
        Run { state, ended_at, lease_offset, ..run }
    }

    fn told(runs: &Runs, offset: i64, id: &str, run: Option<&Run>) {
        let value = run.map(|run| serde_json::to_vec(run).unwrap());
        runs.follow(&Tailed::Record(&Record {
            topic: topic::RUNS,
            partition: PARTITION,
            offset,
            timestamp: Some(0),
            key: Some(id.as_bytes()),
            value: value.as_deref(),
            headers: Vec::new(),
        }));
    }

    fn holder(runs: &Runs) -> Option<String> {
        runs.holder().map(|run| run.run_id.clone())
    }

    #[test]
    fn the_first_run_on_the_log_holds_the_lease_until_it_has_ended() {
        let runs = Runs::default();
        told(&runs, 4, "a", Some(&run("a", RunState::Running, None)));
        told(&runs, 5, "b", Some(&run("b", RunState::Running, None)));
        assert_eq!(holder(&runs).as_deref(), Some("a"));
        told(&runs, 6, "b", None);
        told(&runs, 7, "a", Some(&run("a", RunState::Ended, Some(4))));
        assert_eq!(holder(&runs), None);
        told(&runs, 8, "c", Some(&run("c", RunState::Running, None)));
        assert_eq!(holder(&runs).as_deref(), Some("c"));
    }

    #[test]
    fn a_log_whose_first_records_are_compacted_away_gives_the_lease_to_the_same_run() {
        let runs = Runs::default();
        told(&runs, 5, "b", Some(&run("b", RunState::Running, None)));
        told(&runs, 10, "a", Some(&run("a", RunState::Running, Some(4))));
        assert_eq!(holder(&runs).as_deref(), Some("a"));
    }

    #[test]
    fn a_run_alongside_never_holds_the_lease() {
        let runs = Runs::default();
        told(&runs, 0, "a", Some(&Run { alongside: true, ..run("a", RunState::Running, None) }));
        assert_eq!((holder(&runs), runs.get("a").unwrap().lease_offset), (None, None));
    }

    #[test]
    fn another_log_under_the_same_name_has_other_runs() {
        let runs = Runs::default();
        told(&runs, 7, "a", Some(&run("a", RunState::Running, None)));
        told(&runs, 0, "b", Some(&run("b", RunState::Running, None)));
        assert_eq!((holder(&runs).as_deref(), runs.all().len()), (Some("b"), 1));
        runs.follow(&Tailed::Gap { partition: 0, wanted: 1, resumes: 0 });
        assert!(runs.all().is_empty());
    }

    #[test]
    fn the_number_of_runs_is_bounded_and_one_that_ended_goes_first() {
        let runs = Runs::default();
        told(&runs, 0, "running", Some(&run("running", RunState::Running, None)));
        for n in 0..MAX_RUNS as i64 + 5 {
            let ended_at = Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(n));
            let (id, state) = (format!("r{n}"), RunState::Ended);
            told(&runs, n + 1, &id, Some(&Run { ended_at, ..run(&id, state, None) }));
        }
        assert_eq!(runs.all().len(), MAX_RUNS);
        assert!(runs.get("running").is_some() && runs.get("r5").is_none() && runs.get("r6").is_some());
    }
}
