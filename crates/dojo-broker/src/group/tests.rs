use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const SESSION: Duration = Duration::from_secs(6);
const REBALANCE: Duration = Duration::from_secs(60);

/// A group with a clock that a test winds by hand; waiters are numbers.
struct Bench {
    group: Group<u32>,
    now: Instant,
    waiters: u32,
    /// Those that wait, or waited, for an answer.
    asked: BTreeSet<u32>,
    replies: BTreeMap<u32, Reply>,
}

impl Bench {
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

    /// As an old client joins, which needs no second attempt.
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

    /// Two members, `a` leading, in generation 2 and settled.
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

/// Knows the member's id already, or gets exactly it: tests need no random ids.
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

impl Bench {
    fn is_member(&self, id: &str) -> bool {
        self.group.members.iter().any(|member| member.id == id)
    }
}

#[test]
fn the_first_member_leads_and_learns_of_everyone() {
    let bench = Bench::settled_pair();
    let joined = bench.replies.values().filter_map(|reply| match reply {
        Reply::Join(Ok(joined)) if joined.generation == 2 => Some(joined),
        _ => None,
    });
    for joined in joined {
        let expected = if joined.member_id == "a" { 2 } else { 0 };
        assert_eq!(joined.members.len(), expected, "{joined:?}");
        assert_eq!((joined.leader.as_str(), joined.protocol.as_str()), ("a", "range"));
    }
}

#[test]
fn each_member_gets_the_part_that_the_leader_gave_it() {
    let mut bench = Bench::new();
    bench.join("a");
    let waiting = bench.sync("a", 1, &[("a", "everything")]);
    assert_eq!(bench.assignment(waiting), b"everything");
    bench.join("b");
    bench.join_as(&again("a"));
    let b = bench.sync("b", 2, &[]);
    assert!(bench.is_waiting(b));
    let a = bench.sync("a", 2, &[("a", "0,1"), ("b", "2")]);
    assert_eq!((bench.assignment(a), bench.assignment(b)), (&b"0,1"[..], &b"2"[..]));
}

#[test]
fn a_member_that_is_not_heard_of_loses_its_place_at_its_session_timeout() {
    let mut bench = Bench::settled_pair();
    for _ in 0..5 {
        bench.wait(Duration::from_secs(1));
        assert_eq!(bench.heartbeat("a", 2), Ok(()));
    }
    bench.wait(Duration::from_millis(999));
    assert!(bench.is_member("b"));
    assert_eq!(bench.group.next_deadline(), Some(bench.now + Duration::from_millis(1)));
    bench.wait(Duration::from_millis(1));
    assert!(!bench.is_member("b"));
    assert_eq!(bench.heartbeat("a", 2), Err(ResponseError::RebalanceInProgress));
    let a = bench.join_as(&again("a"));
    assert_eq!((bench.joined(a).generation, bench.joined(a).members.len()), (3, 1));
    assert_eq!(bench.heartbeat("b", 2), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_member_that_leaves_makes_room_at_once() {
    let mut bench = Bench::settled_pair();
    assert_eq!(bench.leave("b"), Ok(()));
    assert_eq!(bench.leave("b"), Err(ResponseError::UnknownMemberId));
    let a = bench.join_as(&again("a"));
    assert_eq!(bench.joined(a).members.len(), 1);
}

#[test]
fn a_leader_that_asks_again_while_it_shares_out_learns_of_everyone_again() {
    let mut bench = Bench::new();
    bench.join("a");
    bench.join("b");
    bench.join_as(&again("a"));
    assert_eq!(bench.group.state, State::CompletingRebalance);
    let leader = bench.join_as(&again("a"));
    assert_eq!(bench.joined(leader).members.len(), 2);
    let follower = bench.join_as(&again("b"));
    assert_eq!(bench.joined(follower).members.len(), 0);
    assert_eq!(bench.joined(follower).generation, 2);
}

#[test]
fn a_leader_that_joins_again_when_all_is_settled_wants_to_share_out_anew() {
    let mut bench = Bench::settled_pair();
    let follower = bench.join_as(&again("b"));
    assert_eq!(bench.joined(follower).generation, 2);
    let leader = bench.join_as(&again("a"));
    assert!(bench.is_waiting(leader));
    assert_eq!(bench.heartbeat("b", 2), Err(ResponseError::RebalanceInProgress));
}

#[test]
fn who_does_not_join_in_time_is_left_behind() {
    let mut bench = Bench::settled_pair();
    let c = bench.join("c");
    let a = bench.join_as(&again("a"));
    for _ in 0..59 {
        bench.wait(Duration::from_secs(1));
        assert_eq!(bench.heartbeat("b", 2), Err(ResponseError::RebalanceInProgress));
    }
    assert!(bench.is_waiting(a) && bench.is_waiting(c));
    bench.wait(Duration::from_secs(1));
    assert_eq!((bench.joined(a).members.len(), bench.joined(c).generation), (2, 3));
    assert!(!bench.is_member("b"));
}

#[test]
fn a_leader_that_never_shares_out_is_replaced() {
    let mut bench = Bench::new();
    bench.join("a");
    bench.join("b");
    bench.join_as(&again("a"));
    let b = bench.sync("b", 2, &[]);
    bench.wait(SESSION);
    assert_eq!(bench.refused(b), ResponseError::RebalanceInProgress);
    let b = bench.join_as(&again("b"));
    assert_eq!(bench.joined(b).leader, "b");
}

#[test]
fn a_newcomer_is_sent_away_once_with_an_id_and_the_others_wait_for_it() {
    let mut bench = Bench::new();
    let first = bench.join_as(&Join { comes_back_with_id: true, ..joining("a") });
    assert_eq!(bench.refused(first), ResponseError::MemberIdRequired);
    let stranger = bench.join_as(&again("somebody"));
    assert_eq!(bench.refused(stranger), ResponseError::UnknownMemberId);
    bench.join_as(&Join { comes_back_with_id: true, ..joining("b") });
    let a = bench.join_as(&again("a"));
    assert!(bench.is_waiting(a), "b was promised a place");
    let b = bench.join_as(&again("b"));
    assert_eq!((bench.joined(a).generation, bench.joined(b).generation), (1, 1));
}

#[test]
fn a_newcomer_that_never_comes_back_is_waited_for_no_longer_than_a_session() {
    let mut bench = Bench::new();
    bench.join_as(&Join { comes_back_with_id: true, ..joining("b") });
    let a = bench.join("a");
    bench.wait(SESSION - Duration::from_millis(1));
    assert!(bench.is_waiting(a));
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.joined(a).members.len(), 1);
}

#[test]
fn the_first_rebalance_waits_while_members_keep_coming() {
    let mut bench = Bench::with_delay(Duration::from_secs(3));
    let a = bench.join("a");
    bench.wait(Duration::from_secs(2));
    let b = bench.join("b");
    bench.wait(Duration::from_millis(2900));
    assert!(bench.is_waiting(a) && bench.is_waiting(b));
    bench.wait(Duration::from_millis(100));
    assert_eq!((bench.joined(a).members.len(), bench.joined(b).generation), (2, 1));
}

#[test]
fn the_protocol_is_one_that_all_know_and_most_prefer() {
    let mut bench = Bench::new();
    let knows = |names: &[&str], join: Join| Join { protocols: protocols(names), ..join };
    let (wide, narrow) = (&["exotic", "range", "sticky"], &["sticky", "range"]);
    bench.join_as(&knows(wide, joining("a")));
    bench.join_as(&knows(narrow, joining("b")));
    let c = bench.join_as(&knows(narrow, joining("c")));
    bench.join_as(&knows(wide, again("a")));
    assert_eq!(bench.joined(c).protocol, "sticky", "two prefer it, and not all know `exotic`");
    let stranger = bench.join_as(&knows(&["cooperative"], joining("d")));
    assert_eq!(bench.refused(stranger), ResponseError::InconsistentGroupProtocol);
    let connect = bench.join_as(&Join { protocol_type: "connect".into(), ..joining("e") });
    assert_eq!(bench.refused(connect), ResponseError::InconsistentGroupProtocol);
    bench.leave("b").unwrap();
    bench.join_as(&knows(narrow, again("c")));
    let a = bench.join_as(&knows(wide, again("a")));
    assert_eq!(bench.joined(a).protocol, "range", "one vote each: that of the earliest member counts");
}

#[test]
fn a_static_member_that_restarts_gets_its_part_back_and_nobody_notices() {
    let mut bench = Bench::new();
    bench.join("a");
    bench.join_as(&instance("two", "b"));
    bench.join_as(&again("a"));
    bench.sync("a", 2, &[("a", "0,1"), ("b", "2")]);
    let back = bench.join_as(&instance("two", "b-again"));
    assert_eq!((bench.joined(back).generation, bench.joined(back).member_id.as_str()), (2, "b-again"));
    let part = bench.sync("b-again", 2, &[]);
    assert_eq!(bench.assignment(part), b"2");
    assert_eq!(bench.heartbeat("a", 2), Ok(()));
    let former = Identity { member_id: "b", instance_id: Some("two") };
    let (_, fenced) = bench.work(|group, _, now| group.heartbeat(&former, 2, now));
    assert_eq!(fenced, Err(ResponseError::FencedInstanceId));
}

#[test]
fn a_static_leader_that_restarts_shares_nothing_out_anew() {
    for can_skip_assignment in [false, true] {
        let mut bench = Bench::new();
        bench.join_as(&instance("one", "a"));
        bench.sync("a", 1, &[("a", "everything")]);
        let back = bench.join_as(&Join { can_skip_assignment, ..instance("one", "a-again") });
        let joined = bench.joined(back).clone();
        assert_eq!(joined.skip_assignment, can_skip_assignment);
        assert_eq!(joined.leader == joined.member_id, can_skip_assignment, "{joined:?}");
        assert_eq!(joined.members.len(), usize::from(can_skip_assignment));
        let part = bench.sync("a-again", 1, &[]);
        assert_eq!(bench.assignment(part), b"everything");
    }
}

#[test]
fn offsets_are_committed_by_members_of_this_generation_or_by_outsiders_while_there_are_none() {
    let mut bench = Bench::settled_pair();
    let outsider = Identity { member_id: "", instance_id: None };
    let member = Identity { member_id: "a", instance_id: None };
    let now = bench.now;
    let group = &mut bench.group;
    assert_eq!(group.may_commit(&member, 2, now), Ok(()));
    assert_eq!(group.may_commit(&member, 1, now), Err(ResponseError::IllegalGeneration));
    assert_eq!(group.may_commit(&outsider, -1, now), Err(ResponseError::UnknownMemberId));
    bench.leave("a").unwrap();
    bench.leave("b").unwrap();
    assert_eq!(bench.group.state, State::Empty);
    assert_eq!(bench.group.may_commit(&outsider, -1, now), Ok(()));
}

#[test]
fn a_group_with_members_cannot_be_deleted_and_a_deleted_one_answers_nobody() {
    let mut bench = Bench::settled_pair();
    assert_eq!(bench.group.delete(), Err(ResponseError::NonEmptyGroup));
    bench.leave("a").unwrap();
    bench.leave("b").unwrap();
    assert_eq!(bench.group.delete(), Ok(()));
    let late = bench.join("a");
    assert_eq!(bench.refused(late), ResponseError::CoordinatorNotAvailable);
}

#[test]
fn a_broker_that_was_away_gives_every_member_its_session_again() {
    let mut bench = Bench::settled_pair();
    bench.now += Duration::from_secs(3600);
    let now = bench.now;
    bench.group.resume(now);
    bench.wait(SESSION - Duration::from_millis(1));
    assert_eq!(bench.heartbeat("a", 2), Ok(()));
    bench.wait(Duration::from_millis(1));
    assert!(bench.is_member("a") && !bench.is_member("b"));
}

/// A static member, `b`, that `a` leads, in generation 2 and settled.
fn settled_with_static() -> Bench {
    let mut bench = Bench::new();
    bench.join("a");
    bench.join_as(&Join { session_timeout: REBALANCE * 2, ..instance("two", "b") });
    bench.join_as(&again("a"));
    bench.sync("b", 2, &[]);
    bench.sync("a", 2, &[("a", "0,1"), ("b", "2")]);
    bench
}

#[test]
fn a_static_member_that_is_late_for_a_rebalance_keeps_its_place_until_its_session_ends() {
    let mut bench = settled_with_static();
    let leader = bench.join_as(&again("a"));
    bench.wait(REBALANCE);
    assert_eq!((bench.joined(leader).generation, bench.joined(leader).members.len()), (3, 2));
    bench.sync("a", 3, &[("a", "0"), ("b", "1,2")]);
    let back = bench.join_as(&Join { session_timeout: REBALANCE * 2, ..instance("two", "b-again") });
    assert_eq!(bench.joined(back).generation, 3);
    let part = bench.sync("b-again", 3, &[]);
    assert_eq!(bench.assignment(part), b"1,2");

    let mut bench = settled_with_static();
    bench.join_as(&again("a"));
    bench.wait(REBALANCE);
    bench.sync("a", 3, &[("a", "0"), ("b", "1,2")]);
    for _ in 0..60 {
        assert!(bench.is_member("b"));
        bench.wait(Duration::from_secs(1));
        let _ = bench.heartbeat("a", 3);
    }
    assert!(!bench.is_member("b"), "its session has ended");
    assert_eq!(bench.heartbeat("a", 3), Err(ResponseError::RebalanceInProgress));
}

#[test]
fn a_late_static_leader_keeps_its_place_and_somebody_who_is_there_leads() {
    let mut bench = Bench::new();
    bench.join_as(&Join { session_timeout: REBALANCE * 2, ..instance("one", "a") });
    bench.sync("a", 1, &[("a", "everything")]);
    let b = bench.join("b");
    bench.wait(REBALANCE);
    assert_eq!((bench.joined(b).leader.as_str(), bench.joined(b).members.len()), ("b", 2));
}

#[test]
fn a_group_that_has_held_nothing_for_a_minute_is_dead_and_one_with_offsets_is_not() {
    let mut bench = Bench::new();
    bench.join("a");
    bench.wait(Duration::from_secs(1));
    bench.leave("a").unwrap();
    bench.wait(EMPTY_KEPT - Duration::from_millis(1));
    assert_eq!(bench.group.state, State::Empty);
    bench.wait(Duration::from_millis(1));
    assert_eq!((bench.group.state, bench.group.next_deadline()), (State::Dead, None));

    let mut bench = Bench::new();
    bench.group.commit("orders", 0, Committed { offset: 4, leader_epoch: 0, metadata: None });
    bench.wait(EMPTY_KEPT * 10);
    assert_eq!((bench.group.state, bench.group.next_deadline()), (State::Empty, None));
    bench.group.forget_topic("orders");
    bench.wait(Duration::ZERO);
    assert_eq!(bench.group.state, State::Dead);
}

/// Anything that members may do, in any order.
#[derive(Debug, Clone)]
enum Step {
    Join { member: u8, first: bool, comes_back: bool, instance: bool, protocol: bool },
    Sync { member: u8, stale: bool },
    Heartbeat { member: u8 },
    Leave { member: u8 },
    Wait { millis: u64 },
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    let member = 0_u8..4;
    prop_oneof![
        6 => (member.clone(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.1))
            .prop_map(|(member, first, comes_back, instance, protocol)| {
                Step::Join { member, first, comes_back, instance, protocol }
            }),
        5 => (member.clone(), prop::bool::weighted(0.1)).prop_map(|(member, stale)| Step::Sync { member, stale }),
        2 => member.clone().prop_map(|member| Step::Heartbeat { member }),
        1 => member.prop_map(|member| Step::Leave { member }),
        2 => (0_u64..9000).prop_map(|millis| Step::Wait { millis }),
        1 => Just(Step::Resume),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever members do: nobody is answered twice, or waits without a bound; a settled group has a leader among its members;
    /// a generation never comes back; and the clock never stands still.
    #[test]
    fn a_group_never_gets_stuck(steps in prop::collection::vec(step(), 1..60), delay in prop_oneof![Just(0_u64), Just(3000)]) {
        let mut bench = Bench::with_delay(Duration::from_millis(delay));
        let mut ids: Vec<String> = (0..4).map(|n| format!("m{n}")).collect();
        let mut lost = BTreeSet::new();
        let mut generation = 0;
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Join { member, first, comes_back, instance, protocol } => {
                    let slot = usize::from(*member);
                    let fresh_id = format!("m{member}-{n}");
                    let join = Join {
                        member_id: if *first { String::new() } else { ids[slot].clone() },
                        instance_id: instance.then(|| format!("i{member}")),
                        comes_back_with_id: *comes_back,
                        protocols: protocols(if *protocol { &["sticky", "range"] } else { &["range"] }),
                        ..joining(&fresh_id)
                    };
                    bench.join_as(&join);
                    if *first {
                        ids[slot] = fresh_id;
                    }
                }
                Step::Sync { member, stale } => {
                    let generation = bench.group.generation - i32::from(*stale);
                    bench.sync(&ids[usize::from(*member)], generation, &[]);
                }
                Step::Heartbeat { member } => {
                    let generation = bench.group.generation;
                    let _ = bench.heartbeat(&ids[usize::from(*member)], generation);
                }
                Step::Leave { member } => drop(bench.leave(&ids[usize::from(*member)])),
                Step::Wait { millis } => bench.wait(Duration::from_millis(*millis)),
                Step::Resume => {
                    let now = bench.now;
                    lost.extend(bench.asked.iter().copied().filter(|waiter| bench.is_waiting(*waiter)));
                    bench.group.resume(now);
                }
            }
            let group = &bench.group;
            prop_assert!(group.generation >= generation);
            generation = group.generation;
            let leads = group.members.iter().any(|member| member.id == group.leader);
            match group.state {
                State::Stable | State::CompletingRebalance => prop_assert!(leads),
                State::Empty => prop_assert!(group.members.is_empty()),
                State::PreparingRebalance => prop_assert!(group.phase.is_some()),
                State::Dead => {}
            }
        }
        // Everyone falls silent: the clock alone must bring the group to an end.
        let last = bench.now + REBALANCE * 4;
        while let Some(deadline) = bench.group.next_deadline() {
            prop_assert!(deadline <= last, "still something to do after {:?}", REBALANCE * 4);
            bench.now = deadline.max(bench.now);
            bench.wait(Duration::ZERO);
            let next = bench.group.next_deadline();
            prop_assert!(next.is_none_or(|next| next > bench.now), "the clock stands still");
        }
        prop_assert_eq!(bench.group.state, State::Dead, "a group without members or offsets is forgotten");
        let unanswered = bench.asked.iter().filter(|waiter| bench.is_waiting(**waiter) && !lost.contains(*waiter));
        prop_assert_eq!(unanswered.count(), 0);
    }
}
