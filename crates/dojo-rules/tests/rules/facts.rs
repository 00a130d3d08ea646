//! Facts for tests: an everyday order, and shortcuts to a rule's answer.

use dojo_contract::{FraudAlert, WindowStats};
use dojo_rules::{Delivery, DeliveryFacts, FraudRule, NotificationRule, OrderFacts, Rule, RuleError};
use rust_decimal::Decimal;

pub fn order(quantity: i64, price: &str) -> OrderFacts {
    let price: Decimal = price.parse().unwrap();
    OrderFacts {
        id: "0192f0c1-2b3c-7d4e-8f50-617283940a1b".to_owned(),
        customer_name: "Grace".to_owned(),
        item: "Pizza Funghi".to_owned(),
        quantity,
        price,
        total: Decimal::from(quantity) * price,
        status: "created".to_owned(),
    }
}

pub fn window(customer: u64, global: u64) -> WindowStats {
    WindowStats { customer_orders_in_window: customer, global_orders_in_window: global, partial: false }
}

pub fn delivery(fail_rate: &str) -> DeliveryFacts {
    DeliveryFacts {
        action: "created".to_owned(),
        retry_count: 1,
        fail_rate: fail_rate.parse().unwrap(),
        instance_id: "notification-2".to_owned(),
    }
}

/// Judges an everyday order by `source`.
pub fn judge(source: &str) -> Result<Vec<FraudAlert>, RuleError> {
    FraudRule::compile("fraud.rhai", source)?.judge(&order(2, "9.50"), &window(3, 7))
}

/// Delivers an everyday order by `source`.
pub fn deliver(source: &str) -> Result<Delivery, RuleError> {
    NotificationRule::compile("notification.rhai", source)?.deliver(&order(2, "9.50"), &delivery("0.3"), 7)
}

/// Whether `expression` holds for an everyday order.
pub fn holds(expression: &str) -> bool {
    !judge(&format!(r#"if {expression} {{ [alert("YES", "LOW", "")] }} else {{ [] }}"#)).unwrap().is_empty()
}
