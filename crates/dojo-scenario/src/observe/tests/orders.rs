//! Which events are about the run's own orders, and what is kept of them.

use super::{Run, audit, id, order_event};
use serde_json::json;
use std::time::Duration;

const NOTIFIED: &str = "{ action: NOTIFIED, perOrder: 1 }";

#[test]
fn an_event_before_the_answer_is_not_lost() {
    let mut run = Run::new(&[NOTIFIED]);
    run.say(1, &["created", "NOTIFIED"]);
    assert_eq!(run.met(0), Some(false));
    run.claim([1]);
    assert_eq!(run.met(0), Some(true));
}

#[test]
fn a_record_that_the_stream_delivers_again_is_no_duplicate() {
    let mut run = Run::new(&["{ action: NOTIFIED, duplicates: true, none: true }"]);
    let data = audit(1, "NOTIFIED", 7, json!({})).to_string();
    run.claim([1]);
    assert!(run.observer.event("audit", &data, run.now));
    assert!(!run.observer.event("audit", &data, run.now));
    assert_eq!(run.met_at_the_end(0), Some(true));
}

#[test]
fn events_of_unknown_orders_are_dropped_in_time() {
    let mut run = Run::new(&[NOTIFIED]);
    run.say(1, &["NOTIFIED"]).after(41).say(2, &["NOTIFIED"]).claim([1]);
    assert_eq!(run.observer.tally(0).unwrap().seen, 0);
}

#[test]
fn too_many_unknown_orders_at_once_are_noticed_and_own_orders_are_not_among_them() {
    let mut run = Run::new(&[]);
    run.observer = run.observer.with_capacity(100);
    for order in 0..100 {
        run.say(order, &["created"]).claim([order]);
    }
    for order in 200..300 {
        run.say(order, &["created"]);
    }
    assert_eq!(run.observer.overflow(), None);
    run.say(300, &["created"]);
    assert!(run.observer.overflow().unwrap().contains("orders of other clients"));
}

#[test]
fn an_order_with_too_many_events_ends_the_run() {
    let mut run = Run::new(&[]);
    run.claim([1]);
    for retry in 0..=1_000 {
        run.audit(1, "RETRY", json!({"retryCount": retry}));
    }
    assert!(run.observer.overflow().unwrap().contains("onExhausted"));
}

fn settle(run: &mut Run, order: u128) {
    run.say(order, &["created", "NOTIFIED", "FRAUD_CHECK_PASSED"]);
    run.record("order", order_event(order, "created"), json!({}));
}

#[test]
fn a_run_of_any_length_watches_a_bounded_number_of_orders() {
    let mut run = Run::new(&[NOTIFIED, "{ action: NOTIFIED, duplicates: true, none: true }"]);
    run.observer = run.observer.with_capacity(100);
    for order in 0..1_000 {
        run.claim([order]);
        settle(&mut run, order);
        run.now += Duration::from_millis(1);
    }
    assert_eq!(run.met(0), Some(true));
    assert_eq!(run.observer.tally(0).unwrap().orders, 1_000);
    let seen = run.judge(1).seen;
    assert!(seen.contains("900 orders settled and were no longer watched"), "{seen}");
}

#[test]
fn more_unsettled_orders_than_can_be_watched_end_the_run() {
    let mut run = Run::new(&[NOTIFIED]);
    run.observer = run.observer.with_capacity(10);
    run.claim(0..10);
    assert_eq!(run.observer.overflow(), None);
    run.claim([10]);
    assert!(run.observer.overflow().unwrap().contains("wait for their outcome"));
}

#[test]
fn an_evicted_order_can_still_be_an_example() {
    let mut run = Run::new(&["{ action: NOTIFIED, perOrder: 2 }", "{ action: NOTIFIED, none: true }"]);
    run.observer = run.observer.with_capacity(1);
    for order in 1..=3 {
        run.claim([order]);
        settle(&mut run, order);
    }
    for number in [0, 1] {
        let examples = run.observer.evidence(number, false).examples;
        assert_eq!((run.met(number), examples.len()), (Some(false), 3), "{examples:?}");
        assert!((1..=3).all(|order| examples.iter().any(|example| example.order == id(order))));
    }
}
