//! A consumer group: the consumers that share a topic's partitions, and how far they have read.
//!
//! The broker doesn't assign the partitions itself. It waits for the members, has one of them, the leader,
//! assign the partitions, and hands each member its part. When the membership changes, all members join
//! again, in a new generation:
//!
//! ```text
//!            first member joins            all have joined           the leader has shared out
//!   Empty ──────────────────────► Preparing ─────────────► Completing ──────────────────────► Stable
//!     ▲                           Rebalance                Rebalance                            │
//!     └────── all have left ─────── ▲  ▲ ── one leaves, dies, or joins ─┘                       │
//!                                   └───────── one leaves, dies, or joins ──────────────────────┘
//! ```
//!
//! This is the "classic" protocol (<https://cwiki.apache.org/confluence/x/foGDBg>), as a pure state machine:
//! it gets the time with every call, never waits and never sends. A request whose answer depends on other
//! members is handed in as a *waiter* `W` and comes back, with its answer, from [`Group::take_replies`]. The
//! [`coordinator`] surrounds it with locks and clocks.

mod answers;
mod committed;
pub(crate) mod coordinator;
mod member;
mod offsets;
mod pending;
mod rebalance;
mod state;
mod subscription;

pub(crate) use answers::{Description, Joined, JoinedMember, MemberDescription, NotJoined, Reply, Synced};
use bytes::Bytes;
pub(crate) use committed::Committed;
use kafka_protocol::ResponseError;
use member::Member;
pub(crate) use member::{Identity, Join};
use pending::Pending;
pub(crate) use state::State;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How long an empty group without offsets is kept, so that operators can still see it.
const EMPTY_KEPT: Duration = Duration::from_secs(60);
/// How long the offsets of an empty group are kept: Kafka's `offsets.retention.minutes`.
pub(crate) const OFFSETS_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How many members a group can have, including those that were promised a place: Kafka's `group.max.size`,
/// which has no limit by default. Each member can take up to [`MAX_METADATA`] of memory.
pub(crate) const MAX_MEMBERS: usize = 1000;
/// How many bytes a member's metadata or assignment can have. In Kafka, a group is a record of an internal
/// topic, and this is the size of the longest record.
const MAX_METADATA: usize = 1 << 20;

/// A SyncGroup request.
#[derive(Debug)]
pub(crate) struct Sync<'a> {
    pub(crate) identity: Identity<'a>,
    pub(crate) generation: i32,
    /// Checked if the consumer sends them.
    pub(crate) protocol_type: Option<&'a str>,
    pub(crate) protocol: Option<&'a str>,
    /// Each member's assignment, if the request is from the leader.
    pub(crate) assignments: Vec<(String, Bytes)>,
}

/// The bounds of the current phase of a rebalance.
#[derive(Debug, Clone, Copy)]
struct Phase {
    /// The phase doesn't end before, even if everyone is there: other members may be about to join.
    not_before: Instant,
    /// Members that aren't there by then are removed.
    deadline: Instant,
}

/// One group. See the module's documentation.
#[derive(Debug)]
pub(crate) struct Group<W> {
    state: State,
    generation: i32,
    protocol_type: String,
    protocol: String,
    /// The id of a member; empty if there are no members.
    leader: String,
    /// In the order in which they first joined.
    members: Vec<Member<W>>,
    /// Ids that consumers were told to come back with, and until when they are expected.
    promised: BTreeMap<String, Instant>,
    phase: Option<Phase>,
    initial_delay: Duration,
    /// Since when the group has been empty, if it is.
    empty_since: Instant,
    /// The time of the last commit.
    last_commit: Instant,
    committed: BTreeMap<String, BTreeMap<i32, Committed>>,
    pending: Pending,
    replies: Vec<(W, Reply)>,
}

