//! How a group waits for its members and starts a new generation.

use super::{
    Admitted, Group, Identity, Join, Joined, JoinedMember, MAX_MEMBERS, MAX_METADATA, NotJoined, Phase,
    Reply, State, Synced, member::Member,
};
use bytes::Bytes;
use kafka_protocol::ResponseError;
use std::time::{Duration, Instant};

impl<W> Group<W> {
    /// Decides about a consumer that wants to join.
    pub(super) fn admit(&mut self, join: &Join, now: Instant) -> Result<Admitted, NotJoined> {
        let refused = |error| NotJoined { error, member_id: join.member_id.clone() };
        if self.state == State::Dead {
            return Err(refused(ResponseError::CoordinatorNotAvailable));
        }
        if !self.shares_a_protocol(join) {
            return Err(refused(ResponseError::InconsistentGroupProtocol));
        }
        if join.protocols.iter().map(|(name, metadata)| name.len() + metadata.len()).sum::<usize>()
            > MAX_METADATA
        {
            return Err(refused(ResponseError::UnknownServerError));
        }
        let known_instance =
            |member: &Member<W>| join.instance_id.is_some() && member.instance_id == join.instance_id;
        match (join.member_id.as_str(), &join.instance_id) {
            ("", Some(_)) => match self.members.iter().position(known_instance) {
                Some(index) => Ok(self.replace_static(index, join, now)),
                None if self.is_full() => Err(refused(ResponseError::GroupMaxSizeReached)),
                None => Ok(self.add(join.fresh_id.clone(), join, now)),
            },
            ("", None) if self.is_full() => Err(refused(ResponseError::GroupMaxSizeReached)),
            ("", None) if join.comes_back_with_id => {
                // Without this, a consumer that gives up waiting and tries again would become a new member
                // each time.
                self.promised.insert(join.fresh_id.clone(), now + join.session_timeout);
                Err(NotJoined { error: ResponseError::MemberIdRequired, member_id: join.fresh_id.clone() })
            }
            ("", None) => Ok(self.add(join.fresh_id.clone(), join, now)),
            (id, None) if self.promised.remove(id).is_some() => Ok(self.add(id.to_owned(), join, now)),
            (id, instance) => {
                let identity = Identity { member_id: id, instance_id: instance.as_deref() };
                self.identify(&identity).map_err(refused)?;
                let index = self.members.iter().position(|member| member.id == id);
                let index = index.ok_or_else(|| refused(ResponseError::UnknownMemberId))?;
                Ok(self.join_again(index, join, now))
            }
        }
    }

    /// Returns whether the group has no place for another member.
    fn is_full(&self) -> bool {
        self.members.len() + self.promised.len() >= MAX_MEMBERS
    }

    /// Returns whether this consumer and every member, including its own former self, share a protocol: a
    /// group changes its protocol only by way of one that all know.
    fn shares_a_protocol(&self, join: &Join) -> bool {
        if self.members.is_empty() {
            return !join.protocol_type.is_empty() && !join.protocols.is_empty();
        }
        let known_to_all = |name: &str| self.members.iter().all(|member| member.knows(name));
        join.protocol_type == self.protocol_type && join.protocols.iter().any(|(name, _)| known_to_all(name))
    }

    fn add(&mut self, id: String, join: &Join, now: Instant) -> Admitted {
        if self.members.is_empty() {
            self.protocol_type.clone_from(&join.protocol_type);
        }
        self.members.push(Member::new(id, join, now));
        let delay = self.initial_delay;
        match &mut self.phase {
            // The first rebalance of a group waits while members keep joining, within bounds.
            Some(phase) if self.state == State::PreparingRebalance && phase.not_before > now => {
                phase.not_before = (now + delay).min(phase.deadline);
            }
            _ => self.rebalance(now),
        }
        Admitted::At(self.members.len() - 1)
    }

