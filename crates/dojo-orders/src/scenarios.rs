//! The scenarios of the folder: what the program passes in, because reading and playing them is the work of other crates.

use futures::future::BoxFuture;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// Lists and plays the scenarios of a folder.
pub trait Scenarios: Send + Sync {
    /// Returns the scenarios, sorted by name, at most [`MAX_SCENARIOS`].
    fn list(&self) -> BoxFuture<'static, Vec<ScenarioSummary>>;

    /// Starts a runner as its own process. It reports to this order service like any other.
    fn play(&self, request: PlayRequest) -> BoxFuture<'static, Result<Runner, PlayError>>;
}

/// Most scenarios that are listed.
pub const MAX_SCENARIOS: usize = 200;

/// A runner's process. The future ends with it, within a few seconds after it was asked to stop. Returns the runner's error message, or an
/// empty text.
pub type Runner = BoxFuture<'static, String>;

/// A scenario of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScenarioSummary {
    /// Name of the scenario: that of its file, without the extension.
    pub name: String,
    /// Path of the file.
    pub file: String,
    /// Its title; for a file with mistakes its name.
    pub title: String,
    /// What the room learns from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lesson: Option<String>,
    /// The words by which it is chosen.
    pub tags: Vec<String>,
    /// The first mistake in its file, which keeps it from being played.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<String>,
}

/// A scenario to play.
#[derive(Debug, Clone)]
pub struct PlayRequest {
    /// Id of the run.
    pub run_id: String,
    /// Name of the scenario.
    pub name: String,
    /// The seed of every random choice.
    pub seed: Option<u64>,
    /// Values for variables of the scenario.
    pub variables: Vec<(String, String)>,
    /// Ends the runner: it is asked to stop, and killed if it doesn't.
    pub stop: CancellationToken,
}

/// Why a scenario isn't played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlayError {
    /// The folder has no such scenario.
    #[error("there is no scenario {0}: GET /scenarios lists those that there are")]
    NoSuchScenario(String),
    /// Its file, or a variable, is wrong: where, and what.
    #[error("the scenario has {} mistakes", .0.len())]
    Mistakes(Vec<(String, String)>),
    /// The runner's process can't be started.
    #[error("the runner can't be started: {0}")]
    NotStarted(String),
}
