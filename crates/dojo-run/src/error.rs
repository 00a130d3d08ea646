//! The errors that end the run of a scenario.

use crate::{exit, scenario::Rate};
use std::time::Duration;

/// Why a scenario was not played to its end. Its expectations are then neither met nor missed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RunError {
    /// No connection to the target.
    #[error(
        "nothing answers at {target} ({reason}); start the dojo with `cargo run --release`, or name another target \
         with `--target`"
    )]
    Away {
        /// The target's address.
        target: String,
        /// The network's error.
        reason: String,
    },
    /// No answer in time.
    #[error(
        "{request} was not answered within {after:?}; see GET /status: is the dojo overloaded, or its Kafka away?"
    )]
    TimedOut {
        /// Method and route.
        request: &'static str,
        /// How long the answer was waited for.
        after: Duration,
    },
    /// The connection broke before the answer was complete.
    #[error("the connection broke during {request} ({reason}); see the order service's log: did it stop?")]
    BrokeOff {
        /// Method and route.
        request: &'static str,
        /// The network's error.
        reason: String,
    },
    /// An answer that refuses the request.
    #[error("{request} was answered with {status}: {problem}")]
    Refused {
        /// Method and route.
        request: &'static str,
        /// HTTP status code.
        status: u16,
        /// The answer's text.
        problem: String,
    },
    /// An answer that breaks the contract.
    #[error("the answer to {request} is not a dojo's ({reason}); is another program at the target's port?")]
    NotADojo {
        /// Method and route.
        request: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// Orders of a flood were not accepted.
    #[error("{failed} of {sent} orders were not accepted; the first: {first}")]
    OrdersFailed {
        /// Orders that were not accepted.
        failed: u64,
        /// Orders sent until then.
        sent: u64,
        /// Why the first was not accepted.
        first: Box<RunError>,
    },
    /// The task that sent an order panicked.
    #[error("dojo-run itself failed while it sent an order ({0}); please report this")]
    Crashed(String),
    /// A flood was slower than its scenario asks for.
    #[error(
        "rate not reached: asked for {asked}, reached {reached:.1}/s; {late} of {count} orders were sent more than \
         {tolerance:?} late; lower the `rate`, or use a release build on a machine with more room"
    )]
    RateNotReached {
        /// The scenario's rate.
        asked: Rate,
        /// Orders per second, over the whole flood.
        reached: f64,
        /// Orders sent late.
        late: u64,
        /// Orders of the flood.
        count: u64,
        /// How late an order may be sent.
        tolerance: Duration,
    },
    /// The event stream broke and could not be resumed.
    #[error(
        "the event stream broke and could not be resumed within {within:?} ({reason}); did the order service stop?"
    )]
    StreamLost {
        /// How long resuming was tried.
        within: Duration,
        /// Why the last attempt failed.
        reason: String,
    },
    /// Events were missed, so the counts are uncertain.
    #[error("events were missed, so the counts are uncertain ({0}); play the scenario again")]
    EventsMissed(&'static str),
    /// The settings could not be restored.
    #[error(
        "the settings could not be restored ({reason}); restore them by hand: curl -X PATCH -H 'content-type: application/json' -d '{patch}' {url}"
    )]
    NotRestored {
        /// Why.
        reason: Box<RunError>,
        /// The patch that restores them.
        patch: String,
        /// Where to send it.
        url: String,
    },
    /// The caller stopped the run.
    #[error("interrupted")]
    Interrupted,
}

impl RunError {
    /// Exit code of a run that ends with this error.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Interrupted) { exit::INTERRUPTED } else { exit::COULD_NOT_RUN }
    }
}
