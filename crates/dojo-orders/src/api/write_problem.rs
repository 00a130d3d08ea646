//! Turns the write path's errors into problem documents.

use crate::write::WriteError;
use axum::http::StatusCode;
use dojo_contract::FieldError;
use dojo_http::Problem;

/// A result of the write path as the API answers it.
pub(crate) trait ProblemOf<T> {
    /// `look_at` says where a client sees what became of a change whose outcome is unknown.
    fn problem(self, look_at: &str) -> Result<T, Problem>;
}

impl<T> ProblemOf<T> for Result<T, WriteError> {
    fn problem(self, look_at: &str) -> Result<T, Problem> {
        self.map_err(|error| match error {
            WriteError::Invalid(errors) => {
                Problem::invalid(errors.into_iter().map(|FieldError { field, message }| (field, message)))
            }
            WriteError::NoSuchOrder(_)
            | WriteError::NoSuchInstance(_)
            | WriteError::NoSuchRun(_)
            | WriteError::NoSuchQuestion { .. }
            | WriteError::NoSuchTopic(_) => Problem::not_found(error.to_string()),
            WriteError::RunIsOver(ref run) => {
                Problem::new(StatusCode::GONE, error.to_string()).with_member("run", run)
            }
            WriteError::LeaseTaken(ref run) => {
                Problem::new(StatusCode::CONFLICT, error.to_string()).with_member("run", run.as_ref())
            }
            WriteError::Refused(why) => Problem::new(StatusCode::FORBIDDEN, why),
            WriteError::TooLarge(why) => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, why),
            WriteError::Conflict(why) => Problem::new(StatusCode::CONFLICT, why),
            WriteError::KeyReused => Problem::invalid_field("Idempotency-Key", error.to_string()),
            WriteError::OutcomeUnknown(_) => Problem::unavailable(format!("{error}: {look_at}")),
            WriteError::Defect(what) => Problem::internal(what),
            WriteError::NotReady(_)
            | WriteError::Busy
            | WriteError::TooLate
            | WriteError::NotSent(_)
            | WriteError::NotEndedYet(_)
            | WriteError::NotVisibleYet { .. }
            | WriteError::RedrivesNotVisibleYet(_) => Problem::unavailable(error.to_string()),
        })
    }
}
