//! The three kinds of event about an order, which are the lesson.

use crate::{FieldError, Order, time};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;
use uuid::Uuid;

/// As much of a parser's complaint as is kept: it quotes the value, which may be a megabyte.
const WHY_MAX_CHARS: usize = 200;

/// What happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
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

/// A record of the topic `orders`. A retry or a redrive is the same event again; only its headers tell them apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderEvent {
    /// What happened.
    pub action: OrderAction,
    /// The order after it happened.
    pub order: Order,
    /// When it happened; the Kafka record's timestamp is the same.
    #[serde(with = "time")]
    pub timestamp: DateTime<Utc>,
}

impl OrderEvent {
    /// Reads the value of a record of `orders`, which any producer may have written. The names in it are normalized.
    ///
    /// # Errors
    /// The value isn't an order event, or the API would refuse its order.
    pub fn read(value: Option<&[u8]>) -> Result<Self, Unreadable> {
        let value = value.ok_or(Unreadable::NoValue)?;
        // A derived `Deserialize` would take an array of the fields, too.
        if value.trim_ascii_start().first() != Some(&b'{') {
            return Err(Unreadable::NoEvent("it isn't a JSON object".to_owned()));
        }
        let event: Self = serde_json::from_slice(value)
            .map_err(|error| Unreadable::NoEvent(format!("{:.WHY_MAX_CHARS$}", error.to_string())))?;
        let order = event.order.validated().map_err(Unreadable::Order)?;
        Ok(Self { order, ..event })
    }
}

/// Why a record of `orders` can't be read. The notification service sends it to `orders-dlq` as it came, with this text in
/// its headers; every other reader logs, counts and skips it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The value is null.
    #[error("the record has no value")]
    NoValue,
    /// The value isn't an event.
    #[error("the value isn't an order event: {0}")]
    NoEvent(String),
    /// The order breaks limits that the API keeps.
    #[error("the order breaks a limit: {}", .0.iter().map(FieldError::to_string).collect::<Vec<_>>().join("; "))]
    Order(Vec<FieldError>),
}

/// The service that sent an audit event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Source {
    OrderService,
    NotificationService,
    FraudService,
}

/// What an audit event reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
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
    /// Delivery failed; the event was sent to `orders` once more.
    Retry,
    /// Delivery failed for the last time; the event is on the dead-letter topic.
    Dlq,
    /// At least one fraud alert.
    FraudAlert,
    /// No fraud alert.
    FraudCheckPassed,
    /// A dead letter was sent back to `orders`.
    Redriven,
    /// Delivery failed for the last time, and the event was dropped because the settings say so.
    Dropped,
    /// The rule itself failed, so there is no verdict.
    RuleError,
}

/// A record of the topic `audit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// The service that sent the event.
    pub source: Source,
    /// What happened.
    pub action: AuditAction,
    /// The order to which it happened.
    pub order_id: Uuid,
    /// When it happened.
    #[serde(with = "time")]
    pub timestamp: DateTime<Utc>,
    /// The instance of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// The order's customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// How often the event had been retried when this happened; with `RETRY`, including the retry that begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_count: Option<u32>,
    /// Alerts of the fraud rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Vec<FraudAlert>>,
    /// The counts that the fraud rule was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_stats: Option<WindowStats>,
    /// Why it happened, for a person.
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
    /// Returns an event with the fields that every audit event has; the caller sets the others.
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

/// How bad a fraud alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Worth a look.
    Low,
    /// Suspicious.
    Medium,
    /// Almost certainly fraud.
    High,
}

impl Severity {
    /// Every severity, the worst first.
    pub const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    /// The name on the wire and in rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }

    /// Returns the severity that is called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }
}

/// One suspicion about one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FraudAlert {
    /// `VELOCITY`, `BURST`, `AMOUNT`, or another type that a rule invents. 1 to 64 characters.
    #[serde(rename = "type")]
    pub kind: String,
    /// Why the rule raised it, for a person; at most 1,000 characters.
    pub reason: String,
    /// How bad it is.
    pub severity: Severity,
}

