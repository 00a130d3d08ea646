//! How far a consumer loop is: what it owns, up to where it is done, and how much is left.

use dojo_contract::{Guarantee, PartitionStatus};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::sync::{Notify, watch};

/// The lag is not known.
const UNKNOWN: i64 = -1;

/// A handle on a loop's progress, for whatever reports it. Cheap to clone; empty until its loop runs.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    state: Arc<Mutex<State>>,
    assigned: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    /// What is owned, and up to which offset it is done.
    owned: BTreeMap<(String, i32), Option<i64>>,
    /// The offset after the last record that can be read, as the client library last heard of it.
    ends: BTreeMap<(String, i32), i64>,
    rebalances: u64,
    /// Why the loop can't do all of its work.
    limitation: Option<String>,
    /// Another process has taken this one's name.
    is_fenced: bool,
    /// The guarantee in force.
    guarantee: Option<Guarantee>,
    /// The offset of the settings topic up to which the loop has applied the settings.
    applied: i64,
    listener: Option<Arc<Notify>>,
}

impl Progress {
    /// What the loop owns, with position and lag.
    pub fn partitions(&self) -> Vec<PartitionStatus> {
        let state = self.state();
        state
            .owned
            .iter()
            .map(|((topic, partition), done)| {
                let end = state.ends.get(&(topic.clone(), *partition));
                PartitionStatus {
                    topic: topic.clone(),
                    partition: *partition,
                    position: done.unwrap_or(UNKNOWN),
                    // Positions are newer than ends, which come once a second.
                    lag: end.map_or(UNKNOWN, |end| (end - done.unwrap_or(0)).max(0)),
                }
            })
            .collect()
    }

    /// How often partitions were given or taken.
    pub fn rebalances(&self) -> u64 {
        self.state().rebalances
    }

    /// Whether the loop has its share of the partitions, be it none of them; not so before it has joined its group, and
    /// while the group shares them anew.
    pub fn is_assigned(&self) -> bool {
        *self.assigned.borrow()
    }

    /// Waits until the group has given the loop its first share of the partitions, be it none of them.
    pub async fn assigned(&self) {
        // The sender is this handle's own, so that the wait cannot end otherwise.
        let _ = self.assigned.subscribe().wait_for(|assigned| *assigned).await;
    }

    /// Wakes `listener` whenever there is something new to report.
    pub fn on_change(&self, listener: Arc<Notify>) {
        self.state().listener = Some(listener);
    }

    /// Why the loop can't do all of its work, for a person; `None` where it can.
    pub fn limitation(&self) -> Option<String> {
        self.state().limitation.clone()
    }

    /// Whether another process has taken this one's name, so that this one is to be silent.
    pub fn is_fenced(&self) -> bool {
        self.state().is_fenced
    }

    /// The offset of the settings topic up to which the loop has applied the settings. `offset` is where they were read to,
    /// and `wanted` the guarantee that they ask for, which comes into force a little later.
    pub fn applied(&self, wanted: Guarantee, offset: i64) -> i64 {
        let mut state = self.state();
        if state.guarantee == Some(wanted) {
            state.applied = offset;
        }
        state.applied
    }

    pub(crate) fn given(&self, owned: BTreeMap<(String, i32), Option<i64>>, limitation: Option<String>) {
        self.change(|state| {
            state.owned = owned;
            state.rebalances += 1;
            state.limitation = limitation;
        });
        self.assigned.send_replace(true);
    }

    pub(crate) fn taken(&self) {
        self.assigned.send_replace(false);
        self.change(|state| {
            state.owned.clear();
            state.rebalances += 1;
            state.limitation = None;
        });
    }

    /// The loop has a share of the partitions that it doesn't take up yet.
    pub(crate) fn waits(&self, why: String) {
        self.change(|state| state.limitation = Some(why));
    }

    /// Another process has taken this one's name.
    pub(crate) fn fenced(&self, why: String) {
        self.change(|state| {
            state.is_fenced = true;
            state.limitation = Some(why);
        });
    }

    /// The loop joins its group again.
    pub(crate) fn joins(&self) {
        self.change(|state| {
            state.is_fenced = false;
            state.limitation = None;
        });
    }

    pub(crate) fn works_under(&self, guarantee: Guarantee) {
        if self.state().guarantee != Some(guarantee) {
            self.change(|state| state.guarantee = Some(guarantee));
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        if let Some(listener) = &state.listener {
            listener.notify_one();
        }
    }

    pub(crate) fn moved(&self, topic: &str, partition: i32, position: Option<i64>) {
        if let Some(done) = self.state().owned.get_mut(&(topic.to_owned(), partition)) {
            *done = position;
        }
    }

    pub(crate) fn ends(&self, topic: &str, ends: impl IntoIterator<Item = (i32, i64)>) {
        let mut state = self.state();
        for (partition, end) in ends {
            state.ends.insert((topic.to_owned(), partition), end);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_applied_once_their_guarantee_is_in_force() {
        let progress = Progress::default();
        progress.works_under(Guarantee::AtLeastOnce);
        assert_eq!(progress.applied(Guarantee::AtLeastOnce, 3), 3);
        assert_eq!(progress.applied(Guarantee::ExactlyOnce, 4), 3);
        progress.works_under(Guarantee::ExactlyOnce);
        assert_eq!(progress.applied(Guarantee::ExactlyOnce, 4), 4);
    }

    #[test]
    fn lag_is_what_lies_between_position_and_end() {
        let progress = Progress::default();
        progress.given(BTreeMap::from([(("orders".into(), 1), Some(4))]), None);
        assert_eq!(progress.partitions()[0].lag, UNKNOWN);
        progress.ends("orders", [(1, 10), (2, 99)]);
        assert_eq!(progress.partitions()[0].lag, 6);
        progress.moved("orders", 1, Some(12));
        assert_eq!((progress.partitions()[0].position, progress.partitions()[0].lag), (12, 0));
    }
}
