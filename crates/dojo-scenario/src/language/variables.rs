//! Variables: `${customer}` stands for the value of `customer` in `vars:`, or of `--var customer=…`.
//!
//! Variables are filled in before a value is read, so that they can stand for numbers, rates and durations, too. The
//! placeholders of a run stay: they have a value only while the scenario plays.
//!
//! An included file has its own variables. Those of the file that includes it come first, so the included file's values
//! are defaults.

use super::{Mistakes, Node, Position, Value, nearest, shortened};
use std::collections::{BTreeMap, BTreeSet};

/// Placeholders that a run fills in: the short name of the run, the number of an order in its flood, and the number of a
/// repetition.
pub const PLACEHOLDERS: [&str; 3] = ["run", "n", "i"];

/// Longest value of a variable, in bytes.
const MAX_VALUE: usize = 1_000;
/// Most bytes that variables are filled in for. Otherwise a short text with many variables could become gigabytes.
const MAX_FILLED: usize = 4 * 1024 * 1024;

/// The value of a variable, and where it comes from.
#[derive(Debug, Clone)]
struct Variable {
    value: String,
    at: Position,
}

/// The variables of a scenario and of the files that it includes.
#[derive(Debug, Default)]
pub struct Variables {
    /// Values that the caller gives.
    given: BTreeMap<String, String>,
    /// The variables of each file, from the scenario to the innermost one.
    scopes: Vec<BTreeMap<String, Variable>>,
    /// Every name that a file has, with the value of the outermost file that has it.
    known: BTreeMap<String, String>,
    /// Every name that was filled in.
    used: BTreeSet<String>,
    /// Bytes that were filled in.
    filled: usize,
}

/// A text in which the variables are filled in.
#[derive(Debug, Default)]
pub(super) struct Filled {
    pub(super) text: String,
    /// The variables that it has, with their values.
    pub(super) variables: Vec<(String, String)>,
}

impl Variables {
    /// No variables yet, except that the caller's values replace those of the files.
    pub fn new(given: &BTreeMap<String, String>, mistakes: &mut Mistakes) -> Self {
        for (name, value) in given {
            if let Err(message) = check_value(value) {
                mistakes.add_whole(format!("--var {}: {message}", shortened(name)), "give another value");
            }
        }
        Self { given: given.clone(), ..Self::default() }
    }

    /// Adds the variables of a file, which `root` is.
    pub(super) fn enter(&mut self, root: &Node, mistakes: &mut Mistakes) {
        let vars = root.member("vars").map(|vars| &vars.value);
        let mut scope = BTreeMap::new();
        if let Some(Value::Mapping(members)) = vars {
            for (key, node) in members.iter() {
                let name = key.text.to_string();
                if let Err(message) = check_name(&name) {
                    mistakes.add(key.at, message);
                    continue;
                }
                let scalar = match &node.value {
                    Value::Scalar(scalar) if !scalar.is_null() => scalar,
                    _ => {
                        mistakes.add(node.at, format!("expected a text or a number; found {}", node.kind()));
                        continue;
                    }
                };
                if let Err(message) = check_value(&scalar.text) {
                    mistakes.add(node.at, message);
                }
                let value = self.given.get(&name).cloned().unwrap_or_else(|| scalar.text.to_string());
                self.known.entry(name.clone()).or_insert(value);
                scope.insert(name, Variable { value: scalar.text.to_string(), at: key.at });
            }
        }
        self.scopes.push(scope);
    }

    /// Removes the variables of the innermost file. Records those that the file doesn't use.
    pub(super) fn leave(&mut self, mistakes: &mut Mistakes) {
        for (name, variable) in self.scopes.pop().unwrap_or_default() {
            // A mistake elsewhere can be the reason why a variable isn't used.
            if !self.used.contains(&name) && mistakes.is_empty() {
                mistakes
                    .add(variable.at, format!("the variable `{name}` isn't used"))
                    .help(format!("write `${{{name}}}` where its value belongs, or remove it"));
            }
        }
    }

