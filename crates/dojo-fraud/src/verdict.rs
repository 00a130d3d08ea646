//! The verdict on an order: what the rule gets, and its answer as an event for `audit`.
//!
//! Pure. Alerts become a `FRAUD_ALERT`, an answer without alerts a `FRAUD_CHECK_PASSED`, and an error of the rule a
//! `RULE_ERROR`, so that every order has a verdict. The event's timestamp is the time of judging: a replay of the log gives
//! the same verdicts with later timestamps.

use crate::window::OrderWindow;
use chrono::{DateTime, Utc};
use dojo_contract::{AuditAction, AuditEvent, FraudAlert, Order, Source, WindowStats, time};
use dojo_rules::{FraudFacts, OrderFacts, RuleError};
use std::sync::Arc;

/// The longest reason on `audit`, in characters. `dojo-rules` bounds the texts of alerts.
const REASON_MAX_CHARS: usize = 1_000;

/// Returns what the rule gets about an order that was placed at `time`. The window is asked while the rule runs.
pub fn facts(order: &Order, time: i64, stats: WindowStats, window: Arc<OrderWindow>) -> FraudFacts {
    let mut facts = OrderFacts::from(order);
    // From the timestamp of the record, as in the windows.
    if let Some(placed) = time::from_kafka(time) {
        facts.placed = placed.into();
    }
    FraudFacts { order: facts, window: stats, history: window }
}

/// Returns the event about `order`, for which the rule gave `answer` with the counts `window`. The caller adds the instance
/// and the record.
pub fn event(
    order: &Order,
    window: WindowStats,
    answer: Result<Vec<FraudAlert>, RuleError>,
    now: DateTime<Utc>,
) -> AuditEvent {
    let action = match &answer {
        Ok(alerts) if alerts.is_empty() => AuditAction::FraudCheckPassed,
        Ok(_) => AuditAction::FraudAlert,
        Err(_) => AuditAction::RuleError,
    };
    let mut event = AuditEvent::new(Source::FraudService, action, order.id, now);
    event.customer_name = Some(order.customer_name.clone());
    event.window_stats = Some(window);
    match answer {
        Ok(alerts) if alerts.is_empty() => {}
        Ok(alerts) => event.alerts = Some(alerts),
        Err(error) => event.reason = Some(format!("{:.REASON_MAX_CHARS$}", error.to_string())),
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::{Placed, Windows};
    use dojo_contract::{OrderStatus, Severity};
    use dojo_rules::{FraudRule, Rule};
    use rust_decimal::Decimal;
    use uuid::Uuid;

    const WINDOW: WindowStats =
        WindowStats { customer_orders_in_window: 6, global_orders_in_window: 9, partial: false };

    fn order() -> Order {
        Order {
            id: Uuid::from_u128(1),
            customer_name: "Ada".into(),
            item: "Pizza".into(),
            quantity: 2,
            price: Decimal::new(6_000, 2),
            status: OrderStatus::Created,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    fn event_of(answer: Result<Vec<FraudAlert>, RuleError>) -> AuditEvent {
        event(&order(), WINDOW, answer, DateTime::UNIX_EPOCH)
    }

    fn judged_by(source: &str) -> AuditEvent {
        let rule = FraudRule::compile("rules/fraud.rhai", source).unwrap();
        let windows = Windows::default();
        let window = Arc::new(windows.count(Placed::of(&order(), 0), 0));
        event_of(rule.judge(facts(&order(), 0, WINDOW, window)))
    }

    #[test]
    fn no_alert_is_a_check_passed() {
        let event = judged_by("[]");
        assert_eq!(
            (event.action, event.alerts, event.window_stats),
            (AuditAction::FraudCheckPassed, None, Some(WINDOW))
        );
    }

    #[test]
    fn the_built_in_rule_gives_types_and_severities() {
        let event = judged_by(FraudRule::BUILT_IN);
        assert_eq!(event.action, AuditAction::FraudAlert);
        let alerts: Vec<_> = event.alerts.iter().flatten().map(|a| (a.kind.as_str(), a.severity)).collect();
        assert_eq!(alerts, [("VELOCITY", Severity::High), ("AMOUNT", Severity::Low)]);
    }

    #[test]
    fn an_error_of_the_rule_takes_the_place_of_the_verdict() {
        let event = judged_by("if window.customerOrdersInWindow == 6 { [][7] } else { [] }");
        assert_eq!((event.action, event.alerts.is_none()), (AuditAction::RuleError, true));
        assert!(event.reason.unwrap().contains("rules/fraud.rhai"));
    }

    #[test]
    fn a_long_line_of_the_rule_leaves_room_for_place_message_and_correction() {
        let long = "x".repeat(3_000);
        let event = judged_by(&format!(
            "fn big(a, b) {{ /* {long} */ a > b /* {long} */ }} \
             if window.customerOrdersInWindow == 6 {{ big(order.total, \"1\"); }} []"
        ));
        let reason = event.reason.unwrap();
        assert!(
            reason.starts_with("rules/fraud.rhai:1:3025: `>` compares a decimal number with a text\n"),
            "{reason}"
        );
        assert!(reason.ends_with("`x.to_string()` makes a text of a value"), "{reason}");

        let event = judged_by(&format!(
            "if window.customerOrdersInWindow == 6 {{ [alert(\"A\", \"{long}\", \"\")] }} else {{ [] }} // {long}"
        ));
        let reason = event.reason.unwrap();
        assert!(
            reason.starts_with("rules/fraud.rhai:1:42: alert(type, severity, reason): write \"HIGH\""),
            "{reason}"
        );
        assert!(reason.contains("\n1 | ") && reason.ends_with('^'), "{reason}");
    }
}