    /// A known member joins: because of a rebalance, because its subscription has changed, or because it
    /// never got the answer.
    fn join_again(&mut self, index: usize, join: &Join, now: Instant) -> Admitted {
        let Some(member) = self.members.get_mut(index) else {
            return self.add(join.fresh_id.clone(), join, now);
        };
        let unchanged = member.protocols == join.protocols;
        let leads = member.id == self.leader;
        member.update(join);
        member.heard_of(now);
        let answer_again = match self.state {
            State::CompletingRebalance => unchanged,
            // The leader joins again when it wants to assign anew, for example after a topic has got more
            // partitions.
            State::Stable => unchanged && !leads,
            _ => false,
        };
        if answer_again && let Some(member) = self.members.get(index) {
            return Admitted::Already(self.joined(member));
        }
        self.rebalance(now);
        Admitted::At(index)
    }

    /// Lets a static member go on after a restart, under a new member id. The other members notice nothing,
    /// unless the group would now choose another protocol. If its subscription has changed, the leader learns
    /// of it at the next rebalance.
    fn replace_static(&mut self, index: usize, join: &Join, now: Instant) -> Admitted {
        let leader_before = self.leader.clone();
        let Some(member) = self.members.get_mut(index) else {
            return self.add(join.fresh_id.clone(), join, now);
        };
        let old_id = std::mem::replace(&mut member.id, join.fresh_id.clone());
        let fenced = ResponseError::FencedInstanceId;
        if let Some(waiter) = member.joining.take() {
            self.replies
                .push((waiter, Reply::Join(Err(NotJoined { error: fenced, member_id: old_id.clone() }))));
        }
        if let Some(waiter) = member.syncing.take() {
            self.replies.push((waiter, Reply::Sync(Err(fenced))));
        }
        member.update(join);
        member.client_id.clone_from(&join.client_id);
        member.client_host.clone_from(&join.client_host);
        member.heard_of(now);
        let leads = self.leader == old_id;
        if leads {
            self.leader.clone_from(&join.fresh_id);
        }
        if self.state == State::Stable
            && self.elect_protocol() == self.protocol
            && let Some(member) = self.members.get(index)
        {
            let mut joined = self.joined(member);
            joined.skip_assignment = leads && join.can_skip_assignment;
            if leads && !join.can_skip_assignment {
                // An older client that learns that it leads would assign the partitions again. So the answer names
                // the member id that it had before as the leader.
                joined.leader = leader_before;
                joined.members = Vec::new();
            }
            return Admitted::Already(joined);
        }
        self.rebalance(now);
        Admitted::At(index)
    }

    /// Starts to wait for the next generation's members, unless that has begun.
    pub(super) fn rebalance(&mut self, now: Instant) {
        if self.state == State::PreparingRebalance {
            return;
        }
        for member in &mut self.members {
            if let Some(waiter) = member.syncing.take() {
                // The request waited, perhaps for longer than the member's session.
                member.heard_of(now);
                self.replies.push((waiter, Reply::Sync(Err(ResponseError::RebalanceInProgress))));
            }
        }
        let delay = if self.state == State::Empty { self.initial_delay } else { Duration::ZERO };
        self.phase =
            Some(Phase { not_before: now + delay, deadline: now + self.longest_rebalance_timeout() });
        self.state = State::PreparingRebalance;
    }

