//! Expectations, and the events that they count.

use crate::{
    command::{ORDER, Written, play, scenario},
    fake_dojo::{FakeDojo, Script},
};
use dojo_run::exit;
use rust_decimal::Decimal;
use std::time::{Duration, Instant};

const SPAM: &str = r#"flood: { count: 12, rate: 200/s, order: { customerName: "Mallory ${run}", item: "Pizza ${n}", quantity: 1, price: 1 } }"#;
const SEVEN: &str = "expect: { action: FRAUD_ALERT, alert: VELOCITY, exactly: 7, within: 5s }";

#[tokio::test]
async fn met_expectations_end_with_0_and_the_verdict_is_on_stdout() {
    let dojo = FakeDojo::start(Script::default()).await;
    let ended = play(&dojo.url, &[SPAM, SEVEN]).await.expect(exit::MET);
    assert!(ended.stdout.contains("the expectation was met"), "{}", ended.stdout);
    assert!(!ended.stderr.contains("\x1b") && !ended.stdout.contains("\x1b"), "no terminal, no colours");
}

#[tokio::test]
async fn a_missed_expectation_ends_with_4_and_says_where_and_what_came_instead() {
    let dojo = FakeDojo::start(Script { velocity: 8, ..Script::default() }).await;
    let ended = play(&dojo.url, &[SPAM, SEVEN]).await.expect(exit::NOT_MET);
    for part in [
        "NOT MET  FRAUD_ALERT with VELOCITY: exactly 7",
        "scenario-0.yaml:4:5",
        "4 seen",
        "FRAUD_CHECK_PASSED",
        "rules/fraud.rhai",
    ] {
        assert!(ended.stdout.contains(part), "{part} in\n{}", ended.stdout);
    }
}

#[tokio::test]
async fn an_event_delivered_twice_counts_once() {
    let dojo = FakeDojo::start(Script { twice: true, ..Script::default() }).await;
    play(&dojo.url, &[SPAM, SEVEN, "expect: { action: NOTIFIED, exactly: 12, within: 5s }"])
        .await
        .expect(exit::MET);
}

#[tokio::test]
async fn events_that_come_before_the_answer_count() {
    let script = Script { early: true, answer_after: Duration::from_millis(200), ..Script::default() };
    let dojo = FakeDojo::start(script).await;
    play(&dojo.url, &[SPAM, SEVEN, "expect: { action: created, perOrder: 1, within: 5s }"])
        .await
        .expect(exit::MET);
}

