//! Lag, owners, members, rebalances and answers.

use super::Run;
use crate::observe::{Needs, RequestKind};
use serde_json::{Value, json};
use std::time::Duration;

/// A partition of `orders`, its reader's position, and the lag that it reports.
type Owned = (i32, i64, i64);

/// Members of `notification-group` with their partitions. Each partition ends at 10.
fn status(members: &[(&str, &[Owned])]) -> Value {
    let partition = |(partition, position, lag): &Owned| json!({"topic": "orders", "partition": partition, "position": position, "lag": lag});
    let member = |(id, partitions): &(&str, &[Owned])| json!({"instanceId": id, "partitions": partitions.iter().map(partition).collect::<Vec<_>>()});
    let instance = |(id, _): &(&str, &[Owned])| json!({"instanceId": id, "service": "notification", "state": "running", "live": true});
    let instances: Vec<_> = members.iter().map(instance).collect();
    let members: Vec<_> = members.iter().map(member).collect();
    let ends: Vec<_> =
        (0..3).map(|p| json!({"partition": p, "earliestOffset": 0, "endOffset": 10})).collect();
    json!({
        "instances": instances, "groups": [{"group": "notification-group", "members": members}],
        "topics": [{"name": "orders", "partitions": ends}],
    })
}

const NO_LAG: &str = "{ lag: { group: notification-group, atMost: 0 } }";

#[test]
fn no_lag_needs_every_partition_and_the_present_end() {
    let mut run = Run::new(&[NO_LAG, "{ lag: { group: notification-group, partition: 0, atLeast: 4 } }"]);
    assert_eq!((run.met(0), run.met_at_the_end(0)), (None, Some(false)));
    run.observer.status(&status(&[("notification-1", &[(0, 10, 0), (1, 10, 0)])]));
    assert_eq!(run.met(0), None, "nobody reads partition 2");
    assert!(run.judge(0).seen.contains("partition 2 isn't known"));
    run.observer.status(&status(&[("notification-1", &[(0, 10, 0), (1, 10, 0), (2, -1, -1)])]));
    assert_eq!(run.met(0), None, "an unknown lag is not 0");
    run.observer.status(&status(&[("notification-1", &[(0, 10, 0), (1, 10, 0), (2, 6, 0)])]));
    assert_eq!(run.met(0), None, "a report from before the last records came");
    run.observer.status(&status(&[("notification-1", &[(0, 10, 0), (1, 10, 0), (2, 10, 0)])]));
    assert_eq!((run.met(0), run.met(1)), (Some(true), None));
    run.observer.status(&status(&[("notification-1", &[(0, 5, 5)])]));
    assert_eq!(run.met(1), Some(true));
}

#[test]
fn the_evidence_of_a_state_is_every_member_of_the_group() {
    let mut run = Run::new(&[NO_LAG]);
    run.observer.status(&status(&[("notification-1", &[(0, 5, 5), (1, -1, -1)]), ("notification-2", &[])]));
    let members = [
        "notification-1 reads orders 0 (5 records behind), orders 1 (lag unknown)",
        "notification-2 reads no partition",
    ];
    let [met, missed] = [true, false].map(|met| run.observer.evidence(0, met));
    assert_eq!((&met.members[..], met.look), (&members.map(str::to_owned)[..], None));
    assert!(missed.look.unwrap().contains("GET /status"));
}

#[test]
fn the_lag_of_a_group_without_members_is_that_of_its_committed_offsets() {
    let mut run = Run::new(&["{ lag: { group: fraud-group, atLeast: 8 } }"]);
    let partitions: Vec<_> = (0..3).map(|p| json!({"partition": p, "position": 7, "lag": 3})).collect();
    let group = json!({"group": "fraud-group", "partitions": partitions});
    run.observer.status(&status(&[]));
    assert_eq!(run.met(0), None);
    run.observer.committed(&json!({"topics": [{"name": "orders", "groups": [group]}]}), run.now);
    assert_eq!(run.met(0), Some(true));
}

#[test]
fn a_group_of_the_dojo_that_has_committed_nothing_has_every_record_before_it() {
    let lag = |group: &str| format!("{{ lag: {{ group: {group}, atLeast: 30 }} }}");
    let mut run = Run::new(&[&lag("fraud-group"), &lag("my-own-readers")]);
    run.observer.status(&status(&[]));
    assert_eq!(run.met(0), None, "the committed offsets aren't known yet");
    run.observer.committed(&json!({"topics": [{"name": "orders", "groups": []}]}), run.now);
    assert_eq!((run.met(0), run.met(1)), (Some(true), None));
}

#[test]
fn an_older_state_does_not_meet_an_expectation() {
    let mut run = Run::new(&[NO_LAG]);
    run.observer.status(&status(&[("notification-1", &[(0, 10, 0), (1, 10, 0), (2, 10, 0)])]));
    run.observer.begin(0);
    assert_eq!(run.met(0), None);
}