    /// Returns the variables that the files have, with their values.
    pub(super) fn into_known(self) -> BTreeMap<String, String> {
        self.known
    }

    fn get(&self, name: &str) -> Option<&str> {
        let scope = self.scopes.iter().find_map(|scope| scope.get(name))?;
        Some(self.given.get(name).unwrap_or(&scope.value))
    }

    /// Fills the variables into a text; `None` if it has none.
    ///
    /// # Errors
    /// A variable that isn't known, or a `${` without its `}`.
    pub(super) fn fill(&mut self, text: &str) -> Result<Option<Filled>, String> {
        if !text.contains("${") {
            return Ok(None);
        }
        let (mut filled, mut rest) = (Filled::default(), text);
        while let Some((before, from)) = rest.split_once("${") {
            filled.text.push_str(before);
            let Some((name, after)) = from.split_once('}') else {
                return Err(unclosed(from));
            };
            match self.get(name).map(str::to_owned) {
                Some(value) => {
                    filled.text.push_str(&value);
                    self.filled += value.len();
                    self.used.insert(name.to_owned());
                    filled.variables.push((name.to_owned(), value));
                }
                None if PLACEHOLDERS.contains(&name) => filled.text.push_str(&format!("${{{name}}}")),
                None => return Err(self.unknown(name)),
            }
            if self.filled > MAX_FILLED {
                return Err("the texts with variables are too long in all".to_owned());
            }
            rest = after;
        }
        filled.text.push_str(rest);
        Ok(Some(filled))
    }

    fn unknown(&self, name: &str) -> String {
        let known = self.scopes.iter().flat_map(BTreeMap::keys).map(String::as_str).chain(PLACEHOLDERS);
        let near = nearest(name, known);
        let name = shortened(name);
        match near {
            Some(near) => format!("`${{{name}}}` is not a variable; did you mean `${{{near}}}`?"),
            None => format!(
                "`${{{name}}}` is not a variable; add `{name}` to `vars:`, or use a placeholder: ${{run}}, ${{n}} in a \
                 flood, ${{i}} in a repetition"
            ),
        }
    }
}

fn unclosed(from: &str) -> String {
    format!("`${{{}` has no `}}`; write `${{name}}`", shortened(from))
}

/// Says of each name in `given` that none of the scenarios has such a variable. `known` has the variables of all of them.
pub fn unknown_variables<'a>(given: impl Iterator<Item = &'a str>, known: &BTreeSet<String>) -> Vec<String> {
    let all: Vec<_> = known.iter().map(String::as_str).collect();
    let unknown = given.filter(|name| !known.contains(*name));
    let said = unknown.map(|name| {
        let near = nearest(name, all.iter().copied());
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let help = match &all[..] {
            [] => "there are no variables; add them with `vars:`".to_owned(),
            all => format!("the variables are {}", all.join(", ")),
        };
        format!("no scenario has a variable `{}`{near}\n{help}", shortened(name))
    });
    said.collect()
}

/// Checks the name of a variable.
fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let shown = shortened(name);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(allowed) {
        return Err(format!(
            "`{shown}` is not a name of a variable; begin with a letter, and use letters, digits, `-` and `_`"
        ));
    }
    if PLACEHOLDERS.contains(&name) {
        return Err(format!("the run itself fills in `${{{shown}}}`; give the variable another name"));
    }
    Ok(())
}

/// Checks the value of a variable. It may have placeholders, which the run fills in.
fn check_value(value: &str) -> Result<(), String> {
    if value.len() > MAX_VALUE {
        return Err(format!("the value is longer than {MAX_VALUE} bytes"));
    }
    let mut rest = value;
    while let Some((_, from)) = rest.split_once("${") {
        let (name, after) = from.split_once('}').ok_or_else(|| unclosed(from))?;
        if !PLACEHOLDERS.contains(&name) {
            let name = shortened(name);
            return Err(format!("`${{{name}}}` can't be in the value of a variable; write its value out"));
        }
        rest = after;
    }
    Ok(())
}
