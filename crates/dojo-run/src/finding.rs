//! What came of an expectation.

use dojo_scenario::Place;

/// Whether something expected came true.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Where it is written.
    pub place: Place,
    /// What was expected.
    pub text: String,
    /// Whether it came true.
    pub met: bool,
    /// What was seen.
    pub seen: String,
    /// If it isn't met: counts, examples, and where to look.
    pub details: Vec<String>,
}