    pub(super) fn longest_rebalance_timeout(&self) -> Duration {
        self.members.iter().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    /// A consumer that was told to come back with an id will be back at once, so the group waits for it.
    pub(super) fn all_have_joined(&self) -> bool {
        self.promised.is_empty() && self.members.iter().all(|member| member.joining.is_some())
    }

    /// Starts the next generation if all members are there or the time is up.
    pub(super) fn complete_if_all_joined(&mut self, now: Instant) {
        let Some(phase) = self.phase else { return };
        if self.state != State::PreparingRebalance || now < phase.not_before {
            return;
        }
        if !self.all_have_joined() && now < phase.deadline {
            return;
        }
        let late =
            self.members.iter().filter(|member| member.joining.is_none() && member.instance_id.is_none());
        for id in late.map(|member| member.id.clone()).collect::<Vec<_>>() {
            self.remove(&id, ResponseError::UnknownMemberId);
        }
        if self.members.is_empty() {
            self.next_generation();
            self.state = State::Empty;
            self.phase = None;
            self.empty_since = now;
            self.leader.clear();
            self.protocol.clear();
            return;
        }
        // A static member keeps its place until its session ends: it may be restarting, and will want the
        // part that is assigned to it meanwhile (KIP-345).
        let joined = |member: &&Member<W>| member.joining.is_some();
        let Some(first) = self.members.iter().find(joined).map(|member| member.id.clone()) else {
            // No member could lead, so the group waits until the sessions end.
            let last = self.members.iter().map(|member| member.expires).max().unwrap_or(now);
            self.phase = Some(Phase { not_before: now, deadline: last });
            return;
        };
        if !self.members.iter().filter(joined).any(|member| member.id == self.leader) {
            self.leader = first;
        }
        self.next_generation();
        self.state = State::CompletingRebalance;
        self.phase = Some(Phase { not_before: now, deadline: now + self.longest_rebalance_timeout() });
        self.protocol = self.elect_protocol();
        for index in 0..self.members.len() {
            let Some(joined) = self.members.get(index).map(|member| self.joined(member)) else { continue };
            if let Some(member) = self.members.get_mut(index) {
                member.assignment = Bytes::new();
                if let Some(waiter) = member.joining.take() {
                    member.heard_of(now);
                    self.replies.push((waiter, Reply::Join(Ok(joined))));
                }
            }
        }
    }

    fn next_generation(&mut self) {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
    }

    /// Each member votes for the protocol that it prefers among those that all know. The first protocol with
    /// the most votes wins.
    fn elect_protocol(&self) -> String {
        let known_to_all = |name: &str| self.members.iter().all(|member| member.knows(name));
        let vote = |member: &Member<W>| {
            member.protocols.iter().map(|(name, _)| name).find(|name| known_to_all(name)).cloned()
        };
        let votes: Vec<String> = self.members.iter().filter_map(vote).collect();
        let count = |name: &String| votes.iter().filter(|vote| *vote == name).count();
        // `max_by_key` takes the last of several, and the earliest member's vote should count.
        votes.iter().rev().max_by_key(|name| count(name)).cloned().unwrap_or_default()
    }

    fn joined(&self, member: &Member<W>) -> Joined {
        let entry = |member: &Member<W>| JoinedMember {
            id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata(&self.protocol),
        };
        let leads = member.id == self.leader;
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member_id: member.id.clone(),
            members: if leads { self.members.iter().map(entry).collect() } else { Vec::new() },
            skip_assignment: false,
        }
    }

    /// Answers every member that waits for its assignment.
    pub(super) fn hand_out(&mut self, now: Instant) {
        for member in &mut self.members {
            if let Some(waiter) = member.syncing.take() {
                member.heard_of(now);
                let synced = Synced {
                    protocol_type: self.protocol_type.clone(),
                    protocol: self.protocol.clone(),
                    assignment: member.assignment.clone(),
                };
                self.replies.push((waiter, Reply::Sync(Ok(synced))));
            }
        }
    }

    /// Removes a member. Its requests that wait are refused with `error`.
    pub(super) fn remove(&mut self, id: &str, error: ResponseError) {
        let Some(index) = self.members.iter().position(|member| member.id == id) else { return };
        let member = self.members.remove(index);
        if let Some(waiter) = member.joining {
            self.replies.push((waiter, Reply::Join(Err(NotJoined { error, member_id: member.id }))));
        }
        if let Some(waiter) = member.syncing {
            self.replies.push((waiter, Reply::Sync(Err(error))));
        }
    }
}
