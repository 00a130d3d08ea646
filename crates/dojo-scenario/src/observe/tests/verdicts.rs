//! When an expectation of events is met.

use super::{Run, order_event, unreadable};
use serde_json::json;

#[test]
fn no_alert_is_not_proven_by_silence() {
    let mut run = Run::new(&["{ action: FRAUD_ALERT, none: true }"]);
    run.claim([1]).say(1, &["created", "NOTIFIED"]);
    assert_eq!((run.met(0), run.met_at_the_end(0)), (None, Some(false)));
    run.say(1, &["FRAUD_CHECK_PASSED"]);
    assert_eq!(run.met(0), Some(true));
}

#[test]
fn at_least_is_met_at_once_and_missed_only_when_all_orders_are_settled() {
    let mut run = Run::new(&["{ action: NOTIFIED, atLeast: 1 }"]);
    run.claim([1, 2]).say(1, &["DLQ"]);
    assert_eq!(run.met(0), None);
    run.say(2, &["DLQ"]);
    assert_eq!(run.met(0), Some(false));
    run.claim([3, 4]).say(3, &["NOTIFIED"]);
    assert_eq!(run.met(0), Some(true));
}

#[test]
fn a_last_event_that_overtook_its_retries_waits_for_them() {
    let mut run = Run::new(&["{ action: RETRY, exactly: 2 }"]);
    run.claim([1]).audit(1, "RETRY", json!({"retryCount": 1})).audit(1, "DLQ", json!({"retryCount": 2}));
    assert_eq!(run.met(0), None);
    run.audit(1, "RETRY", json!({"retryCount": 2}));
    assert_eq!(run.met(0), Some(true));
}

#[test]
fn per_order_is_decided_for_every_single_order() {
    let mut run = Run::new(&["{ action: [FRAUD_ALERT, FRAUD_CHECK_PASSED], perOrder: 1 }"]);
    run.claim([1]).say(1, &["FRAUD_ALERT"]);
    assert_eq!(run.met(0), Some(true));
    run.claim([2]).say(2, &["FRAUD_ALERT", "FRAUD_CHECK_PASSED"]);
    assert_eq!(run.met(0), Some(false));
    assert!(run.judge(0).seen.contains("1 of 2 orders fit"), "{:?}", run.judge(0));
    let evidence = run.observer.evidence(0, false);
    let [example] = &evidence.examples[..] else { panic!("{evidence:?}") };
    assert!(
        example.to_string().contains("000000000002 of Ada: FRAUD_ALERT at audit 0@1, about orders 1@2"),
        "{example}"
    );
    assert!(evidence.look.unwrap().contains("rules/fraud.rhai"));
}

#[test]
fn an_event_that_may_always_come_is_decided_when_the_time_is_up() {
    let mut run = Run::new(&["{ action: REDRIVEN, none: true }"]);
    run.claim([1]).say(1, &["DLQ"]);
    assert_eq!((run.met(0), run.met_at_the_end(0)), (None, Some(true)));
}

#[test]
fn no_orders_meet_no_expectation() {
    let mut run = Run::new(&["{ action: FRAUD_ALERT, none: true, customer: Mallroy }"]);
    run.claim([1]).say(1, &["FRAUD_CHECK_PASSED"]);
    assert_eq!(run.met(0), Some(false));
    assert!(run.observer.evidence(0, false).look.unwrap().contains("compare the names"));
}

#[test]
fn a_rule_error_of_notification_is_not_a_fraud_verdict() {
    let mut run = Run::new(&["{ action: FRAUD_ALERT, none: true }"]);
    run.claim([1]).say(1, &["RULE_ERROR"]);
    assert_eq!(run.met(0), None);
    run.audit(1, "RULE_ERROR", json!({"source": "fraud-service"}));
    assert_eq!(run.met(0), Some(true));
}

#[test]
fn a_duplicate_counts_once_and_a_retry_is_not_a_duplicate() {
    let mut run = Run::new(&["{ action: RETRY, atLeast: 1 }"]);
    run.claim([1]);
    for retry in [1, 1, 2, 1] {
        run.audit(1, "RETRY", json!({"retryCount": retry}));
    }
    assert_eq!(run.observer.tally(0).unwrap().seen, 2);
}

