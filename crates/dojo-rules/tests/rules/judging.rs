//! The fraud rule: the shipped one against the contract, and what an edited one can say.

use crate::facts::{fraud_facts, holds, judge, order, window};
use dojo_contract::{FraudAlert, Severity, WindowStats};
use dojo_rules::{FraudRule, OrderFacts, Rule};

fn shipped() -> FraudRule {
    FraudRule::compile("rules/fraud.rhai", FraudRule::BUILT_IN).unwrap()
}

fn kinds(order: &OrderFacts, window: &WindowStats) -> Vec<(String, Severity)> {
    shipped()
        .judge(fraud_facts(order.clone(), *window))
        .unwrap()
        .into_iter()
        .map(|alert| (alert.kind, alert.severity))
        .collect()
}

fn found(kind: &str, severity: Severity) -> Vec<(String, Severity)> {
    vec![(kind.to_owned(), severity)]
}

#[test]
fn the_shipped_file_is_the_built_in_rule() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules/fraud.rhai");
    assert_eq!(std::fs::read_to_string(shipped).unwrap(), FraudRule::BUILT_IN);
    FraudRule::built_in();
}

#[test]
fn the_sixth_order_of_a_customer_is_velocity_and_the_fifth_is_not() {
    assert_eq!(kinds(&order(1, "1"), &window(5, 5)), []);
    assert_eq!(kinds(&order(1, "1"), &window(6, 6)), found("VELOCITY", Severity::High));
}

#[test]
fn the_twenty_first_order_in_all_is_a_burst_and_the_twentieth_is_not() {
    assert_eq!(kinds(&order(1, "1"), &window(1, 20)), []);
    assert_eq!(kinds(&order(1, "1"), &window(1, 21)), found("BURST", Severity::Medium));
}

#[test]
fn a_cent_above_a_hundred_dollars_is_an_amount_and_a_hundred_is_not() {
    assert_eq!(kinds(&order(1, "100"), &window(1, 1)), []);
    assert_eq!(kinds(&order(10, "10.00"), &window(1, 1)), []);
    assert_eq!(kinds(&order(1, "100.01"), &window(1, 1)), found("AMOUNT", Severity::Low));
}

#[test]
fn an_order_can_be_all_three() {
    let found: Vec<_> = shipped().judge(fraud_facts(order(3, "40.00"), window(6, 21))).unwrap();
    let kinds: Vec<_> = found.iter().map(|alert| alert.kind.as_str()).collect();
    assert_eq!(kinds, ["VELOCITY", "BURST", "AMOUNT"]);
    assert_eq!(found[0].reason, "Grace placed 6 orders within a minute, more than 5");
    assert_eq!(found[2].reason, "the order comes to $120.00, more than $100.00");
}

#[test]
fn a_threshold_may_be_written_with_or_without_a_point() {
    for amount in ["150", "150.0", "150.00"] {
        let source =
            FraudRule::BUILT_IN.replace("AMOUNT_LIMIT = 100.00", &format!("AMOUNT_LIMIT = {amount}"));
        assert_ne!(source, FraudRule::BUILT_IN);
        let rule = FraudRule::compile("fraud.rhai", &source).unwrap();
        assert_eq!(rule.judge(fraud_facts(order(1, "150"), window(1, 1))).unwrap(), []);
        assert_eq!(rule.judge(fraud_facts(order(1, "150.01"), window(1, 1))).unwrap()[0].kind, "AMOUNT");
    }
}

#[test]
fn the_suggestion_in_the_shipped_rule_works() {
    let (rule, suggestion) = FraudRule::BUILT_IN.split_once("// Try this").unwrap();
    let (_, suggestion) = suggestion.split_once('\n').unwrap();
    let source = format!("{rule}{}", suggestion.replace("// ", ""));
    let rule = FraudRule::compile("fraud.rhai", &source).unwrap();
    assert_eq!(rule.judge(fraud_facts(order(1, "9"), window(1, 1))).unwrap()[0].kind, "LONELY_PIZZA");
}

#[test]
fn numbers_with_a_point_are_exact_decimals() {
    assert!(holds("0.1 + 0.2 == 0.3"));
    assert!(holds("order.total == 19 && order.total == 19.0 && order.total > 18 && order.total < 19.01"));
    assert!(holds("order.quantity * order.price == order.total"));
}

#[test]
fn every_name_of_the_vocabulary_works() {
    assert!(holds(r#"order.id.len() == 36 && order.customerName == "Grace" && order.status == "created""#));
    assert!(holds(r#"order.item.contains("Funghi") && order.quantity == 2 && order.price == 9.5"#));
    assert!(holds("window.customerOrdersInWindow == 3 && window.globalOrdersInWindow == 7"));
    assert!(holds(r#"`${order}`.contains("customerName: \"Grace\"")"#));
}

#[test]
fn a_rule_may_have_functions_that_use_its_constants() {
    let source = r#"
        const LIMIT = 10.0;
        fn is_big(order) { order.total > global::LIMIT }
        if is_big(order) { [alert("BIG", "MEDIUM", `${order.total}`)] } else { [] }
    "#;
    let alert = FraudAlert { kind: "BIG".to_owned(), reason: "19.00".to_owned(), severity: Severity::Medium };
    assert_eq!(judge(source).unwrap(), [alert]);
}

#[test]
fn facts_are_those_of_the_call_and_not_of_an_earlier_one() {
    let rule = FraudRule::compile("fraud.rhai", r#"[alert("ID", "LOW", order.customerName)]"#).unwrap();
    for name in ["Ada", "Grace", "Barbara"] {
        let order = OrderFacts { customer_name: name.to_owned(), ..order(1, "1") };
        assert_eq!(rule.judge(fraud_facts(order, window(1, 1))).unwrap()[0].reason, name);
    }
}

#[test]
fn hostile_text_in_an_order_is_only_text() {
    let name = "${order.total} \"]; throw 1; // \u{202e}\u{0}\n🍕";
    let order = OrderFacts { customer_name: name.to_owned(), ..order(1, "1") };
    let alerts = shipped().judge(fraud_facts(order, window(6, 6))).unwrap();
    assert!(alerts[0].reason.starts_with(name), "{alerts:?}");
}

#[test]
fn one_rule_judges_on_many_threads_at_once() {
    let rule = shipped();
    std::thread::scope(|threads| {
        for customer in 1..=8 {
            let rule = &rule;
            threads.spawn(move || {
                for _ in 0..200 {
                    let alerts = rule.judge(fraud_facts(order(1, "1"), window(customer, 1))).unwrap();
                    assert_eq!(alerts.is_empty(), customer <= 5);
                }
            });
        }
    });
}
