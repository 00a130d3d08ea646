//! The groups of the broker: a lock for each, the answers to requests that wait, and the timer that ends
//! sessions.
//!
//! The timer sleeps until the next deadline of any group, and wakes up when a group gets an earlier one; a
//! broker without consumers does nothing at all. The timer also removes groups that hold nothing, so that
//! names that were used once don't add up.

use super::{Group, Reply, State};
use crate::alarm::Alarm;
use kafka_protocol::ResponseError;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::oneshot, time::sleep_until};

/// How many groups there can be, so that made-up names don't fill the memory. Kafka has no such limit.
const MAX_GROUPS: usize = 10_000;

/// Sends a group's reply to the request that waits for it.
pub(crate) type Waiter = oneshot::Sender<Reply>;

type Shared = Arc<Mutex<Group<Waiter>>>;

/// All groups.
#[derive(Debug)]
pub(crate) struct Coordinator {
    groups: Mutex<BTreeMap<String, Shared>>,
    initial_delay: Duration,
    alarm: Alarm<Instant>,
}

impl Coordinator {
    pub(crate) fn new(initial_delay: Duration) -> Self {
        Self { groups: Mutex::default(), initial_delay, alarm: Alarm::default() }
    }

    /// Works with a group, which is created if it doesn't exist. Returns `None` if there are too many groups.
    pub(crate) fn with<T>(&self, name: &str, work: impl FnOnce(&mut Group<Waiter>) -> T) -> Option<T> {
        let group = {
            let mut groups = self.groups.lock();
            let full = groups.len() >= MAX_GROUPS;
            match groups.entry(name.to_owned()) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(_) if full => return None,
                Entry::Vacant(place) => {
                    place.insert(Arc::new(Mutex::new(Group::new(self.initial_delay, Instant::now())))).clone()
                }
            }
        };
        Some(self.work(&group, work))
    }

    /// Works with a group, if it exists.
    pub(crate) fn with_known<T>(&self, name: &str, work: impl FnOnce(&mut Group<Waiter>) -> T) -> Option<T> {
        let group = self.groups.lock().get(name).cloned()?;
        Some(self.work(&group, work))
    }

    /// Works with each group in turn, by name.
    pub(crate) fn with_each(&self, mut work: impl FnMut(&str, &mut Group<Waiter>)) {
        for (name, group) in self.all() {
            self.work(&group, |group| work(&name, group));
        }
    }

    /// Deletes a group.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`, or `NON_EMPTY_GROUP` if it has members.
    pub(crate) fn delete(&self, name: &str) -> Result<(), ResponseError> {
        let mut groups = self.groups.lock();
        let group = groups.get(name).ok_or(ResponseError::GroupIdNotFound)?;
        group.lock().delete()?;
        groups.remove(name);
        Ok(())
    }

    /// Gives every member its whole session again, when the broker begins to serve.
    pub(crate) fn resume(&self) {
        self.with_each(|_, group| group.resume(Instant::now()));
    }

    /// Ends sessions and groups when their time is up. Never returns: drop it to end it.
    pub(crate) async fn keep_time(&self) {
        loop {
            self.alarm.ring(|| self.next_deadline(), |at| sleep_until(at.into())).await;
            let now = Instant::now();
            for (name, group) in self.all() {
                if group.lock().next_deadline().is_some_and(|deadline| deadline <= now) {
                    let state = self.work(&group, |group| {
                        group.tick(now);
                        group.state()
                    });
                    if state == State::Dead {
                        self.forget(&name, &group);
                    }
                }
            }
        }
    }

    /// Removes a dead group, unless another group has taken its name.
    fn forget(&self, name: &str, dead: &Shared) {
        let mut groups = self.groups.lock();
        if groups.get(name).is_some_and(|group| Arc::ptr_eq(group, dead)) {
            groups.remove(name);
        }
    }

    fn all(&self) -> Vec<(String, Shared)> {
        self.groups.lock().iter().map(|(name, group)| (name.clone(), group.clone())).collect()
    }

    fn work<T>(&self, group: &Shared, work: impl FnOnce(&mut Group<Waiter>) -> T) -> T {
        let (result, replies, deadline) = {
            let mut group = group.lock();
            let result = work(&mut group);
            (result, group.take_replies(), group.next_deadline())
        };
        for (waiter, reply) in replies {
            // The client may have hung up.
            let _ = waiter.send(reply);
        }
        if let Some(deadline) = deadline {
            self.alarm.heed(deadline);
        }
        result
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.all().iter().filter_map(|(_, group)| group.lock().next_deadline()).min()
    }
}