#[test]
fn duplicates_count_repetitions_alone_and_their_absence_waits_for_the_time() {
    let none = "{ action: NOTIFIED, duplicates: true, none: true }";
    let mut run = Run::new(&[none, "{ action: NOTIFIED, duplicates: true, atLeast: 1 }"]);
    run.claim([1]);
    assert_eq!(run.met_at_the_end(0), Some(false), "silence proves nothing");
    run.say(1, &["NOTIFIED"]);
    assert_eq!((run.met(0), run.met_at_the_end(0), run.met(1)), (None, Some(true), None));
    run.say(1, &["NOTIFIED"]);
    assert_eq!((run.met_at_the_end(0), run.met(1)), (Some(false), Some(true)));
    let examples = run.observer.evidence(0, false).examples;
    assert!(examples[0].to_string().ends_with("NOTIFIED at audit 0@1, about orders 1@1, again"));
}

#[test]
fn the_evidence_of_a_met_expectation_is_the_first_orders_with_the_events_that_count() {
    let mut run = Run::new(&["{ action: FRAUD_ALERT, atLeast: 4 }"]);
    run.claim(1..=6).say(1, &["FRAUD_CHECK_PASSED"]);
    for order in 2..=6 {
        run.say(order, &["created", "FRAUD_ALERT"]);
    }
    let evidence = run.observer.evidence(0, true);
    let orders: Vec<_> = evidence.examples.iter().map(|example| example.order).collect();
    assert_eq!((run.met(0), orders), (Some(true), [2, 3, 4].map(super::id).to_vec()));
    let counts: Vec<_> = evidence.examples[0].events.iter().map(|event| event.counts).collect();
    assert_eq!((counts, evidence.look), (vec![false, true], None));
}

#[test]
fn the_evidence_that_nothing_happened_is_orders_with_all_their_events() {
    let mut run = Run::new(&["{ action: FRAUD_ALERT, none: true }"]);
    run.claim([1]).say(1, &["created", "FRAUD_CHECK_PASSED"]);
    let examples = run.observer.evidence(0, true).examples;
    assert_eq!((run.met(0), examples.len()), (Some(true), 1));
    assert!(examples[0].events.len() == 2 && examples[0].events.iter().all(|event| !event.counts));
}

#[test]
fn an_alert_that_only_the_repetition_has_counts_once() {
    let alerts = |kind: &str| json!({"alerts": [{"type": kind, "reason": "6 orders", "severity": "HIGH"}]});
    let mut run = Run::new(&["{ action: FRAUD_ALERT, alert: VELOCITY, exactly: 1 }"]);
    run.claim([1]).audit(1, "FRAUD_ALERT", alerts("AMOUNT"));
    assert_eq!(run.met(0), Some(false));
    run.audit(1, "FRAUD_ALERT", alerts("VELOCITY")).audit(1, "FRAUD_ALERT", alerts("VELOCITY"));
    assert_eq!(run.met(0), Some(true));
}

#[test]
fn in_order_needs_every_action_after_the_one_before() {
    let mut run = Run::new(&["{ inOrder: [created, [NOTIFIED, DLQ]] }"]);
    run.claim([1]).say(1, &["created", "FRAUD_ALERT", "NOTIFIED"]);
    assert_eq!(run.met(0), Some(true));
    run.claim([2]).say(2, &["NOTIFIED"]);
    assert_eq!(run.met(0), None);
    run.say(2, &["created"]);
    assert_eq!(run.met(0), Some(false));
}

#[test]
fn a_reason_is_the_events_or_that_of_an_alert() {
    let mut run = Run::new(&["{ action: [FRAUD_ALERT, DLQ], reason: 'six|broken', exactly: 2 }"]);
    let alert = json!({"alerts": [{"type": "VELOCITY", "reason": "six orders", "severity": "HIGH"}]});
    run.claim([1]).audit(1, "FRAUD_ALERT", alert).audit(1, "DLQ", json!({"reason": "broken"}));
    assert_eq!(run.met(0), Some(true));
}

#[test]
fn conditions_look_at_fields_at_headers_and_into_lists() {
    let mut run = Run::new(&[
        "{ action: NOTIFIED, where: { retryCount: '> 1', instanceId: '/^notification-/' }, exactly: 1 }",
        "{ action: FRAUD_ALERT, where: { alerts.severity: HIGH, windowStats.customerOrdersInWindow: 6 }, exactly: 1 }",
        "{ event: dlq, where: { headers.redriveCount: 1 }, partition: 0, exactly: 1 }",
        "{ action: NOTIFIED, instanceId: notification-1, none: true }",
    ]);
    let alert = json!({
        "alerts": [{"type": "A", "reason": "", "severity": "LOW"}, {"type": "B", "reason": "", "severity": "HIGH"}],
        "windowStats": {"customerOrdersInWindow": 6.0},
    });
    run.claim([1]).audit(1, "FRAUD_ALERT", alert);
    run.audit(1, "RETRY", json!({"retryCount": 1})).audit(1, "RETRY", json!({"retryCount": 2}));
    run.audit(1, "NOTIFIED", json!({"retryCount": 2, "instanceId": "notification-2"}));
    run.record("dlq", order_event(1, "created"), json!({"redriveCount": "1"}));
    assert_eq!([0, 1, 2, 3].map(|number| run.met(number)), [Some(true); 4]);
}

