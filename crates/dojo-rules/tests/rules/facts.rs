//! Facts for tests: an everyday order, and shortcuts to a rule's answer.

use dojo_contract::{FraudAlert, OnExhausted, WindowStats};
use dojo_rules::{
    AttemptFacts, Delivery, EarlierOrder, FraudFacts, FraudRule, NotificationFacts, NotificationRule,
    OrderFacts, OrderHistory, OrdersOf, Rule, RuleError, SettingsFacts, TimeOfDay,
};
use rust_decimal::Decimal;
use std::sync::Arc;

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
        placed: TimeOfDay { hour: 23, minute: 5, second: 59 },
    }
}

pub fn window(customer: u64, global: u64) -> WindowStats {
    WindowStats { customer_orders_in_window: customer, global_orders_in_window: global, partial: false }
}

/// A customer with an earlier order for each 100 seconds of a span, and four times as many of everyone, each of $10.
pub struct History;

impl OrderHistory for History {
    fn orders(&self, of: OrdersOf, span: u32) -> u64 {
        let customer = 1 + u64::from(span / 100);
        if of == OrdersOf::Customer { customer } else { 4 * customer }
    }

    fn total(&self, of: OrdersOf, span: u32) -> Decimal {
        Decimal::TEN * Decimal::from(self.orders(of, span))
    }

    fn recent(&self, span: u32) -> Vec<EarlierOrder> {
        let earlier = |n: u32| EarlierOrder {
            item: "Pizza Funghi".into(),
            quantity: i64::from(n),
            total: Decimal::TEN,
            seconds_ago: n * 100,
        };
        (1..=span / 100).map(earlier).collect()
    }
}

pub fn fraud_facts(order: OrderFacts, window: WindowStats) -> FraudFacts {
    FraudFacts { order, window, history: Arc::new(History) }
}

/// A second attempt of notification-2 to notify the customer of `order`.
pub fn attempt(order: OrderFacts, fail_rate: &str) -> NotificationFacts {
    NotificationFacts {
        order,
        attempt: AttemptFacts {
            action: "created".to_owned(),
            retry_count: 1,
            instance_id: "notification-2".to_owned(),
            at: TimeOfDay { hour: 0, minute: 6, second: 7 },
        },
        settings: SettingsFacts {
            fail_rate: fail_rate.parse().unwrap(),
            max_retries: 2,
            on_exhausted: OnExhausted::DeadLetter,
            delivery_millis: 0,
        },
    }
}

/// Judges an everyday order by `source`.
pub fn judge(source: &str) -> Result<Vec<FraudAlert>, RuleError> {
    FraudRule::compile("fraud.rhai", source)?.judge(fraud_facts(order(2, "9.50"), window(3, 7)))
}

/// Delivers an everyday order by `source`.
pub fn deliver(source: &str) -> Result<Delivery, RuleError> {
    NotificationRule::compile("notification.rhai", source)?.deliver(attempt(order(2, "9.50"), "0.3"), 7)
}

/// Whether `expression` holds for an everyday order.
pub fn holds(expression: &str) -> bool {
    !judge(&format!(r#"if {expression} {{ [alert("YES", "LOW", "")] }} else {{ [] }}"#)).unwrap().is_empty()
}
