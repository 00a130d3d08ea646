//! The errors that end the run of a scenario.

use crate::{
    exit,
    load::{Shortfall, Silence},
};
use dojo_scenario::schedule::ScheduleError;
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
    #[error("{failed} of {sent} orders were not accepted{}; the first: {first}{}", at_rate(*.asked, *.held), after_silence(.silence))]
    OrdersFailed {
        /// Orders that were not accepted.
        failed: u64,
        /// Orders sent until then.
        sent: u64,
        /// Orders per second that the schedule asks for.
        asked: Option<f64>,
        /// Orders per second that were sent.
        held: Option<f64>,
        /// Why the first was not accepted.
        first: Box<RunError>,
        /// The longest time in which nothing was answered, which is often the reason.
        silence: Option<Silence>,
    },
    /// A mistake in this program.
    #[error("dojo-run itself failed ({0}); please report this")]
    Crashed(String),
    /// A flood whose orders can't all be due within the limits.
    #[error("the flood can't be sent: {0}")]
    Schedule(ScheduleError),
    /// Too many orders of a flood were sent late.
    #[error("{0}")]
    RateNotHeld(Box<Shortfall>),
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
    /// The dojo isn't fit for the lesson.
    #[error("the dojo isn't fit for this lesson: {}", .0.join("; "))]
    NotFit(Vec<String>),
    /// The snippet that a step replaces isn't in the rule exactly once.
    #[error(
        "the rule {rule} has the snippet `{snippet}` {times} times, and a step can only replace one that is there once; see \
         GET /rules/{rule}"
    )]
    NoSuchSnippet {
        /// The rule.
        rule: String,
        /// The snippet.
        snippet: String,
        /// How often the rule has it.
        times: usize,
    },
    /// An instance didn't do what it was asked to do.
    #[error(
        "{instance} {} 20 s after it was asked to; GET /instances shows what each instance does",
        if *live { "isn't at work" } else { "hasn't stopped" }
    )]
    InstanceUnmoved {
        /// The instance.
        instance: String,
        /// Whether it was to work.
        live: bool,
    },
    /// A run alongside another has a step that changes the dojo.
    #[error(
        "a run alongside another changes nothing, and this scenario has the step `{step}` ({place}); play it alone"
    )]
    NotAlongside {
        /// The step.
        step: String,
        /// Where it is written.
        place: dojo_scenario::Place,
    },
    /// The run has no lease any more.
    #[error("the run lost its lease: {0}; play it again")]
    LeaseLost(&'static str),
    /// A step names an order that wasn't placed.
    #[error(
        "`{label}` names no order, because its POST was refused ({place}); let the step that places it succeed"
    )]
    NoSuchOrder {
        /// The name of the order.
        label: String,
        /// The step that names it.
        place: dojo_scenario::Place,
    },
    /// A question has the same choice twice.
    #[error(
        "the question has the choice `{choice}` twice ({place}); give choices that differ in each repetition"
    )]
    SameChoiceTwice {
        /// The choice.
        choice: String,
        /// The step that asks.
        place: dojo_scenario::Place,
    },
    /// A run alongside another finds other settings than its scenario needs.
    #[error("this scenario needs {wanted}, and the dojo has {found}; play it alone")]
    OtherSettings {
        /// The setting and its value in the scenario.
        wanted: String,
        /// The value in force.
        found: String,
    },
    /// It isn't known whether everything was put back.
    #[error(
        "the end of the run could not be reported ({reason}); the order service puts back what the run changed 6 s after it \
         is there again; see GET /runs"
    )]
    NotUndone {
        /// Why.
        reason: Box<RunError>,
    },
    /// The caller stopped the run.
    #[error("interrupted")]
    Interrupted,
    /// A person stopped the run on the page.
    #[error("stopped on the page")]
    StoppedOnThePage,
}

/// Returns the part of a sentence that compares a rate with the one that was asked for.
fn at_rate(asked: Option<f64>, held: Option<f64>) -> String {
    match (asked, held) {
        (Some(asked), Some(held)) => format!(" (asked for {asked:.1}/s, sent {held:.1}/s)"),
        _ => String::new(),
    }
}

/// Returns the end of a sentence that names a silence.
fn after_silence(silence: &Option<Silence>) -> String {
    silence.map(|silence| format!("; {silence}")).unwrap_or_default()
}

impl RunError {
    /// Exit code of a run that ends with this error.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Interrupted | Self::StoppedOnThePage) {
            exit::INTERRUPTED
        } else {
            exit::COULD_NOT_RUN
        }
    }
}
