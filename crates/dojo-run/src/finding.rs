//! What came of an expectation.

use dojo_scenario::{Place, observe::Evidence};
use std::time::Duration;

/// Whether something expected came true.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The number of its step, from 1.
    pub number: usize,
    /// Where it is written.
    pub place: Place,
    /// What was expected.
    pub text: String,
    /// Whether it came true.
    pub met: bool,
    /// What was seen, and after how long.
    pub seen: String,
    /// How long that took.
    pub after: Duration,
    /// What the finding rests on.
    pub evidence: Evidence,
}
