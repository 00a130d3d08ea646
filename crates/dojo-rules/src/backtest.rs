//! The report of a backtest: how the verdicts on the recorded orders would change with another rule. The command line prints
//! it, and the page shows it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// How the verdicts on the recorded orders change with a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BacktestReport {
    /// The rule's file.
    pub rule: String,
    /// The rule's version.
    pub version: String,
    /// The first event time that was compared; null: from the start of the log.
    #[schema(required)]
    pub since: Option<DateTime<Utc>>,
    /// Whether this very version has judged orders in the span whose windows were complete, so that only those were compared.
    pub is_replay: bool,
    /// Orders on the log in the span.
    pub orders: u64,
    /// Of these, the orders that were compared.
    pub compared: u64,
    /// Orders that had no verdict yet.
    pub unjudged: u64,
    /// Orders whose windows lacked orders, at the time or in the backtest.
    pub partial: u64,
    /// In a replay, orders that another version of the rule judged.
    pub other_versions: u64,
    /// Orders that get or lose an alert, summed over the types.
    pub changes: u64,
    /// What changes, by the type of alert.
    pub alerts: Vec<BacktestAlerts>,
    /// How long the backtest took, in milliseconds.
    pub millis: u64,
}

impl BacktestReport {
    /// Returns why no order was compared; `None` if one was.
    pub fn nothing_compared(&self) -> Option<String> {
        let Self { orders, compared, unjudged, partial, .. } = self;
        match (compared, orders) {
            (1.., _) => None,
            (0, 0) => Some("no order was compared: the span has none".to_owned()),
            (0, _) => Some(format!(
                "no order was compared (orders: {orders}; without a verdict yet: {unjudged}; with partial windows: {partial})"
            )),
        }
    }
}

/// How one type of alert changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BacktestAlerts {
    /// The type of alert; `RULE_ERROR` for orders on which the rule fails.
    #[serde(rename = "type")]
    pub kind: String,
    /// Orders that had it at the time.
    pub before: u64,
    /// Orders that have it now.
    pub after: u64,
    /// Orders that get it.
    pub added: u64,
    /// Orders that lose it.
    pub removed: u64,
    /// The first orders that get or lose it; at most 20.
    pub examples: Vec<BacktestExample>,
}

/// An order that gets or loses an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BacktestExample {
    /// The order's id.
    pub order_id: Uuid,
    /// Its customer.
    pub customer_name: String,
    /// Whether it gets or loses the alert.
    pub change: AlertChange,
    /// Partition of its record.
    pub partition: i32,
    /// Offset of its record.
    pub offset: i64,
}

/// What happens to an order's alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertChange {
    /// The order gets it.
    Added,
    /// The order loses it.
    Removed,
}
