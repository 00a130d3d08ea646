//! Members that join, stay and leave.

use super::*;

#[test]
fn the_first_member_leads_and_learns_of_everyone() {
    let bench = TestGroup::settled_pair();
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
    let mut bench = TestGroup::new();
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
    let mut bench = TestGroup::settled_pair();
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
    let mut bench = TestGroup::settled_pair();
    assert_eq!(bench.leave("b"), Ok(()));
    assert_eq!(bench.leave("b"), Err(ResponseError::UnknownMemberId));
    let a = bench.join_as(&again("a"));
    assert_eq!(bench.joined(a).members.len(), 1);
}

#[test]
fn a_leader_that_asks_again_while_it_shares_out_learns_of_everyone_again() {
    let mut bench = TestGroup::new();
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
    let mut bench = TestGroup::settled_pair();
    let follower = bench.join_as(&again("b"));
    assert_eq!(bench.joined(follower).generation, 2);
    let leader = bench.join_as(&again("a"));
    assert!(bench.is_waiting(leader));
    assert_eq!(bench.heartbeat("b", 2), Err(ResponseError::RebalanceInProgress));
}

#[test]
fn a_member_that_does_not_join_in_time_is_removed() {
    let mut bench = TestGroup::settled_pair();
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
    let mut bench = TestGroup::new();
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
    let mut bench = TestGroup::new();
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
    let mut bench = TestGroup::new();
    bench.join_as(&Join { comes_back_with_id: true, ..joining("b") });
    let a = bench.join("a");
    bench.wait(SESSION - Duration::from_millis(1));
    assert!(bench.is_waiting(a));
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.joined(a).members.len(), 1);
}

#[test]
fn the_first_rebalance_waits_while_members_keep_coming() {
    let mut bench = TestGroup::with_delay(Duration::from_secs(3));
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
    let mut bench = TestGroup::new();
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
fn a_group_with_members_cannot_be_deleted_and_a_deleted_one_answers_no_member() {
    let mut bench = TestGroup::settled_pair();
    assert_eq!(bench.group.delete(), Err(ResponseError::NonEmptyGroup));
    bench.leave("a").unwrap();
    bench.leave("b").unwrap();
    assert_eq!(bench.group.delete(), Ok(()));
    let late = bench.join("a");
    assert_eq!(bench.refused(late), ResponseError::CoordinatorNotAvailable);
}

#[test]
fn a_broker_that_was_away_gives_every_member_its_session_again() {
    let mut bench = TestGroup::settled_pair();
    bench.now += Duration::from_secs(3600);
    let now = bench.now;
    bench.group.resume(now);
    bench.wait(SESSION - Duration::from_millis(1));
    assert_eq!(bench.heartbeat("a", 2), Ok(()));
    bench.wait(Duration::from_millis(1));
    assert!(bench.is_member("a") && !bench.is_member("b"));
}

#[test]
fn a_group_takes_so_many_members_and_no_more() {
    let mut bench = TestGroup::new();
    for n in 0..MAX_MEMBERS - 1 {
        bench.join(&format!("m{n}"));
    }
    let promised = bench.join_as(&Join { comes_back_with_id: true, ..joining("last") });
    assert_eq!(bench.refused(promised), ResponseError::MemberIdRequired);
    for newcomer in [joining("x"), instance("i", "x"), Join { comes_back_with_id: true, ..joining("x") }] {
        let waiter = bench.join_as(&newcomer);
        assert_eq!(bench.refused(waiter), ResponseError::GroupMaxSizeReached);
    }
    bench.join_as(&again("last"));
    assert!(bench.is_member("last"));
}

#[test]
fn what_a_member_has_to_say_is_bounded() {
    let mut bench = TestGroup::new();
    let large = |bytes| vec![("range".to_owned(), Bytes::from(vec![0; bytes]))];
    let waiter = bench.join_as(&Join { protocols: large(MAX_METADATA), ..joining("a") });
    assert_eq!(bench.refused(waiter), ResponseError::UnknownServerError);
    let waiter = bench.join_as(&Join { protocols: large(MAX_METADATA - "range".len()), ..joining("a") });
    assert_eq!(bench.joined(waiter).generation, 1);
    let part: &'static str = Box::leak("x".repeat(MAX_METADATA + 1).into_boxed_str());
    let waiter = bench.sync("a", 1, &[("a", part)]);
    assert_eq!(bench.refused(waiter), ResponseError::UnknownServerError);
    let waiter = bench.sync("a", 1, &[("a", &part[1..])]);
    assert_eq!(bench.assignment(waiter).len(), MAX_METADATA);
}

#[test]
fn a_member_changes_the_protocol_only_by_way_of_one_that_it_knew() {
    let mut bench = TestGroup::new();
    let knows = |names: &[&str]| Join { protocols: protocols(names), ..again("a") };
    bench.join("a");
    bench.sync("a", 1, &[("a", "everything")]);
    let abrupt = bench.join_as(&knows(&["sticky"]));
    assert_eq!(bench.refused(abrupt), ResponseError::InconsistentGroupProtocol);
    let first = bench.join_as(&knows(&["sticky", "range"]));
    assert_eq!(bench.joined(first).protocol, "sticky");
    let second = bench.join_as(&knows(&["sticky"]));
    assert_eq!(bench.joined(second).protocol, "sticky");
}
