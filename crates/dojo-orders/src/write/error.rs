//! The ways in which a change can fail. A client reacts to each variant differently.

use crate::read_models::order_list::NoSuchOrder;
use chrono::Utc;
use dojo_contract::{FieldError, OrderAction, Run, RunState, time};
use std::sync::Arc;
use uuid::Uuid;

/// The outcome of a change that is not a plain success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// These fields of the request are wrong.
    #[error("{} fields are wrong", .0.len())]
    Invalid(Vec<FieldError>),
    /// The order doesn't exist, was deleted, or is older than the orders that the service keeps.
    #[error(transparent)]
    NoSuchOrder(#[from] NoSuchOrder),
    /// The idempotency key belongs to another request.
    #[error("was used before, with another body: send that again, or use another key")]
    KeyReused,
    /// No instance has this id, and nothing is asked of one.
    #[error("there is no instance {0}")]
    NoSuchInstance(String),
    /// No run has this id, or it was forgotten.
    #[error("there is no run {0}: it hasn't started, or ended some time ago")]
    NoSuchRun(String),
    /// The run doesn't have this question, or not any more.
    #[error("the run {run} has no question {number}: GET /runs/{run} shows those that it has")]
    NoSuchQuestion {
        /// The run.
        run: String,
        /// The number of the question.
        number: u32,
    },
    /// The run is over.
    #[error("{}", over(.0))]
    RunIsOver(Box<Run>),
    /// What a run has changed is still being put back.
    #[error("the run {0} isn't over yet: what it has changed is being put back. Send the same event again")]
    NotEndedYet(String),
    /// Another run holds the lease.
    #[error("{}", taken(.0))]
    LeaseTaken(Arc<Run>),
    /// The topic doesn't exist.
    #[error("there is no topic {0}")]
    NoSuchTopic(&'static str),
    /// Records by hand don't go to this topic; the text says why.
    #[error("{0}")]
    Refused(String),
    /// The record is larger than its topic takes; the text has the limit.
    #[error("{0}")]
    TooLarge(String),
    /// The change can't be made to this instance, or not now; the text says why.
    #[error("{0}")]
    Conflict(String),
    /// Kafka is away, or the read models are not up to date yet. Nothing was sent.
    #[error("nothing was changed: {0}")]
    NotReady(String),
    /// Too many changes are under way. Nothing was sent.
    #[error("nothing was changed: too many changes are under way")]
    Busy,
    /// The change waited too long for its turn. Nothing was sent.
    #[error("nothing was changed: its turn did not come in time")]
    TooLate,
    /// The change wasn't sent to `orders`, or Kafka refused it.
    #[error("nothing was changed: {0}")]
    NotSent(#[source] dojo_kafka::Error),
    /// The change may or may not have been made.
    #[error("the outcome is unknown ({0})")]
    OutcomeUnknown(String),
    /// The change was made, but the orders list doesn't show it yet.
    #[error("the order {id} is {}, but the orders list has not shown it yet: look again soon", action.name())]
    NotVisibleYet {
        /// The order.
        id: Uuid,
        /// What was done with it.
        action: OrderAction,
    },
    /// The dead letters were sent back, but the read models don't show it yet.
    #[error(
        "{0} dead letters are redriven, but the list of dead letters has not shown it yet: look again soon"
    )]
    RedrivesNotVisibleYet(usize),
    /// A defect of this service.
    #[error("{0}")]
    Defect(String),
}

fn over(run: &Run) -> String {
    let at = run.ended_at.map(time::format).unwrap_or_default();
    let silence = Run::SILENCE.as_secs();
    match run.state {
        RunState::Abandoned => format!(
            "the run {} was abandoned at {at}, because its runner was silent for {silence} s: start a new one",
            run.run_id
        ),
        RunState::Running | RunState::Ended => {
            format!("the run {} ended at {at}: start a new one", run.run_id)
        }
    }
}

fn taken(holder: &Run) -> String {
    let (scenario, since) = (&holder.scenario, holder.started_at);
    format!(
        "{scenario} has been playing since {} ({} s): wait until it ends, or play with `--alongside`, without changing anything",
        time::format(since),
        (Utc::now() - since).num_seconds().max(0)
    )
}

impl From<Vec<FieldError>> for WriteError {
    fn from(errors: Vec<FieldError>) -> Self {
        Self::Invalid(errors)
    }
}
