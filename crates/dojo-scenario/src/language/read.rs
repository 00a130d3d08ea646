//! Reads typed values from nodes, and describes the same types as a JSON Schema.
//!
//! A reader records every mistake below its node and goes on, so that an author sees all of them at once.

use super::{Context, Node, Value, nearest, shortened};
use serde_json::json;
use std::collections::BTreeMap;

/// A type of the language.
pub trait Read: Sized {
    /// Reads a value. Returns `None` after a mistake, which is in `context` then.
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self>;

    /// Returns the JSON Schema of the type. A named type goes into `definitions` and is referred to.
    fn schema(definitions: &mut Definitions) -> serde_json::Value;

    /// Returns the value of a member that isn't there; `None` if the member is required.
    fn absent() -> Option<Self> {
        None
    }
}

/// The named types of a schema.
pub type Definitions = BTreeMap<&'static str, serde_json::Value>;

impl Context<'_> {
    /// Reads a value without recording its mistakes: another reader has recorded them already.
    pub fn peek<T: Read>(&mut self, node: Option<&Node>) -> Option<T> {
        let before = self.mistakes.so_far();
        let value = node.and_then(|node| T::read(node, self));
        self.mistakes.forget_since(before);
        value
    }

    /// Records that a text isn't one of those that are known. `what` describes them.
    pub fn check_known(&mut self, node: Option<&Node>, what: &str, known: &[&str]) {
        let Some((node, text)) = node.and_then(|node| Some((node, self.peek::<String>(Some(node))?))) else {
            return;
        };
        if known.contains(&text.as_str()) {
            return;
        }
        let near = nearest(&text, known.iter().copied());
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let message = format!("`{}` is not {what}{near}", shortened(&text));
        self.mistakes.add(node.at, message).help(format!("known: {}", known.join(", ")));
    }
}

/// Returns a schema that allows a variable in place of the value. A schema of texts allows it already.
pub fn or_variable(schema: serde_json::Value, definitions: &mut Definitions) -> serde_json::Value {
    let is_text = |kind: &serde_json::Value| kind == "string";
    let allows_text = match schema.get("type") {
        Some(serde_json::Value::Array(kinds)) => kinds.iter().any(is_text),
        Some(kind) => is_text(kind),
        None => false,
    };
    if allows_text && schema.get("enum").is_none() {
        return schema;
    }
    let variable = named(
        "Variable",
        definitions,
        |_| json!({"type": "string", "pattern": r"\$\{[^}]+\}", "description": "A variable such as `${count}`, from `vars` or `--var`."}),
    );
    json!({ "anyOf": [schema, variable] })
}

/// Adds a description to a schema.
pub fn described(schema: serde_json::Value, description: &str) -> serde_json::Value {
    let description: Vec<_> =
        description.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut schema = schema;
    if let (serde_json::Value::Object(members), false) = (&mut schema, description.is_empty()) {
        members.insert("description".to_owned(), description.join(" ").into());
    }
    schema
}

/// Returns the schema of a named type, which `make` puts into `definitions` once.
pub fn named(
    name: &'static str,
    definitions: &mut Definitions,
    make: impl FnOnce(&mut Definitions) -> serde_json::Value,
) -> serde_json::Value {
    if !definitions.contains_key(name) {
        // A type that contains itself finds this entry, and refers to it.
        definitions.insert(name, serde_json::Value::Null);
        let schema = make(definitions);
        definitions.insert(name, schema);
    }
    json!({ "$ref": format!("#/$defs/{name}") })
}

impl<T: Read> Read for Option<T> {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        T::read(node, context).map(Some)
    }

    fn schema(definitions: &mut Definitions) -> serde_json::Value {
        T::schema(definitions)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Read> Read for Box<T> {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        T::read(node, context).map(Box::new)
    }

    fn schema(definitions: &mut Definitions) -> serde_json::Value {
        T::schema(definitions)
    }

    fn absent() -> Option<Self> {
        T::absent().map(Box::new)
    }
}

/// A list. Every mistake in it is recorded.
impl<T: Read> Read for Vec<T> {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        let Value::List(items) = &node.value else { return context.expected(node, "a list") };
        let read: Vec<_> = items.iter().map(|item| T::read(item, context)).collect();
        read.into_iter().collect()
    }

    fn schema(definitions: &mut Definitions) -> serde_json::Value {
        json!({ "type": "array", "items": T::schema(definitions) })
    }
}