#[test]
fn an_owner_is_the_only_one_who_reports_the_partition() {
    let owner = |what: &str| format!("{{ owner: {{ group: notification-group, partition: 0, {what} }} }}");
    let (is, is_not) = (owner("is: notification-1"), owner("isNot: notification-2"));
    let mut run = Run::new(&[&is, &is_not]);
    let at: &[Owned] = &[(0, 10, 0)];
    run.observer.status(&status(&[("notification-1", at), ("notification-2", at)]));
    assert_eq!((run.met(0), run.met(1)), (None, None));
    run.observer.status(&status(&[("notification-3", at)]));
    assert_eq!((run.met(0), run.met(1)), (None, Some(true)));
    run.observer.status(&status(&[("notification-1", at)]));
    assert_eq!((run.met(0), run.met(1)), (Some(true), Some(true)));
    run.observer.status(&status(&[]));
    assert_eq!((run.met(1), run.met_at_the_end(1)), (None, Some(false)));
}

#[test]
fn idle_members_have_no_partition() {
    let mut run = Run::new(&["{ members: { group: notification-group, exactly: 2, idle: 1 } }"]);
    run.observer.status(&status(&[("notification-1", &[(0, 10, 0)]), ("notification-2", &[(1, 10, 0)])]));
    assert_eq!(run.met(0), None);
    let mut idle = status(&[("notification-1", &[(0, 10, 0)]), ("notification-2", &[])]);
    run.observer.status(&idle);
    assert_eq!(run.met(0), Some(true));
    idle["instances"][1]["state"] = "starting".into();
    run.observer.status(&idle);
    assert_eq!(run.met(0), None, "an instance that is still starting isn't a member yet");
}

fn rebalances(since: &str, ids: &[u64]) -> Value {
    let list: Vec<_> = ids.iter().map(|id| json!({"id": id, "group": "notification-group"})).collect();
    json!({"since": since, "rebalances": list})
}

#[test]
fn rebalances_count_since_the_run_began_also_across_a_restart() {
    let mut run = Run::new(&[
        "{ rebalances: { group: notification-group, atLeast: 2 } }",
        "{ rebalances: { group: notification-group, atMost: 1 } }",
    ]);
    assert_eq!(run.met_at_the_end(1), Some(false), "nothing is known");
    run.observer.rebalances(&rebalances("a", &[3, 2, 1]));
    assert_eq!((run.met(0), run.met(1), run.met_at_the_end(1)), (None, None, Some(true)));
    run.observer.rebalances(&rebalances("a", &[4, 3, 2]));
    assert_eq!((run.met(0), run.met_at_the_end(1)), (None, Some(true)));
    run.observer.rebalances(&rebalances("b", &[1]));
    assert_eq!((run.met(0), run.met(1)), (Some(true), Some(false)));
}

#[test]
fn only_what_is_needed_is_asked_for() {
    let run = Run::new(&[
        NO_LAG,
        "{ members: { group: fraud-group, exactly: 1 } }",
        "{ action: created, perOrder: 1 }",
    ]);
    assert_eq!(run.observer.needs(None), Needs::default());
    assert_eq!(run.observer.needs(Some(2)), Needs::default());
    assert_eq!(run.observer.needs(Some(1)), Needs { status: true, ..Needs::default() });
    assert_eq!(run.observer.needs(Some(0)), Needs { status: true, committed: true, rebalances: false });
    let rebalances = Run::new(&["{ rebalances: { group: fraud-group, atLeast: 1 } }"]);
    assert!(
        rebalances.observer.needs(None).rebalances,
        "the first answer must be from before the first step"
    );
}

#[test]
fn answers_are_judged_by_request_and_step() {
    let mut run = Run::new(&[
        "{ http: { status: 201, p99: < 50ms } }",
        "{ http: { step: burst, p50: < 20ms } }",
        "{ http: { request: PUT /orders, status: 200 } }",
        "{ http: { max: < 200ms } }",
    ]);
    assert_eq!((run.met(0), run.met_at_the_end(0)), (None, Some(false)));
    for millis in [10, 40] {
        run.observer.answered(RequestKind::Post, None, 201, Duration::from_millis(millis));
    }
    run.observer.answered(RequestKind::Post, Some("burst"), 201, Duration::from_millis(15));
    assert_eq!((run.met(0), run.met(1), run.met(2)), (Some(true), Some(true), None));
    run.observer.answered(RequestKind::Post, Some("other"), 503, Duration::from_millis(190));
    assert_eq!((run.met(0), run.met(1), run.met(3)), (Some(false), Some(true), Some(true)));
    assert_eq!(
        run.judge(0).seen,
        "4 answers: 3 with 201, 1 with 503; p50 15ms, p90 190ms, p99 190ms, max 190ms"
    );
}
