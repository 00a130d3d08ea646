//! The backtest of a draft: a function that the program passes in, because reading and judging the log is the work of
//! another crate.

use dojo_rules::BacktestReport;
use futures::future::BoxFuture;
use std::{sync::Arc, time::Duration};

/// Judges recorded orders again with a draft, and compares the verdicts with those on the log. It joins no consumer group and
/// writes nothing. Dropping the future ends it. An error is a sentence for a person.
pub type Backtest =
    Arc<dyn Fn(BacktestRequest) -> BoxFuture<'static, Result<BacktestReport, String>> + Send + Sync>;

/// A draft of the fraud rule to judge recorded orders with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacktestRequest {
    /// Path of the rule's file, for the report.
    pub file: String,
    /// Source of the draft, as its file would have it. It compiles as a fraud rule.
    pub source: String,
    /// How far to go back from now.
    pub since: Duration,
}
