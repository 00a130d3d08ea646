//! Reads the members of a JSON body. An error names every wrong member at once.

use dojo_contract::FieldError;
use serde_json::{Map, Value};

/// How much of a name or a value an error repeats.
const SHOWN_CHARS: usize = 40;
/// The highest number of a step or a question.
pub(crate) const MAX_NUMBER: u64 = 1_000_000;

/// The members of a body, and what is wrong with them.
pub(crate) struct Fields<'a> {
    members: &'a Map<String, Value>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Begins to read a body, which may have no members but the `known` ones.
    pub(crate) fn of(body: &'a Value, known: &[&str]) -> Result<Self, Vec<FieldError>> {
        let Value::Object(members) = body else {
            return Err(vec![FieldError::new("", "the body isn't a JSON object")]);
        };
        let unknown = members.keys().filter(|name| !known.contains(&name.as_str()));
        let error = |name: &String| {
            let name: String = name.chars().take(SHOWN_CHARS).collect();
            FieldError::new(name, format!("isn't a field here: give any of {}", known.join(", ")))
        };
        Ok(Self { members, errors: unknown.map(error).collect() })
    }

    /// Reads a member that must be there.
    pub(crate) fn required<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        match self.members.get(name) {
            Some(value) => self.keep(name, read(value)),
            None => self.keep(name, Err("is missing".to_owned())),
        }
    }

    /// Reads a member whose default stands for a missing one.
    pub(crate) fn optional<T: Default>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        self.members.get(name).map_or_else(|| Some(T::default()), |value| self.keep(name, read(value)))
    }

    fn keep<T>(&mut self, name: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|message| self.errors.push(FieldError::new(name, message))).ok()
    }

    /// Returns what was read, or the errors.
    pub(crate) fn read<T>(self, read: impl FnOnce() -> Option<T>) -> Result<T, Vec<FieldError>> {
        if self.errors.is_empty() { read().ok_or(self.errors) } else { Err(self.errors) }
    }
}

/// Reads a text of `least` to `most` characters.
pub(crate) fn text(value: &Value, least: usize, most: usize) -> Result<String, String> {
    let text = value.as_str().ok_or_else(|| format!("is {}: give a text", shown(value)))?;
    let chars = text.chars().count();
    if (least..=most).contains(&chars) {
        return Ok(text.to_owned());
    }
    Err(format!("has {chars} characters: give {least} to {most}"))
}

/// Reads true or false.
pub(crate) fn boolean(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("is {}: give true or false", shown(value)))
}

/// Returns a value as an error shows it.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Reads a whole number from 1 to 1,000,000, such as that of a step.
pub(crate) fn number(value: &Value) -> Result<u32, String> {
    let number = value.as_u64().filter(|number| (1..=MAX_NUMBER).contains(number));
    let number = number.and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| format!("is {}: give a whole number from 1 to {MAX_NUMBER}", shown(value)))
}

/// Reads a whole number that counts something.
pub(crate) fn count(value: &Value) -> Result<u64, String> {
    value.as_u64().ok_or_else(|| format!("is {}: give a whole number from 0", shown(value)))
}
