//! Parses a scenario: YAML text in, steps out, or an error with its position. Pure: no files, no clock.
//!
//! ```yaml
//! name: Fraud spam                    # the title, for the room
//! lesson: Nobody orders this fast.    # optional: what to learn from it
//! settings: { failRate: 0 }           # optional: a patch for PATCH /settings; undone at the end
//! steps:
//!   - say: Watch the alerts.
//!   - order: { customerName: "Ada ${run}", item: Pizza, quantity: 1, price: 9.50 }
//!   - flood: { count: 12, rate: 20/s, order: { customerName: "Mallory ${run}", item: "Pizza ${n}", quantity: 1, price: 1 } }
//!   - pause: 2s
//!   - settings: { failRate: 1, instances: { notification-2: { failRate: 0.5 } } }
//!   - expect: { action: FRAUD_ALERT, alert: VELOCITY, customer: "Mallory ${run}", exactly: 7, within: 10s }
//! ```
//!
//! Parsing takes three passes over the same text. The first (`position::survey`) refuses what no scenario may contain:
//! members given twice, and aliases that expand too far. The second (serde) reads the types; each number, duration and text
//! checks itself, so that an error has its own position. The third (`check`) checks the scenario as a whole.

mod error;
pub use error::{ParseError, Position};

mod position;

mod scalar;
pub use scalar::Rate;

mod text;
pub use text::Text;

mod expectation;
pub(crate) use expectation::action_name;
pub use expectation::{Count, Expectation, Subject};

mod document;
use document::Document;
pub use document::{Flood, OrderTemplate, SettingsChange, Step};

mod check;

use position::Segment;

/// The longest text, in bytes: far more than a person writes, and short enough for the YAML scanner, whose time for nested
/// brackets grows with the square of their depth.
pub const MAX_BYTES: usize = 64 * 1024;

/// A scenario that can be played.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The file's name, as messages show it.
    pub file: String,
    source: String,
    document: Document,
}

impl Scenario {
    /// Parses a scenario from the bytes of `file`.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, ParseError> {
        if bytes.len() > MAX_BYTES {
            let message = format!("the scenario has {} bytes; the most are {MAX_BYTES}", bytes.len());
            return Err(ParseError::whole(file, message, "use a `flood` for many similar orders"));
        }
        let source = std::str::from_utf8(bytes).map_err(|e| {
            let message = format!("the scenario is not UTF-8 at byte {}", e.valid_up_to());
            ParseError::whole(file, message, "save the file as UTF-8")
        })?;
        let yaml = |e: serde_yaml::Error| ParseError::from_yaml(file, source, &e);
        position::survey(source).map_err(yaml)?;
        let document: Document = serde_yaml::from_str(source).map_err(yaml)?;
        check::check(&document).map_err(|mistake| {
            let position = position::of(source, &mistake.path);
            ParseError::at(file, source, position, mistake.message)
        })?;
        Ok(Self { file: file.to_owned(), source: source.to_owned(), document })
    }

    /// The scenario's name, for the room.
    pub fn name(&self) -> &str {
        &self.document.name
    }

    /// What the room should learn from it.
    pub fn lesson(&self) -> Option<&str> {
        self.document.lesson.as_deref()
    }

    /// The change of settings before the first step.
    pub fn settings(&self) -> Option<&SettingsChange> {
        self.document.settings.as_ref()
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.document.steps
    }

    /// Every change of settings in the scenario.
    pub fn settings_changes(&self) -> impl Iterator<Item = &SettingsChange> {
        self.settings().into_iter().chain(self.steps().iter().filter_map(|step| match step {
            Step::Settings(change) => Some(change),
            _ => None,
        }))
    }

    /// Returns the position of the step with this index, from 0.
    pub fn position_of_step(&self, index: usize) -> Position {
        position::of(&self.source, &[Segment::from("steps"), Segment::from(index)])
    }
}

#[cfg(test)]
mod tests;
