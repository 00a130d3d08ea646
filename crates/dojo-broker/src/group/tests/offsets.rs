//! How far a group has read.

use super::*;

#[test]
fn offsets_are_committed_by_members_of_this_generation_or_by_outsiders_while_there_are_none() {
    let mut bench = TestGroup::settled_pair();
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
fn a_group_that_has_held_nothing_for_a_minute_is_dead_and_one_with_offsets_is_not() {
    let mut bench = TestGroup::new();
    bench.join("a");
    bench.wait(Duration::from_secs(1));
    bench.leave("a").unwrap();
    bench.wait(EMPTY_KEPT - Duration::from_millis(1));
    assert_eq!(bench.group.state, State::Empty);
    bench.wait(Duration::from_millis(1));
    assert_eq!((bench.group.state, bench.group.next_deadline()), (State::Dead, None));

    let mut bench = TestGroup::new();
    bench.commit("orders", 0);
    bench.wait(EMPTY_KEPT * 10);
    assert_eq!(bench.group.state, State::Empty);
    bench.group.forget_topic("orders");
    bench.wait(Duration::ZERO);
    assert_eq!(bench.group.state, State::Dead);
}

#[test]
fn the_offsets_of_an_empty_group_are_kept_for_a_week_after_the_last_member_or_commit() {
    let mut bench = TestGroup::new();
    bench.commit("orders", 0);
    bench.wait(OFFSETS_KEPT - Duration::from_millis(1));
    bench.commit("orders", 1);
    bench.wait(OFFSETS_KEPT - Duration::from_millis(1));
    assert_eq!(bench.group.next_deadline(), Some(bench.now + Duration::from_millis(1)));
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.group.state, State::Dead);

    let mut bench = TestGroup::new();
    bench.commit("orders", 0);
    bench.join("a");
    bench.wait(OFFSETS_KEPT);
    assert_eq!(bench.group.state, State::Empty, "its only member has just been found dead");
    bench.wait(OFFSETS_KEPT - Duration::from_millis(1));
    assert_eq!(bench.group.state, State::Empty);
}

#[test]
fn a_consumer_outside_of_the_group_may_say_who_it_is() {
    let mut bench = TestGroup::new();
    let now = bench.now;
    let named = Identity { member_id: "somebody", instance_id: Some("one") };
    assert_eq!(bench.group.may_commit(&named, -1, now), Ok(()));
    assert_eq!(bench.group.may_commit(&named, 0, now), Err(ResponseError::UnknownMemberId));
    bench.join("a");
    let member = Identity { member_id: "a", instance_id: None };
    assert_eq!(bench.group.may_commit(&member, -1, now), Err(ResponseError::IllegalGeneration));
    assert_eq!(bench.group.may_commit(&member, 1, now), Err(ResponseError::RebalanceInProgress));
}

#[test]
fn an_offset_is_deleted_unless_a_member_reads_the_topic() {
    let subscribed = |topic: &[u8]| {
        let length = u16::try_from(topic.len()).unwrap().to_be_bytes();
        let metadata = [&[0, 0, 0, 0, 0, 1][..], &length, topic].concat();
        Join { protocols: vec![("range".into(), metadata.into())], ..joining("a") }
    };
    let mut bench = TestGroup::new();
    bench.commit("orders", 0);
    bench.commit("audit", 0);
    bench.join_as(&subscribed(b"orders"));
    assert_eq!(bench.group.check_offset_deletion(), Ok(()));
    assert_eq!(bench.group.delete_offset("orders", 0), Err(ResponseError::GroupSubscribedToTopic));
    assert_eq!(bench.group.delete_offset("audit", 0), Ok(()));
    assert_eq!(bench.group.delete_offset("audit", 0), Ok(()), "there is nothing to be forgotten");
    assert_eq!(bench.group.committed().keys().collect::<Vec<_>>(), ["orders"]);
    bench.leave("a").unwrap();
    assert_eq!(bench.group.delete_offset("orders", 0), Ok(()));
    assert!(bench.group.committed().is_empty());
}

#[test]
fn the_broker_cannot_know_what_members_read_that_are_not_consumers() {
    let mut bench = TestGroup::new();
    bench.join_as(&Join { protocol_type: "connect".into(), ..joining("a") });
    assert_eq!(bench.group.check_offset_deletion(), Err(ResponseError::NonEmptyGroup));
    let mut bench = TestGroup::new();
    bench.join("a");
    assert_eq!(bench.group.delete_offset("audit", 0), Err(ResponseError::GroupSubscribedToTopic));
}
