//! The progress of a consumer loop: its partitions, how far each is done, and how much is left.

use dojo_contract::{Guarantee, InstanceState, PartitionStatus};
use parking_lot::{Mutex, MutexGuard};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::Notify;

/// A position or lag that isn't known.
const UNKNOWN: i64 = -1;

/// A handle on a loop's progress, for reports. Cheap to clone; empty until its loop runs.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The loop's partitions, and the offset up to which each is done.
    owned: BTreeMap<(String, i32), Option<i64>>,
    /// The offset after the last record that can be read, as the client library last heard of it.
    ends: BTreeMap<(String, i32), i64>,
    rebalances: u64,
    /// The phase of the instance's life, as far as the loop has a part in it.
    phase: InstanceState,
    is_assigned: bool,
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
    /// Returns the loop's partitions with position and lag.
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

    /// Returns how often partitions were assigned or revoked.
    pub fn rebalances(&self) -> u64 {
        self.state().rebalances
    }

    /// Returns whether the loop has its share of the partitions, which may be empty. It has none before it has joined its
    /// group, and while the group rebalances.
    pub fn is_assigned(&self) -> bool {
        self.state().is_assigned
    }

    /// Returns the instance's phase: `running` once the group has given the loop its first share of the partitions, which
    /// may be empty, since with more instances than partitions some wait for their turn; `stopped` while the settings want
    /// it so.
    pub fn phase(&self) -> InstanceState {
        self.state().phase
    }

    /// Wakes `listener` whenever there is something new to report.
    pub fn on_change(&self, listener: Arc<Notify>) {
        self.state().listener = Some(listener);
    }

    /// Returns why the loop can't do all of its work, for a person; `None` if it can.
    pub fn limitation(&self) -> Option<String> {
        self.state().limitation.clone()
    }

    /// Returns whether another process has taken this one's name, so that this one must not report.
    pub fn is_fenced(&self) -> bool {
        self.state().is_fenced
    }

    /// Returns the offset of the settings topic up to which the loop has applied the settings. `offset` is where they were
    /// read to, and `wanted` the guarantee that they ask for, which comes into force a little later.
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
            state.is_assigned = true;
            state.phase = InstanceState::Running;
        });
    }

    pub(crate) fn taken(&self) {
        self.change(|state| {
            state.is_assigned = false;
            state.owned.clear();
            state.rebalances += 1;
            state.limitation = None;
        });
    }

    /// Notes that the loop has a share of the partitions that it doesn't take up yet.
    pub(crate) fn waits(&self, why: String) {
        self.change(|state| state.limitation = Some(why));
    }

    /// Notes that another process has taken this one's name.
    pub(crate) fn fenced(&self, why: String) {
        self.change(|state| {
            state.is_fenced = true;
            state.limitation = Some(why);
        });
    }

    /// Notes that the settings want the instance stopped, and that the loop is no member of its group.
    pub(crate) fn stopped(&self) {
        self.change(|state| {
            state.phase = InstanceState::Stopped;
            state.limitation = None;
        });
    }

    /// Notes that the loop joins its group, perhaps again.
    pub(crate) fn joins(&self) {
        self.change(|state| {
            state.is_fenced = false;
            state.limitation = None;
            if state.phase == InstanceState::Stopped {
                state.phase = InstanceState::Starting;
            }
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
        self.state.lock()
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
