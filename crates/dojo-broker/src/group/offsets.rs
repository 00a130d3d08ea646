//! How far a group has read: who may commit offsets, and when they are forgotten.
//!
//! Offsets outlive the members that committed them: a consumer that comes back goes on where its group was.
//! The offsets of a group without members are forgotten after [`OFFSETS_KEPT`], as in Kafka.

use super::{Committed, EMPTY_KEPT, Group, Identity, OFFSETS_KEPT, State, subscription};
use kafka_protocol::ResponseError;
use std::{collections::BTreeMap, time::Instant};

/// The protocol type of consumers. The metadata of other members can't be read.
const CONSUMERS: &str = "consumer";

impl<W> Group<W> {
    /// Checks that this member may commit offsets. A client outside the group (an operator, or a consumer
    /// that picks its own partitions) sends a generation below 0, and may commit while the group has no
    /// members.
    ///
    /// # Errors
    /// Kafka's code for the reason.
    pub(crate) fn may_commit(
        &mut self,
        identity: &Identity<'_>,
        generation: i32,
        now: Instant,
    ) -> Result<(), ResponseError> {
        if self.state == State::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        if generation >= 0 || self.state != State::Empty {
            // A client outside the group has no id, so it is refused as an unknown member.
            self.check_member(identity, generation)?;
            if self.state == State::CompletingRebalance {
                return Err(ResponseError::RebalanceInProgress);
            }
            if let Some(member) = self.find_mut(identity.member_id) {
                member.heard_of(now);
            }
        }
        self.last_commit = now;
        Ok(())
    }

    /// Notes how far the group has read a partition. The caller checks once, for all partitions, that it may.
    pub(crate) fn commit(&mut self, topic: &str, partition: i32, committed: Committed) {
        self.pending.supersede(topic, partition);
        self.committed.entry(topic.to_owned()).or_default().insert(partition, committed);
    }

    /// Checks that this member may commit offsets in a transaction. Old producers send neither an id nor a
    /// generation; they may always.
    ///
    /// # Errors
    /// See [`Group::may_commit`].
    pub(crate) fn may_commit_in_transaction(
        &self,
        identity: &Identity<'_>,
        generation: i32,
    ) -> Result<(), ResponseError> {
        let from_old = generation < 0 && identity.member_id.is_empty() && identity.instance_id.is_none();
        if from_old && self.state != State::Dead { Ok(()) } else { self.check_member(identity, generation) }
    }

    /// Notes how far a producer's transaction has read a partition. It counts once the transaction is
    /// committed.
    pub(crate) fn commit_in_transaction(
        &mut self,
        producer_id: i64,
        topic: &str,
        partition: i32,
        committed: Committed,
    ) {
        self.pending.add(producer_id, topic, partition, committed);
    }

    /// Ends a producer's transaction: its offsets count now, or are forgotten.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, commit: bool, now: Instant) {
        self.last_commit = now;
        for (topic, partition, committed) in self.pending.take(producer_id).filter(|_| commit) {
            self.committed.entry(topic).or_default().insert(partition, committed);
        }
    }

    /// Returns whether the committed offset of a partition depends on an open transaction.
    pub(crate) fn is_unstable(&self, topic: &str, partition: i32) -> bool {
        self.pending.contains(topic, partition)
    }

    /// Returns how far the group has read, by topic and partition.
    pub(crate) fn committed(&self) -> &BTreeMap<String, BTreeMap<i32, Committed>> {
        &self.committed
    }

    /// Forgets how far the group has read a deleted topic.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        self.committed.remove(topic);
        self.pending.forget_topic(topic);
    }

    /// Checks that single offsets can be deleted.
    ///
    /// # Errors
    /// `NON_EMPTY_GROUP` if the members aren't consumers, so that the broker can't know what they read.
    pub(crate) fn check_offset_deletion(&self) -> Result<(), ResponseError> {
        match self.state {
            State::Dead => Err(ResponseError::GroupIdNotFound),
            State::Empty => Ok(()),
            _ if self.protocol_type == CONSUMERS => Ok(()),
            _ => Err(ResponseError::NonEmptyGroup),
        }
    }

    /// Forgets how far the group has read one partition. It is no error if nothing is known of it.
    ///
    /// # Errors
    /// `GROUP_SUBSCRIBED_TO_TOPIC` if a member reads the topic, or may.
    pub(crate) fn delete_offset(&mut self, topic: &str, partition: i32) -> Result<(), ResponseError> {
        if self.reads(topic) {
            return Err(ResponseError::GroupSubscribedToTopic);
        }
        if let Some(offsets) = self.committed.get_mut(topic) {
            offsets.remove(&partition);
            if offsets.is_empty() {
                self.committed.remove(topic);
            }
        }
        Ok(())
    }

    /// Returns whether a member subscribes to the topic, or has metadata that can't be read.
    fn reads(&self, topic: &str) -> bool {
        self.members
            .iter()
            .flat_map(|member| &member.protocols)
            .any(|(_, metadata)| subscription::topics(metadata).is_none_or(|topics| topics.contains(&topic)))
    }

    /// Returns when the group or its offsets are forgotten if no member comes back before.
    pub(super) fn forgotten_at(&self) -> Option<Instant> {
        if self.state != State::Empty || !self.promised.is_empty() || !self.pending.is_empty() {
            return None;
        }
        Some(if self.committed.is_empty() {
            self.empty_since + EMPTY_KEPT
        } else {
            self.empty_since.max(self.last_commit) + OFFSETS_KEPT
        })
    }
}
