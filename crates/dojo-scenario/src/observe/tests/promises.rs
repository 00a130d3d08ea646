//! The promises of `always`.

use super::{Run, order_event};
use serde_json::{Value, json};

#[test]
fn an_order_without_an_outcome_in_time_breaks_the_promise_and_is_the_example() {
    let mut run = Run::with("always: { settled: 30s }", &[]);
    run.claim([1]).say(1, &["created", "NOTIFIED", "FRAUD_ALERT"]);
    run.claim([2]).say(2, &["created", "FRAUD_ALERT"]);
    run.after(30);
    assert!(run.breaches().is_empty());
    run.claim([3]).after(1);
    let breaches = run.breaches();
    assert_eq!(breaches.len(), 1);
    assert!(
        breaches[0].starts_with("settled: 30s: order 00000000-0000-0000-0000-000000000002 was acknowledged")
    );
    assert!(breaches[0].contains("neither NOTIFIED nor a dead letter"), "{breaches:?}");
    assert!(breaches[0].contains("of Ada: created at audit 0@3; FRAUD_ALERT at audit 0@4"), "{breaches:?}");
    run.after(30);
    assert!(run.breaches().is_empty(), "the first breach of each promise is reported once");
    assert_eq!(run.observer.breaches()[0].count, 2);
    assert_eq!(run.observer.breaches()[0].at, run.start + std::time::Duration::from_secs(31));
}

#[test]
fn an_update_must_be_settled_in_time_too() {
    let mut run = Run::with("always: { settled: 30s }", &[]);
    run.claim([1]).say(1, &["created", "NOTIFIED", "FRAUD_ALERT"]).after(100);
    run.observer.changed(super::id(1), run.now);
    assert!(run.after(30).breaches().is_empty());
    assert_eq!(run.after(1).breaches().len(), 1);
}

#[test]
fn a_second_notification_about_one_record_breaks_the_promise_and_a_second_change_does_not() {
    let mut run = Run::with("always: { notified: once }", &[]);
    run.claim([1]).say(1, &["NOTIFIED"]).audit(1, "NOTIFIED", json!({"offset": 9}));
    assert!(run.breaches().is_empty());
    run.say(1, &["NOTIFIED"]);
    let breaches = run.breaches();
    assert!(breaches[0].contains("was notified twice"), "{breaches:?}");
}

#[test]
fn a_retry_that_was_produced_twice_is_a_second_notification_whichever_arrives_first() {
    for records_first in [true, false] {
        let mut run = Run::with("always: { notified: once }", &[]);
        run.claim([1]);
        let (first, second) = (run.next, run.next + 1);
        let notify = |run: &mut Run| {
            for offset in [first, second] {
                run.audit(1, "NOTIFIED", json!({"partition": 0, "offset": offset, "retryCount": 1}));
            }
        };
        if !records_first {
            run.next += 2;
            notify(&mut run);
            assert!(run.breaches().is_empty(), "the records could be two changes");
            run.next = first;
        }
        for _ in [first, second] {
            run.record("order", order_event(1, "created"), json!({"retryCount": "1"}));
        }
        if records_first {
            notify(&mut run);
        }
        assert!(run.breaches()[0].contains("was notified twice"));
    }
}

#[test]
fn a_redriven_order_may_be_notified_again() {
    let mut run = Run::with("always: { notified: once }", &[]);
    run.claim([1]).record("order", order_event(1, "created"), json!({}));
    run.audit(1, "NOTIFIED", json!({"partition": 0, "offset": 0}));
    let redriven = run.next;
    run.record("order", order_event(1, "created"), json!({"redriveCount": "1"}));
    run.audit(1, "NOTIFIED", json!({"partition": 0, "offset": redriven}));
    assert!(run.breaches().is_empty());
}

#[test]
fn a_rule_error_of_an_own_order_breaks_the_promise() {
    let mut run = Run::with("always: { ruleErrors: none }", &[]);
    let error = || json!({"reason": "rules/fraud.rhai:1:1: no"});
    run.claim([1]).audit(2, "RULE_ERROR", error());
    assert!(run.breaches().is_empty());
    run.audit(1, "RULE_ERROR", error());
    assert!(run.breaches()[0].contains("made a rule fail: rules/fraud.rhai:1:1: no"));
}

#[test]
fn a_promise_that_is_not_given_is_not_broken() {
    let mut run = Run::with("always: { offsets: forward }", &[]);
    run.claim([1]).say(1, &["NOTIFIED", "NOTIFIED", "RULE_ERROR"]).after(1_000);
    assert!(run.breaches().is_empty());
}

fn topics(position: Value) -> Value {
    let partition = json!({"partition": 1, "position": position, "lag": 0, "clientId": null});
    let group = json!({"group": "fraud-group", "state": "Stable", "partitions": [partition]});
    json!({"asOf": "", "topics": [{"name": "orders", "groups": [group]}]})
}

#[test]
fn a_committed_offset_that_goes_backwards_breaks_the_promise() {
    let mut run = Run::with("always: { offsets: forward }", &[]);
    assert!(run.observer.needs(None).committed);
    for position in [json!(5), json!(null), json!(5), json!(7)] {
        run.observer.committed(&topics(position), run.now);
    }
    assert!(run.breaches().is_empty());
    run.observer.committed(&topics(json!(6)), run.now);
    let breaches = run.breaches();
    assert!(
        breaches[0].contains("fraud-group in orders, partition 1, went from 7 back to 6"),
        "{breaches:?}"
    );
}
