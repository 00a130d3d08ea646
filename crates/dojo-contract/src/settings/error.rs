//! Why a record of `dojo-settings` is skipped.

/// Why a `dojo-settings` record isn't valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum SettingsError {
    #[error("no setting is called `{0}`")]
    UnknownName(String),
    #[error("`{name}` {message}")]
    Value { name: String, message: String },
}
