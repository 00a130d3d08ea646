//! The rules of the dojo by name, for callers that treat them alike: the validator, the API and the command line.

use crate::{FraudRule, NotificationRule, Rule as _, RuleError, live};

/// The rules of the dojo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleKind {
    /// Judges new orders: [`FraudRule`].
    Fraud,
    /// Decides whether a delivery fails: [`NotificationRule`].
    Notification,
}

impl RuleKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Fraud, Self::Notification];

    /// Returns the rule's name: that of its service, and of its file without the ending.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fraud => "fraud",
            Self::Notification => "notification",
        }
    }

    /// Returns the source of the rule in the program.
    pub fn built_in(self) -> &'static str {
        match self {
            Self::Fraud => FraudRule::BUILT_IN,
            Self::Notification => NotificationRule::BUILT_IN,
        }
    }

    /// Checks `source` as a service does before it puts a rule in force, and returns its version. Errors name `file`.
    ///
    /// # Errors
    /// The mistake that keeps the rule from being in force.
    pub fn check(self, file: &str, source: &str) -> Result<String, RuleError> {
        match self {
            Self::Fraud => drop(FraudRule::compile(file, source)?),
            Self::Notification => drop(NotificationRule::compile(file, source)?),
        }
        Ok(live::version(source))
    }
}
