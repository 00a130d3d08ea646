//! Members that keep their place over a restart (KIP-345).

use super::*;

#[test]
fn a_static_member_that_restarts_gets_its_part_back_and_no_other_member_notices() {
    let mut bench = TestGroup::new();
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
        let mut bench = TestGroup::new();
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
fn a_static_member_that_wants_other_topics_after_a_restart_waits_for_the_next_rebalance() {
    let mut bench = settled_with_static();
    let other = vec![("range".to_owned(), Bytes::from_static(b"audit"))];
    let back = bench.join_as(&Join { protocols: other, ..instance("two", "b-again") });
    assert_eq!(bench.joined(back).generation, 2);
    let leader = bench.join_as(&again("a"));
    bench.join_as(&Join { member_id: "b-again".into(), ..instance("two", "unused") });
    let seen: Vec<_> = bench.joined(leader).members.iter().map(|member| &member.metadata[..]).collect();
    assert_eq!(seen.len(), 2);
    assert_eq!(bench.joined(leader).generation, 3);
}

#[test]
fn a_static_member_that_changes_the_protocol_makes_everyone_join_again() {
    let mut bench = TestGroup::new();
    let both = Join { protocols: protocols(&["range", "sticky"]), ..instance("one", "a") };
    bench.join_as(&both);
    bench.sync("a", 1, &[("a", "everything")]);
    let back = bench.join_as(&Join { protocols: protocols(&["sticky"]), ..instance("one", "a-again") });
    assert_eq!((bench.joined(back).generation, bench.joined(back).protocol.as_str()), (2, "sticky"));
}

/// Returns a stable group in generation 2 in which `a` leads and `b` is a static member.
fn settled_with_static() -> TestGroup {
    let mut bench = TestGroup::new();
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
fn a_late_static_leader_keeps_its_place_and_a_present_member_leads() {
    let mut bench = TestGroup::new();
    bench.join_as(&Join { session_timeout: REBALANCE * 2, ..instance("one", "a") });
    bench.sync("a", 1, &[("a", "everything")]);
    let b = bench.join("b");
    bench.wait(REBALANCE);
    assert_eq!((bench.joined(b).leader.as_str(), bench.joined(b).members.len()), ("b", 2));
}
