//! The common part of all rules: a file, a copy of it in the program, and a compiler.

use crate::RuleError;

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
