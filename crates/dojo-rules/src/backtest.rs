//! The report of a backtest: what a draft of the fraud rule would change about the recorded orders.

use chrono::{DateTime, Utc};
use dojo_contract::time;
use serde::Serialize;
use utoipa::ToSchema;

/// What a rule would have said about the recorded orders, compared with what was said at the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BacktestReport {
    /// Path of the rule's file.
    pub rule: String,
    /// Version of the rule that judged again.
    pub version: String,
    /// Start of the span.
    #[serde(with = "time")]
    pub since: DateTime<Utc>,
    /// New orders in the span.
    pub orders: u64,
    /// Those of them whose verdict was compared.
    pub compared: u64,
    /// The types of alerts, each with what would change.
    pub alerts: Vec<BacktestAlerts>,
    /// Alerts that moved from one order of a customer to another, because the orders overtook one another. They aren't changes.
    pub swaps: u64,
    /// Orders that aren't compared, because their verdict was reached without some partition or some of the earlier orders.
    pub partial: u64,
    /// Orders that aren't compared, because another version of the rule judged them than the one that judged the newest order.
    pub other_versions: u64,
    /// Orders without a verdict.
    pub unjudged: u64,
    /// Alerts that would be added or removed.
    pub changes: u64,
    /// How long the backtest took.
    pub millis: u64,
}

/// What would change about the alerts of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BacktestAlerts {
    /// Type of the alerts, such as `VELOCITY`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Alerts at the time.
    pub before: u64,
    /// Alerts of the rule that judged again.
    pub after: u64,
    /// Alerts that would be new.
    pub added: u64,
    /// Alerts that would be gone.
    pub removed: u64,
    /// Some of the orders whose alerts would change.
    pub examples: Vec<BacktestExample>,
}

/// An order that would get an alert, or lose one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BacktestExample {
    /// Id of the order.
    pub order_id: String,
    /// The customer's name.
    pub customer_name: String,
    /// What would happen to its alert.
    pub change: AlertChange,
    /// Partition of its record on `orders`.
    pub partition: i32,
    /// Offset of its record on `orders`.
    pub offset: i64,
}

/// What would happen to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertChange {
    /// It would be new.
    Added,
    /// It would be gone.
    Removed,
}