impl FraudAlert {
    /// Longest [`FraudAlert::kind`], in characters.
    pub const MAX_KIND: usize = 64;
    /// Longest [`FraudAlert::reason`], in characters.
    pub const MAX_REASON: usize = 1_000;
}

impl fmt::Display for FraudAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.severity.name(), self.kind, self.reason)
    }
}

/// What the fraud window held when an order was judged; both count the order at hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowStats {
    /// Orders of this order's customer.
    pub customer_orders_in_window: u64,
    /// Orders of all customers.
    pub global_orders_in_window: u64,
    /// Whether orders may be missing in these counts or in what the rule asked: some partitions of `orders` belonged to another
    /// member of the group, or the rule asked about orders that fraud detection doesn't hold (any more).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// A record of the topic `orders-dlq`. An unreadable record of `orders` is there byte for byte as it came, with the reason in its
/// headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DlqEvent {
    /// The action of the event that could not be delivered.
    pub action: OrderAction,
    /// The event's order.
    pub order: Order,
    /// Why delivery failed, for a person.
    pub reason: String,
    /// The instance that gave up.
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

    fn read(order: &str) -> Result<OrderEvent, Unreadable> {
        let order = format!(
            r#"{{"id":"00000000-0000-0000-0000-000000000001","status":"created",{order},
            "createdAt":"2026-01-31T09:30:00.000Z"}}"#
        );
        let event =
            format!(r#"{{"action":"created","timestamp":"2026-01-31T09:30:00.000Z","order":{order}}}"#);
        OrderEvent::read(Some(event.as_bytes()))
    }

    #[test]
    fn a_name_in_an_event_is_normalized_whoever_wrote_it() {
        let event = read(r#""customerName":" Jose\u0301 ","item":"Pizza","quantity":1,"price":9.5"#).unwrap();
        assert_eq!(event.order.customer_name, "Jos\u{e9}");
    }

    #[test]
    fn an_event_with_an_order_that_the_api_would_refuse_is_unreadable() {
        for (order, why) in [
            (r#""customerName":"Ada","item":"Pizza","quantity":-5,"price":9.5"#, "quantity is -5"),
            (r#""customerName":"Ada","item":"\u200b","quantity":1,"price":9.5"#, "item has no visible"),
            (r#""customerName":"Ada","item":"Pizza","quantity":1,"price":9.999"#, "price is 9.999"),
            (r#""customerName":"Ada","item":"Pizza","quantity":1,"price":1e400"#, "isn't an order event"),
        ] {
            let said = read(order).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        }
        let long = "x".repeat(500_000);
        let said = read(&format!(r#""customerName":"{long}","item":"Pizza","quantity":1,"price":9.5"#));
        assert!(said.unwrap_err().to_string().len() < 300);
    }

    #[test]
    fn what_is_no_event_says_why() {
        let array = r#"["created", {}, "2026-01-01T00:00:00Z"]"#;
        let long = format!(r#"{{"action":"{}"}}"#, "x".repeat(900_000));
        for (value, why) in [
            (None, "no value"),
            (Some(&b"no json"[..]), "isn't a JSON object"),
            (Some(b""), "isn't a JSON object"),
            (Some(b"{\xff}"), "isn't an order event"),
            (Some(b"{}"), "missing field"),
            (Some(array.as_bytes()), "isn't a JSON object"),
            (Some(long.as_bytes()), "unknown variant"),
        ] {
            let said = OrderEvent::read(value).unwrap_err().to_string();
            assert!(said.contains(why) && said.len() < 300, "{said}");
        }
    }

    #[test]
    fn unknown_fields_are_ignored_on_read() {
        let json = r#"{"source":"order-service","action":"created","orderId":"00000000-0000-0000-0000-000000000001",
            "timestamp":"2026-01-01T00:00:00Z","tomorrow":{"a":1.5}}"#;
        let event: AuditEvent = serde_json::from_str(json).unwrap();
        assert_eq!(event.action, AuditAction::Created);
    }
}
