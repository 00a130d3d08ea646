//! Rules in rhai: compile, watch, evaluate in a sandbox, keep the last good version.
//!
//! A rule is a file that participants edit while the dojo runs. This crate takes plain facts about an order and returns a
//! decision. It knows neither Kafka nor HTTP, and no other crate knows rhai.
//!
//! - [`FraudRule`] and [`NotificationRule`] are the two rules: source in, decisions out.
//! - [`LiveRule`] follows a rule's file: a saved rule is in force within half a second, and a broken one never is.
//! - [`EditedFile`] reads a file that a person may be saving at that moment, within a limit.
//!
//! A caller may rely on this: a decision follows from the source, the facts and the seed alone; every evaluation ends, in
//! bounded time and memory; and every mistake in a rule is a [`RuleError`] with its file, line and column.
//!
//! ```
//! use dojo_rules::{FraudRule, Rule};
//!
//! let rule = FraudRule::compile("fraud.rhai", r#"if order.total > 100 { [alert("AMOUNT", "LOW", "a lot")] } else { [] }"#)?;
//! assert_eq!(rule.longest_span(), 0);
//! # Ok::<(), dojo_rules::RuleError>(())
//! ```

mod backtest;
mod config;
mod facts;
mod rule;

mod fraud;
mod kind;
mod notification;

mod comparisons;
mod error;
mod history;
mod names;
#[cfg(test)]
mod reference;
mod sandbox;
mod script;
mod tokens;
mod traps;
mod types;
mod values;
mod vocabulary;

mod edited_file;
mod live;
mod watch;

pub use backtest::{AlertChange, BacktestAlerts, BacktestExample, BacktestReport};
pub use config::RulesConfig;
pub use dojo_excerpt::SourceLine;
pub use edited_file::{EditedFile, FileError, Reading, utf8_text};
pub use error::{RuleError, RuleErrorKind};
pub use facts::{
    AttemptFacts, Delivery, EarlierOrder, FraudFacts, MAX_EARLIER_ORDERS, MAX_SPAN, NotificationFacts,
    OrderFacts, OrderHistory, OrdersOf, SettingsFacts, TimeOfDay,
};
pub use fraud::FraudRule;
pub use kind::RuleKind;
pub use live::{InForce, LiveRule, Version, read_rule, version};
pub use notification::NotificationRule;
pub use rule::Rule;
pub use sandbox::MAX_SOURCE;
pub use watch::{UnknownWatchMode, WatchMode};
