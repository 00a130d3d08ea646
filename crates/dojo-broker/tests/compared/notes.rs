//! What a client saw, in the order in which it saw it.

use std::fmt::{Debug, Display};

/// One observation, under a name that is the same for both brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// `script: what`.
    pub name: String,
    pub seen: String,
}

/// A script's notebook.
#[derive(Debug, Default)]
pub struct Notes {
    pub list: Vec<Observation>,
}

impl Notes {
    pub fn note(&mut self, name: impl Into<String>, seen: impl Display) {
        self.list.push(Observation { name: name.into(), seen: seen.to_string() });
    }

    /// Notes a result or its error.
    pub fn outcome<T: Debug, E: Display>(&mut self, name: impl Into<String>, outcome: Result<T, E>) {
        match outcome {
            Ok(seen) => self.note(name, format!("{seen:?}")),
            Err(error) => self.note(name, format!("error: {error}")),
        }
    }
}
