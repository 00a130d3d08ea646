//! What is said about an order once its windows are counted: the rule's answer as an event for `audit`.
//!
//! Pure. The rule's alerts make a `FRAUD_ALERT`, none of them a `FRAUD_CHECK_PASSED`, and a rule that fails makes a
//! `RULE_ERROR`, so that an order never goes without a word. The event's timestamp is the time of judging: a replay of
//! the log gives the same verdicts, dated when they were given.

use chrono::{DateTime, Utc};
use dojo_contract::{
    AuditAction, AuditEvent, FraudAlert, NAME_MAX_CHARS, Order, Severity, Source, WindowStats,
};
use dojo_rules::{Alert, OrderFacts, RuleError, WindowFacts};

/// Texts on `audit` end here: what a customer is called in a hostile record may be longer than a record of ours can
/// be. Alerts are bounded where they are made, by `dojo-rules`.
const REASON_MAX_CHARS: usize = 1_000;

/// The order as the rule sees it.
pub fn order_facts(order: &Order) -> OrderFacts {
    OrderFacts {
        id: order.id.to_string(),
        customer_name: order.customer_name.clone(),
        item: order.item.clone(),
        quantity: order.quantity,
        price: order.price,
        total: order.total(),
        status: order.status.name().to_owned(),
    }
}

/// The windows as the rule sees them.
pub fn window_facts(window: WindowStats) -> WindowFacts {
    WindowFacts {
        customer_orders_in_window: window.customer_orders_in_window,
        global_orders_in_window: window.global_orders_in_window,
    }
}

/// The event about `order`, of which the rule said `answer` on seeing `window`. Who says it, and about which record,
/// is for the caller to add.
pub fn event(
    order: &Order,
    window: WindowStats,
    answer: Result<Vec<Alert>, RuleError>,
    now: DateTime<Utc>,
) -> AuditEvent {
    let action = match &answer {
        Ok(alerts) if alerts.is_empty() => AuditAction::FraudCheckPassed,
        Ok(_) => AuditAction::FraudAlert,
        Err(_) => AuditAction::RuleError,
    };
    let mut event = AuditEvent::new(Source::FraudService, action, order.id, now);
    event.customer_name = Some(format!("{:.NAME_MAX_CHARS$}", order.customer_name));
    event.window_stats = Some(window);
    match answer {
        Ok(alerts) if alerts.is_empty() => {}
        Ok(alerts) => event.alerts = Some(alerts.into_iter().map(fraud_alert).collect()),
        Err(error) => event.reason = Some(format!("{:.REASON_MAX_CHARS$}", error.to_string())),
    }
    event
}

fn fraud_alert(alert: Alert) -> FraudAlert {
    FraudAlert {
        kind: alert.kind,
        reason: alert.reason,
        severity: match alert.severity {
            dojo_rules::Severity::High => Severity::High,
            dojo_rules::Severity::Medium => Severity::Medium,
            dojo_rules::Severity::Low => Severity::Low,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dojo_contract::OrderStatus;
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

    fn event_of(answer: Result<Vec<Alert>, RuleError>) -> AuditEvent {
        event(&order(), WINDOW, answer, DateTime::UNIX_EPOCH)
    }

    fn judged_by(source: &str) -> AuditEvent {
        let rule = FraudRule::compile("rules/fraud.rhai", source).unwrap();
        event_of(rule.judge(&order_facts(&order()), &window_facts(WINDOW)))
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
    fn the_built_in_rule_says_why_and_how_bad() {
        let event = judged_by(FraudRule::BUILT_IN);
        assert_eq!(event.action, AuditAction::FraudAlert);
        let alerts: Vec<_> = event.alerts.iter().flatten().map(|a| (a.kind.as_str(), a.severity)).collect();
        assert_eq!(alerts, [("VELOCITY", Severity::High), ("AMOUNT", Severity::Low)]);
    }

    #[test]
    fn a_rule_that_fails_says_so_in_place_of_a_verdict() {
        let event = judged_by("if window.customerOrdersInWindow == 6 { [][7] } else { [] }");
        assert_eq!((event.action, event.alerts.is_none()), (AuditAction::RuleError, true));
        assert!(event.reason.unwrap().contains("rules/fraud.rhai"));
    }

    #[test]
    fn no_name_grows_beyond_what_a_record_can_hold() {
        let hostile = Order { customer_name: "ö".repeat(1_000_000), ..order() };
        let event = event(&hostile, WINDOW, Ok(Vec::new()), DateTime::UNIX_EPOCH);
        assert_eq!(event.customer_name, Some("ö".repeat(NAME_MAX_CHARS)));
    }
}
