//! The common part of all rules: a file, a copy of it in the program, and a compiler.

use crate::{FraudRule, NotificationRule, RuleError, live};

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

    /// Returns the name of the rule's file in the rules folder.
    pub fn file(self) -> &'static str {
        match self {
            Self::Fraud => FraudRule::FILE,
            Self::Notification => NotificationRule::FILE,
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

/// A rule that is compiled from source. Each rule has its own method to evaluate it:
/// [`FraudRule::judge`](crate::FraudRule::judge) and [`NotificationRule::deliver`](crate::NotificationRule::deliver).
pub trait Rule: Sized + Send + Sync + 'static {
    /// The file's name in the rules folder.
    const FILE: &'static str;

    /// The rule in the program: the file with that name in the repository's `rules` folder.
    const BUILT_IN: &'static str;

    /// Compiles `source` and runs it on sample facts, so that a mistake shows when the file is saved and not with the next
    /// order. Errors name `file`.
    ///
    /// # Errors
    /// The first mistake: syntax, an unknown name, a wrong type, or a limit of the sandbox.
    fn compile(file: &str, source: &str) -> Result<Self, RuleError>;

    /// Compiles [`Rule::BUILT_IN`].
    fn built_in() -> Self {
        match Self::compile(&format!("built-in {}", Self::FILE), Self::BUILT_IN) {
            Ok(rule) => rule,
            // The source is a constant, and a test compiles it.
            Err(error) => unreachable!("{error}"),
        }
    }
}