impl<W> Group<W> {
    /// Creates an empty group whose first rebalance waits for `initial_delay` after each new member.
    pub(crate) fn new(initial_delay: Duration, now: Instant) -> Self {
        Self {
            state: State::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: Vec::new(),
            promised: BTreeMap::new(),
            phase: None,
            initial_delay,
            empty_since: now,
            last_commit: now,
            committed: BTreeMap::new(),
            pending: Pending::default(),
            replies: Vec::new(),
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn protocol_type(&self) -> &str {
        &self.protocol_type
    }

    /// Takes the answers that became ready since the last call. Each waiter comes out once.
    pub(crate) fn take_replies(&mut self) -> Vec<(W, Reply)> {
        std::mem::take(&mut self.replies)
    }

    /// Adds a consumer to the next generation, or keeps it in the group.
    pub(crate) fn join(&mut self, waiter: W, join: &Join, now: Instant) {
        match self.admit(join, now) {
            Ok(Admitted::At(index)) => {
                if let Some(member) = self.members.get_mut(index)
                    && let Some(superseded) = member.joining.replace(waiter)
                {
                    // A client that repeats its request no longer waits for the first answer.
                    let error = ResponseError::RebalanceInProgress;
                    let member_id = member.id.clone();
                    self.replies.push((superseded, Reply::Join(Err(NotJoined { error, member_id }))));
                }
            }
            Ok(Admitted::Already(joined)) => self.replies.push((waiter, Reply::Join(Ok(joined)))),
            Err(refused) => self.replies.push((waiter, Reply::Join(Err(refused)))),
        }
        self.complete_if_all_joined(now);
    }

    /// Answers a member once the leader has assigned the partitions. The leader's own request brings the
    /// assignments.
    pub(crate) fn sync(&mut self, waiter: W, sync: Sync<'_>, now: Instant) {
        let refusal = self.check_member(&sync.identity, sync.generation).err().or_else(|| {
            let other = |said: Option<&str>, is: &str| said.is_some_and(|said| said != is);
            let differs =
                other(sync.protocol_type, &self.protocol_type) || other(sync.protocol, &self.protocol);
            differs.then_some(ResponseError::InconsistentGroupProtocol)
        });
        let too_large = || sync.assignments.iter().any(|(_, part)| part.len() > MAX_METADATA);
        let refusal = refusal.or_else(|| match self.state {
            State::PreparingRebalance => Some(ResponseError::RebalanceInProgress),
            _ => too_large().then_some(ResponseError::UnknownServerError),
        });
        if let Some(error) = refusal {
            self.replies.push((waiter, Reply::Sync(Err(error))));
            return;
        }
        let leads = sync.identity.member_id == self.leader;
        if let Some(member) = self.find_mut(sync.identity.member_id) {
            member.heard_of(now);
            if let Some(superseded) = member.syncing.replace(waiter) {
                self.replies.push((superseded, Reply::Sync(Err(ResponseError::RebalanceInProgress))));
            }
        }
        if self.state == State::CompletingRebalance && leads {
            for (member_id, assignment) in sync.assignments {
                if let Some(member) = self.find_mut(&member_id) {
                    member.assignment = assignment;
                }
            }
            self.state = State::Stable;
            self.phase = None;
        }
        if self.state == State::Stable {
            self.hand_out(now);
        }
    }

    /// Notes a member's heartbeat.
    ///
    /// # Errors
    /// `REBALANCE_IN_PROGRESS` tells the member to join again; other codes tell it that it isn't a member of
    /// this generation.
    pub(crate) fn heartbeat(
        &mut self,
        identity: &Identity<'_>,
        generation: i32,
        now: Instant,
    ) -> Result<(), ResponseError> {
        self.check_member(identity, generation)?;
        if let Some(member) = self.find_mut(identity.member_id) {
            member.heard_of(now);
        }
        match self.state {
            State::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Removes a member. With an instance id and no member id, an operator removes a static member.
    ///
    /// # Errors
    /// If there is no such member.
    pub(crate) fn leave(&mut self, identity: &Identity<'_>, now: Instant) -> Result<(), ResponseError> {
        if self.state == State::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        if self.promised.remove(identity.member_id).is_some() {
            self.complete_if_all_joined(now);
            return Ok(());
        }
        let id = match identity.instance_id {
            Some(instance) if identity.member_id.is_empty() => {
                let member =
                    self.members.iter().find(|member| member.instance_id.as_deref() == Some(instance));
                member.map(|member| member.id.clone()).ok_or(ResponseError::UnknownMemberId)?
            }
            _ => self.identify(identity)?.to_owned(),
        };
        self.remove(&id, ResponseError::UnknownMemberId);
        self.rebalance(now);
        self.complete_if_all_joined(now);
        Ok(())
    }

    /// Ends the group for good.
    ///
    /// # Errors
    /// `NON_EMPTY_GROUP` if it has members.
    pub(crate) fn delete(&mut self) -> Result<(), ResponseError> {
        if !self.members.is_empty() || self.state == State::PreparingRebalance {
            return Err(ResponseError::NonEmptyGroup);
        }
        self.state = State::Dead;
        Ok(())
    }

    pub(crate) fn describe(&self) -> Description {
        // Metadata and assignments change until the group is stable, and aren't shown before.
        let settled = self.state == State::Stable;
        let member = |member: &Member<W>| MemberDescription {
            id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: if settled { member.metadata(&self.protocol) } else { Bytes::new() },
            assignment: if settled { member.assignment.clone() } else { Bytes::new() },
        };
        Description {
            state: self.state,
            protocol_type: self.protocol_type.clone(),
            protocol: if settled { self.protocol.clone() } else { String::new() },
            members: self.members.iter().map(member).collect(),
        }
    }

    /// Does what is due at `now`: removes members whose session has ended, and ends a group that has held
    /// nothing for a minute or whose offsets have expired.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.promised.retain(|_, until| *until > now);
        let overdue =
            self.state == State::CompletingRebalance && self.phase.is_some_and(|phase| phase.deadline <= now);
        let gone = |member: &Member<W>| {
            (!member.is_waiting() && member.expires <= now) || (overdue && member.syncing.is_none())
        };
        let gone: Vec<String> = self.members.iter().filter(|m| gone(m)).map(|m| m.id.clone()).collect();
        for id in &gone {
            self.remove(id, ResponseError::UnknownMemberId);
        }
        if !gone.is_empty() {
            self.rebalance(now);
        }
        self.complete_if_all_joined(now);
        if self.forgotten_at().is_some_and(|at| at <= now) {
            self.state = State::Dead;
        }
    }

    /// Returns when [`Group::tick`] has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let expiries = self.members.iter().filter(|member| !member.is_waiting()).map(|member| member.expires);
        let phase = self.phase.map(|phase| match self.state {
            State::PreparingRebalance if self.all_have_joined() => phase.not_before,
            _ => phase.deadline.max(phase.not_before),
        });
        let promised = self.promised.values().copied();
        expiries.chain(promised).chain(phase).chain(self.forgotten_at()).min()
    }

    /// Goes on after the broker was stopped: no member could send heartbeats meanwhile, so each gets its
    /// whole session again. The requests that waited have gone with their connections.
    pub(crate) fn resume(&mut self, now: Instant) {
        self.replies.clear();
        self.promised.clear();
        for member in &mut self.members {
            member.joining = None;
            member.syncing = None;
            member.heard_of(now);
        }
        if self.phase.is_some() {
            self.phase = Some(Phase { not_before: now, deadline: now + self.longest_rebalance_timeout() });
        }
    }

    fn find_mut(&mut self, id: &str) -> Option<&mut Member<W>> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    /// Checks that the request is from a member of the current generation.
    fn check_member(&self, identity: &Identity<'_>, generation: i32) -> Result<(), ResponseError> {
        if self.state == State::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        self.identify(identity)?;
        if generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        Ok(())
    }

    /// Returns the id of the member that the request is from.
    fn identify(&self, identity: &Identity<'_>) -> Result<&str, ResponseError> {
        let by_instance = identity.instance_id.map(|instance| {
            self.members.iter().find(|member| member.instance_id.as_deref() == Some(instance))
        });
        match by_instance {
            // Another process has taken the static member's place.
            Some(Some(member)) if member.id != identity.member_id => Err(ResponseError::FencedInstanceId),
            Some(Some(member)) => Ok(&member.id),
            Some(None) => Err(ResponseError::UnknownMemberId),
            None => {
                let member = self.members.iter().find(|member| member.id == identity.member_id);
                member.map(|member| member.id.as_str()).ok_or(ResponseError::UnknownMemberId)
            }
        }
    }
}

/// The outcome for a consumer that may join.
enum Admitted {
    /// The consumer waits for the others, as the member with this index.
    At(usize),
    /// Nothing has changed, so the consumer gets the same answer again.
    Already(Joined),
}

#[cfg(test)]
mod tests;