#[test]
fn a_dead_letter_that_is_announced_must_arrive() {
    let mut run = Run::new(&["{ event: dlq, perOrder: 1 }", "{ event: dlq, none: true, customer: Bob }"]);
    run.observer.claim(super::id(2), "Bob", run.now);
    run.claim([1]).say(1, &["DLQ"]).say(2, &["NOTIFIED"]);
    assert_eq!((run.met(0), run.met(1)), (None, Some(true)));
    run.record("dlq", order_event(1, "created"), json!({}));
    run.record("dlq", order_event(2, "created"), json!({}));
    assert_eq!((run.met(0), run.met(1)), (Some(true), Some(false)));
}

#[test]
fn a_change_has_a_delivery_of_its_own() {
    let mut run = Run::new(&["{ action: NOTIFIED, exactly: 2 }"]);
    run.claim([1]).say(1, &["created", "NOTIFIED"]);
    assert_eq!(run.met(0), Some(false));
    run.observer.changed(super::id(1), run.now);
    assert_eq!(run.met(0), None, "the API acknowledged an update");
    run.audit(1, "NOTIFIED", json!({"offset": 99}));
    assert_eq!(run.met(0), Some(true));
}

#[test]
fn a_redriven_letter_counts_once_its_record_has_arrived() {
    let mut run = Run::new(&["{ action: NOTIFIED, exactly: 1 }"]);
    run.claim([1]).say(1, &["created", "DLQ"]);
    run.record("order", order_event(1, "created"), json!({})).record(
        "dlq",
        order_event(1, "created"),
        json!({}),
    );
    assert_eq!((run.observer.dead_letter_offsets(), run.met(0)), (vec![3], Some(false)));
    run.observer.await_record(0, 4);
    assert_eq!(run.met(0), None, "the record that was sent back has not arrived");
    run.record("order", order_event(1, "created"), json!({"redriveCount": "1", "dojo-dlq-offset": "3"}));
    assert_eq!((run.observer.dead_letter_offsets(), run.met(0)), (vec![], None));
    run.audit(1, "NOTIFIED", json!({"offset": 4}));
    assert_eq!(run.met(0), Some(true));
}

#[test]
fn a_record_produced_by_hand_is_waited_for_and_is_no_order() {
    let mut run = Run::new(&[
        "{ event: dlq, exactly: 1 }",
        "{ action: NOTIFIED, perOrder: 1 }",
        "{ event: dlq, perOrder: 0 }",
    ]);
    let ours = json!({"dojo-run": "r1"});
    let dead = json!({"dojo-run": "r1", "dojo-original-partition": "0", "dojo-original-offset": "0"});
    assert_eq!((run.met(0), run.met_at_the_end(0)), (None, Some(false)));
    run.record("order", unreadable(), ours).record("dlq", unreadable(), json!({"dojo-run": "other"}));
    assert_eq!(run.met_at_the_end(2), Some(false), "there is no order");
    run.claim([1]).say(1, &["NOTIFIED"]);
    assert_eq!((run.met(0), run.met(1)), (None, Some(true)));
    assert_eq!(
        run.judge(0).seen,
        "0 seen, of 1 order and 1 record produced by hand; 1 without an outcome yet"
    );
    run.record("dlq", unreadable(), dead);
    assert_eq!((run.met(0), run.observer.orders()), (Some(true), 1));
    assert!(run.observer.dead_letter_offsets().is_empty(), "an unreadable record can't be sent back");
}

#[test]
fn customers_are_compared_in_one_spelling() {
    let mut run = Run::new(&["{ action: NOTIFIED, exactly: 1, customer: 'Jose\u{301} ${run}' }"]);
    run.observer.claim(super::id(1), "Jos\u{e9} r1", run.now);
    run.claim([2]).say(1, &["NOTIFIED"]).say(2, &["NOTIFIED"]);
    assert_eq!(run.met(0), Some(true));
}