#[tokio::test]
async fn no_alert_is_not_concluded_from_silence() {
    let dojo = FakeDojo::start(Script { no_fraud: true, ..Script::default() }).await;
    let steps = [ORDER, "expect: { action: FRAUD_ALERT, exactly: 0, within: 300ms }"];
    let ended = play(&dojo.url, &steps).await.expect(exit::NOT_MET);
    assert!(ended.stdout.contains("1 without an outcome yet"), "{}", ended.stdout);
    assert!(ended.stdout.contains("is fraud detection running"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_decided_expectation_does_not_wait_for_its_time_to_be_up() {
    let dojo = FakeDojo::start(Script::default()).await;
    let start = Instant::now();
    play(&dojo.url, &[ORDER, "expect: { action: DLQ, exactly: 0, within: 10m }"]).await.expect(exit::MET);
    play(&dojo.url, &[ORDER, "expect: { action: DLQ, atLeast: 1, within: 10m }"]).await.expect(exit::NOT_MET);
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn all_expectations_are_looked_at_also_after_one_that_is_missed() {
    let dojo = FakeDojo::start(Script::default()).await;
    let steps = [
        ORDER,
        "expect: { action: DLQ, atLeast: 1 }",
        "expect: { action: NOTIFIED, perOrder: 1 }",
        r#"expect: { action: NOTIFIED, customer: "Ada", exactly: 0 }"#,
    ];
    let ended = play(&dojo.url, &steps).await.expect(exit::NOT_MET);
    assert!(ended.stdout.contains("met      NOTIFIED"), "{}", ended.stdout);
    assert!(ended.stdout.contains("this run has no order of that customer"), "{}", ended.stdout);
    assert!(ended.stdout.contains("2 of 3 expectations not met"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_price_is_sent_digit_by_digit_as_a_json_number() {
    let dojo = FakeDojo::start(Script::default()).await;
    let exact = "order: { customerName: Ada, item: Pizza, quantity: 1, price: 70000.07 }";
    play(&dojo.url, &[ORDER, exact]).await.expect(exit::MET);
    let orders = dojo.orders();
    assert_eq!((orders[0].0["price"].to_string(), orders[0].1.price), ("9.50".into(), Decimal::new(950, 2)));
    assert_eq!(orders[1].0["price"].to_string(), "70000.07");
}

#[tokio::test]
async fn of_several_scenarios_the_gravest_code_counts_and_all_are_played() {
    let dojo = FakeDojo::start(Script { accepts: 2, ..Script::default() }).await;
    let missed = scenario(&[ORDER, "expect: { action: DLQ, atLeast: 1 }"]);
    let met = scenario(&[ORDER, "expect: { action: NOTIFIED, atLeast: 1 }"]);
    // A flood doesn't repeat an order that is refused.
    let refused = scenario(&[SPAM]);
    Written::new(&[&missed, &met]).play(&dojo.url).await.expect(exit::NOT_MET);
    let ended = Written::new(&[&refused, &refused]).play(&dojo.url).await.expect(exit::COULD_NOT_RUN);
    assert_eq!(
        ended.stdout.matches("POST /orders was answered with 503: Kafka is away; nothing was sent").count(),
        2
    );
}

#[tokio::test]
async fn a_customer_is_found_however_the_name_is_composed() {
    let dojo = FakeDojo::start(Script::default()).await;
    let order = r#"order: { customerName: "Jose\u0301 ${run}", item: Pizza, quantity: 1, price: 1 }"#;
    let expected = r#"expect: { action: NOTIFIED, customer: "Jos\u00e9 ${run}", exactly: 1, within: 5s }"#;
    play(&dojo.url, &[order, expected]).await.expect(exit::MET);
}

#[tokio::test]
async fn a_run_with_the_same_seed_draws_the_same_orders() {
    let dojo = FakeDojo::start(Script::default()).await;
    let flood = r#"flood: { count: 20, rate: 200/s, order: { customerName: [Ada, Bob, Eve], item: { Pizza: 3, Soup: 1 }, quantity: 1..9, price: 1..20 } }"#;
    let written = Written::new(&[&scenario(&[flood])]);
    for seed in ["7", "7", "8"] {
        let child = written.command().args(["--target", &dojo.url, "--seed", seed]).spawn().unwrap();
        let ended = crate::command::ended(child).await.expect(exit::MET);
        assert!(ended.stdout.contains(&format!("seed {seed},")), "{}", ended.stdout);
    }
    let orders: Vec<_> = dojo.orders().into_iter().map(|(_, order)| order).collect();
    let drawn = |run: &[dojo_contract::NewOrder]| {
        let mut drawn: Vec<_> = run.iter().map(|order| serde_json::to_string(order).unwrap()).collect();
        // Orders may overtake one another on their way.
        drawn.sort();
        drawn
    };
    assert_eq!(drawn(&orders[..20]), drawn(&orders[20..40]));
    assert_ne!(drawn(&orders[..20]), drawn(&orders[40..]));
}

#[tokio::test]
async fn an_order_without_an_outcome_breaks_the_promise_also_after_the_last_step() {
    let dojo = FakeDojo::start(Script { no_fraud: true, ..Script::default() }).await;
    let yaml = format!("always: {{ settled: 1s }}\n{}", scenario(&[ORDER]));
    let ended = Written::new(&[&yaml]).play(&dojo.url).await.expect(exit::NOT_MET);
    assert!(ended.stdout.contains("no verdict of fraud detection"), "{}", ended.stdout);
    assert!(ended.stderr.contains("BROKEN"), "{}", ended.stderr);
}

#[tokio::test]
async fn what_must_not_happen_is_not_decided_while_orders_are_sent() {
    let dojo = FakeDojo::start(Script::default()).await;
    let flood = r#"flood: { count: 30, rate: 20/s, order: { customerName: "Mallory ${run}", item: Pizza, quantity: 1, price: 1 }, meanwhile: [ { pause: 200ms }, { expect: { action: FRAUD_ALERT, alert: VELOCITY, none: true } } ] }"#;
    let ended = play(&dojo.url, &[flood]).await.expect(exit::NOT_MET);
    assert!(ended.stdout.contains("25 seen, of 30 orders"), "{}", ended.stdout);
}
