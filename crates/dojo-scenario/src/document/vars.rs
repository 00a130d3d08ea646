//! The member `vars`.

use crate::language::{Context, Definitions, Node, Read};
use serde_json::json;

/// The variables of a file. They are read before everything else, so this has no values.
#[derive(Debug, Clone, Default)]
pub struct Vars;

impl Read for Vars {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        context.members(node, "variables such as { customer: Ada }").map(|_| Self)
    }

    fn schema(_: &mut Definitions) -> serde_json::Value {
        let value = json!({"type": ["string", "number", "boolean"]});
        let name = json!({"pattern": "^[A-Za-z][A-Za-z0-9_-]*$"});
        json!({"type": "object", "propertyNames": name, "additionalProperties": value})
    }
}
