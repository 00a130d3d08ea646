//! What is said about an order: the three kinds of event that are the lesson.

use crate::{Order, time};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum OrderAction {
    Created,
    Updated,
    Deleted,
}

impl OrderAction {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

impl From<OrderAction> for AuditAction {
    fn from(action: OrderAction) -> Self {
        match action {
            OrderAction::Created => Self::Created,
            OrderAction::Updated => Self::Updated,
            OrderAction::Deleted => Self::Deleted,
        }
    }
}

/// A record of the topic `orders`. A retry or a redrive is the same event again, told apart by
/// [headers](crate::header) alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderEvent {
    /// What happened.
    pub action: OrderAction,
    /// The order after it happened.
    pub order: Order,
    /// When; the Kafka record's timestamp is the same.
    #[serde(with = "time")]
    pub timestamp: DateTime<Utc>,
}

/// Which service speaks in an [`AuditEvent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Source {
    OrderService,
    NotificationService,
    FraudService,
}

/// What an [`AuditEvent`] reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuditAction {
    /// An order was accepted.
    #[serde(rename = "created")]
    Created,
    /// An order was changed.
    #[serde(rename = "updated")]
    Updated,
    /// An order was deleted.
    #[serde(rename = "deleted")]
    Deleted,
    /// The notification was delivered.
    Notified,
    /// Delivery failed; the event goes round once more.
    Retry,
    /// Delivery failed for the last time; the event is on the dead-letter topic.
    Dlq,
    /// At least one fraud alert.
    FraudAlert,
    /// No fraud alert.
    FraudCheckPassed,
    /// A dead letter was sent back to `orders`.
    Redriven,
    /// Delivery failed for the last time and the event was thrown away, because the settings say so.
    Dropped,
    /// The rule itself failed, so there is no verdict.
    RuleError,
}

/// A record of the topic `audit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// Who says it.
    pub source: Source,
    /// What happened.
    pub action: AuditAction,
    /// To which order.
    pub order_id: Uuid,
    /// When it happened.
    #[serde(with = "time")]
    pub timestamp: DateTime<Utc>,
    /// Which instance of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// Whose order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// How often the event had been retried when this happened; after `RETRY`, the retry just begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_count: Option<u32>,
    /// What the fraud rule found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Vec<FraudAlert>>,
    /// What the fraud rule saw of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_stats: Option<WindowStats>,
    /// Why, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The version of the rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_version: Option<String>,
    /// Partition of the record of `orders` that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// Offset of the record of `orders` that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
}

impl AuditEvent {
    /// An event with the fields that every audit event has; set the others on it.
    pub fn new(source: Source, action: AuditAction, order_id: Uuid, timestamp: DateTime<Utc>) -> Self {
        Self {
            source,
            action,
            order_id,
            timestamp: time::to_millis(timestamp),
            instance_id: None,
            customer_name: None,
            retry_count: None,
            alerts: None,
            window_stats: None,
            reason: None,
            rule_version: None,
            partition: None,
            offset: None,
        }
    }
}

/// How much a person should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Severity {
    Low,
    Medium,
    High,
}

/// One suspicion about one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FraudAlert {
    /// `VELOCITY`, `BURST`, `AMOUNT`, or whatever a rule invents.
    #[serde(rename = "type")]
    pub kind: String,
    /// Why, for a person.
    pub reason: String,
    /// How bad.
    pub severity: Severity,
}

/// What the fraud window held when an order was judged; both count the order at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowStats {
    /// Orders of this order's customer.
    pub customer_orders_in_window: u64,
    /// Orders of everybody.
    pub global_orders_in_window: u64,
    /// Whether some partitions of `orders` belonged to another member of the group, so that their orders are missing
    /// in both counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// A record of the topic `orders-dlq`. An unreadable record of `orders` is there instead byte for byte as it came,
/// with the reason in its [headers](crate::header).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DlqEvent {
    /// The action of the event that could not be delivered.
    pub action: OrderAction,
    /// Its order.
    pub order: Order,
    /// Why delivery failed, for a person.
    pub reason: String,
    /// Which instance gave up.
    pub instance_id: String,
    /// When it gave up.
    #[serde(with = "time")]
    pub timestamp: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_audit_event_reads_as_the_contract_says() {
        let mut event =
            AuditEvent::new(Source::FraudService, AuditAction::FraudAlert, Uuid::nil(), DateTime::UNIX_EPOCH);
        event.alerts = Some(vec![FraudAlert {
            kind: "VELOCITY".into(),
            reason: "6 orders".into(),
            severity: Severity::High,
        }]);
        event.window_stats =
            Some(WindowStats { customer_orders_in_window: 6, global_orders_in_window: 9, partial: false });
        assert_eq!(
            serde_json::to_value(&event).unwrap(),
            json!({
                "source": "fraud-service", "action": "FRAUD_ALERT",
                "orderId": "00000000-0000-0000-0000-000000000000", "timestamp": "1970-01-01T00:00:00.000Z",
                "alerts": [{"type": "VELOCITY", "reason": "6 orders", "severity": "HIGH"}],
                "windowStats": {"customerOrdersInWindow": 6, "globalOrdersInWindow": 9},
            })
        );
    }

    #[test]
    fn order_actions_are_lower_case_and_verdicts_upper_case() {
        let names =
            [AuditAction::Created, AuditAction::Notified, AuditAction::Dlq, AuditAction::FraudCheckPassed]
                .map(|a| serde_json::to_value(a).unwrap());
        assert_eq!(names, [json!("created"), json!("NOTIFIED"), json!("DLQ"), json!("FRAUD_CHECK_PASSED")]);
    }

    #[test]
    fn unknown_fields_are_ignored_on_read() {
        let json = r#"{"source":"order-service","action":"created","orderId":"00000000-0000-0000-0000-000000000001",
            "timestamp":"2026-01-01T00:00:00Z","tomorrow":{"a":1.5}}"#;
        let event: AuditEvent = serde_json::from_str(json).unwrap();
        assert_eq!(event.action, AuditAction::Created);
    }
}
