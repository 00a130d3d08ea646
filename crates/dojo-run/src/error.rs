//! Why a scenario could not be run to its end.

use crate::{exit, scenario::Rate};
use std::time::Duration;

/// Why a scenario could not be run to its end. What it expected is then neither met nor missed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RunError {
    /// No connection to the target.
    #[error(
        "nothing answers at {target} ({reason}); start the dojo with `cargo run --release`, or name another one with \
         `--target`"
    )]
    Away {
        /// Where it was looked for.
        target: String,
        /// What the network says.
        reason: String,
    },
    /// No answer in time.
    #[error(
        "{request} was not answered within {after:?}; is the dojo overloaded, or its Kafka away? see GET /status"
    )]
    TimedOut {
        /// Method and route.
        request: &'static str,
        /// How long the answer was waited for.
        after: Duration,
    },
    /// The connection broke before the answer was complete.
    #[error("{request} broke off ({reason}); did the order service stop? see its log")]
    BrokeOff {
        /// Method and route.
        request: &'static str,
        /// What the network says.
        reason: String,
    },
    /// An answer that says no.
    #[error("{request} was answered with {status}: {problem}")]
    Refused {
        /// Method and route.
        request: &'static str,
        /// HTTP status code.
        status: u16,
        /// The answer's own words.
        problem: String,
    },
    /// An answer that is not what the contract says.
    #[error(
        "the answer to {request} is not what a dojo answers ({reason}); is something else at the target's port?"
    )]
    NotADojo {
        /// Method and route.
        request: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// Orders of a flood were not accepted.
    #[error("{failed} of {sent} orders were not accepted; the first: {first}")]
    OrdersFailed {
        /// How many were not.
        failed: u64,
        /// How many were sent before the flood was broken off.
        sent: u64,
        /// Why the first was not.
        first: Box<RunError>,
    },
    /// A flood was slower than it says.
    #[error(
        "rate not reached: asked for {asked}, reached {reached:.1}/s; {late} of {count} orders were sent more than \
         {tolerance:?} late; lower the `rate`, or give the machine more room (is it a release build?)"
    )]
    RateNotReached {
        /// What the scenario asks for.
        asked: Rate,
        /// Orders a second, over the whole flood.
        reached: f64,
        /// Orders sent too late.
        late: u64,
        /// Orders of the flood.
        count: u64,
        /// What is not yet late.
        tolerance: Duration,
    },
    /// The event stream broke and did not come back.
    #[error(
        "the event stream broke and did not come back within {within:?} ({reason}); did the order service stop?"
    )]
    StreamLost {
        /// How long it was tried.
        within: Duration,
        /// Why the last try failed.
        reason: String,
    },
    /// Events are missing, so counting is no longer certain.
    #[error("events were missed, so counting is no longer certain ({0}); play the scenario again")]
    EventsMissed(&'static str),
    /// The settings could not be put back.
    #[error(
        "the settings could not be put back ({reason}); send it by hand: curl -X PATCH -H 'content-type: application/json' -d '{patch}' {url}"
    )]
    NotRestored {
        /// Why.
        reason: Box<RunError>,
        /// The patch that was not taken.
        patch: String,
        /// Where it was to go.
        url: String,
    },
    /// The caller stopped it.
    #[error("interrupted")]
    Interrupted,
}

impl RunError {
    /// What the process ends with because of it.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Interrupted) { exit::INTERRUPTED } else { exit::COULD_NOT_RUN }
    }
}
