//! What every rule has in common: a file, a copy of it built into the program, and a compiler that may say no.

use crate::RuleError;

/// A rule that can be compiled from source. Evaluating it is each rule's own affair: see
/// [`FraudRule::judge`](crate::FraudRule::judge) and [`NotificationRule::deliver`](crate::NotificationRule::deliver).
pub trait Rule: Sized + Send + Sync + 'static {
    /// The file's name in the rules folder.
    const FILE: &'static str;

    /// The rule as it ships: the very file of that name in the repository's `rules` folder.
    const BUILT_IN: &'static str;

    /// Compiles `source` and tries it on sample facts, so that a mistake shows when the file is saved and not with the
    /// next order. `file` is what errors call the source.
    ///
    /// # Errors
    /// The first mistake found: syntax, an unknown name, a wrong type, a limit of the sandbox.
    fn compile(file: &str, source: &str) -> Result<Self, RuleError>;

    /// Compiles [`Rule::BUILT_IN`].
    fn built_in() -> Self {
        match Self::compile(&format!("built-in {}", Self::FILE), Self::BUILT_IN) {
            Ok(rule) => rule,
            // Whether it compiles depends on nothing but a constant, and a test compiles that.
            Err(error) => unreachable!("{error}"),
        }
    }
}
