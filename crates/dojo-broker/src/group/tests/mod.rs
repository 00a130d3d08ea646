//! Tests of the group's state machine, with a clock that the tests set.

mod any_order;
mod membership;
mod offsets;
mod static_members;

use super::*;
use std::collections::BTreeSet;

const SESSION: Duration = Duration::from_secs(6);
const REBALANCE: Duration = Duration::from_secs(60);

/// A group under test. A number stands for each request that waits for an answer.
struct TestGroup {
    group: Group<u32>,
    now: Instant,
    waiters: u32,
    /// The waiters that wait, or waited, for an answer.
    asked: BTreeSet<u32>,
    replies: BTreeMap<u32, Reply>,
}

impl TestGroup {
    fn new() -> Self {
        Self::with_delay(Duration::ZERO)
    }

    fn with_delay(initial_delay: Duration) -> Self {
        let now = Instant::now();
        Self {
            group: Group::new(initial_delay, now),
            now,
            waiters: 0,
            asked: BTreeSet::new(),
            replies: BTreeMap::new(),
        }
    }

    fn work<T>(&mut self, work: impl FnOnce(&mut Group<u32>, u32, Instant) -> T) -> (u32, T) {
        self.waiters += 1;
        let result = work(&mut self.group, self.waiters, self.now);
        for (waiter, reply) in self.group.take_replies() {
            assert!(self.replies.insert(waiter, reply).is_none(), "waiter {waiter} was answered twice");
        }
        (self.waiters, result)
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.work(|group, _, now| group.tick(now));
    }

    /// Joins like a client from before KIP-394, which is admitted at its first request.
    fn join(&mut self, id: &str) -> u32 {
        self.join_as(&joining(id))
    }

    fn join_as(&mut self, join: &Join) -> u32 {
        let (waiter, ()) = self.work(|group, waiter, now| group.join(waiter, join, now));
        self.asked.insert(waiter);
        waiter
    }

    fn sync(&mut self, id: &str, generation: i32, assignments: &[(&str, &'static str)]) -> u32 {
        let assignments = assignments
            .iter()
            .map(|(id, part)| ((*id).to_owned(), Bytes::from_static(part.as_bytes())))
            .collect();
        let identity = Identity { member_id: id, instance_id: None };
        let sync = Sync { identity, generation, protocol_type: None, protocol: None, assignments };
        let (waiter, ()) = self.work(|group, waiter, now| group.sync(waiter, sync, now));
        self.asked.insert(waiter);
        waiter
    }

    fn heartbeat(&mut self, id: &str, generation: i32) -> Result<(), ResponseError> {
        let identity = Identity { member_id: id, instance_id: None };
        self.work(|group, _, now| group.heartbeat(&identity, generation, now)).1
    }

    fn leave(&mut self, id: &str) -> Result<(), ResponseError> {
        let identity = Identity { member_id: id, instance_id: None };
        self.work(|group, _, now| group.leave(&identity, now)).1
    }

    fn is_member(&self, id: &str) -> bool {
        self.group.members.iter().any(|member| member.id == id)
    }

    /// Commits offset 4, as a client outside the group.
    fn commit(&mut self, topic: &str, partition: i32) {
        let outsider = Identity { member_id: "", instance_id: None };
        self.work(|group, _, now| group.may_commit(&outsider, -1, now)).1.unwrap();
        self.group.commit(topic, partition, Committed { offset: 4, leader_epoch: 0, metadata: None });
    }

    fn joined(&self, waiter: u32) -> &Joined {
        match self.replies.get(&waiter) {
            Some(Reply::Join(Ok(joined))) => joined,
            other => panic!("expected waiter {waiter} to have joined, not {other:?}"),
        }
    }

    fn refused(&self, waiter: u32) -> ResponseError {
        match self.replies.get(&waiter) {
            Some(Reply::Join(Err(refused))) => refused.error,
            Some(Reply::Sync(Err(error))) => *error,
            other => panic!("expected waiter {waiter} to be refused, not {other:?}"),
        }
    }

    fn assignment(&self, waiter: u32) -> &[u8] {
        match self.replies.get(&waiter) {
            Some(Reply::Sync(Ok(synced))) => &synced.assignment,
            other => panic!("expected waiter {waiter} to have its part, not {other:?}"),
        }
    }

    fn is_waiting(&self, waiter: u32) -> bool {
        !self.replies.contains_key(&waiter)
    }

    /// Returns a stable group in generation 2 with two members, of which `a` leads.
    fn settled_pair() -> Self {
        let mut bench = Self::new();
        bench.join("a");
        let b = bench.join("b");
        let a = bench.join_as(&again("a"));
        assert_eq!(bench.joined(a).generation, 2);
        assert_eq!(bench.joined(b).leader, "a");
        bench.sync("b", 2, &[]);
        bench.sync("a", 2, &[("a", "0,1"), ("b", "2")]);
        assert_eq!(bench.group.state, State::Stable);
        bench
    }
}

fn protocols(names: &[&str]) -> Vec<(String, Bytes)> {
    names.iter().map(|name| ((*name).to_owned(), Bytes::from_static(b"orders"))).collect()
}

/// A first join. The new member gets the id `id`, so that tests need no random ids.
fn joining(id: &str) -> Join {
    Join {
        member_id: String::new(),
        instance_id: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: "consumer".into(),
        protocols: protocols(&["range"]),
        fresh_id: id.into(),
        comes_back_with_id: false,
        can_skip_assignment: false,
    }
}

fn again(id: &str) -> Join {
    Join { member_id: id.into(), ..joining("unused") }
}

fn instance(instance: &str, fresh_id: &str) -> Join {
    Join { instance_id: Some(instance.into()), ..joining(fresh_id) }
}
