//! What a run has changed and what was there before, so that it can be put back.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Something that a run has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RunChange {
    /// A value on `dojo-settings`.
    Setting(SettingChange),
    /// The file of a rule.
    Rule(RuleChange),
}

/// A change of a value on `dojo-settings`: of a setting, or of what an instance is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingChange {
    /// Key of the record.
    pub key: String,
    /// The value before the run changed it; null: the topic had none.
    #[schema(required)]
    pub before: Option<Value>,
    /// The values that count as the run's own: the one that it set last, after the one that it had set before, which is still
    /// there if the last change failed. Null: it removed the value.
    pub set: Vec<Value>,
}

/// A change of a rule's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleChange {
    /// Name of the rule.
    pub rule: String,
    /// Text of the file before the run changed it; null: there was no file.
    #[schema(required)]
    pub before: Option<String>,
    /// The `ETag`s of the files that count as the run's own: the one that it saved last, after the one that it had saved before.
    pub set: Vec<String>,
}
