//! Plays scenarios for the page: one runner at a time, which asks for the lease like any other.
//!
//! The runner is its own process. A run has begun once `dojo-runs` has it, whatever the runner prints. An order service that ends in
//! order ends its runner first. A runner that outlives a killed order service plays on, and ends its lease itself.

use crate::{
    read_models::ReadModels,
    scenarios::{PlayError, PlayRequest, Runner, ScenarioSummary, Scenarios},
};
use dojo_contract::Run;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a run may take to begin: the runner waits for an order service that doesn't answer at once.
const BEGINS_WITHIN: Duration = Duration::from_secs(20);
/// How long the runner may take to end with this service: a little longer than until it is killed, and less than this service may take
/// to drain.
const RUNNER_ENDS_WITHIN: Duration = Duration::from_millis(7_500);
/// Characters of a run's id: few enough to be in the names of the run's customers.
const ID_CHARS: usize = 6;

/// Plays scenarios for the page.
pub(crate) struct ScenarioPlayer {
    scenarios: Option<Arc<dyn Scenarios>>,
    models: Arc<ReadModels>,
    /// The runner holds its permit while it runs.
    turn: Arc<Semaphore>,
    stop: CancellationToken,
}

/// Why no run has begun.
#[derive(Debug)]
pub(crate) enum NotPlayed {
    /// The scenario isn't played.
    Refused(PlayError),
    /// Another run holds the lease.
    LeaseTaken(Arc<Run>),
    /// The runner ended before its run began, with this error message.
    RunnerEnded(String),
    /// The run hasn't begun in time.
    TooLate,
}

impl ScenarioPlayer {
    /// A player of these scenarios; of none if the program passes none in.
    pub(crate) fn new(scenarios: Option<Arc<dyn Scenarios>>, models: Arc<ReadModels>) -> Self {
        Self { scenarios, models, turn: Arc::new(Semaphore::new(1)), stop: CancellationToken::new() }
    }

    /// Returns the scenarios that there are.
    pub(crate) async fn list(&self) -> Vec<ScenarioSummary> {
        match &self.scenarios {
            Some(scenarios) => scenarios.list().await,
            None => Vec::new(),
        }
    }

    /// Plays a scenario. Returns the id of the run once it has begun.
    pub(crate) async fn play(
        &self,
        name: String,
        seed: Option<u64>,
        variables: Vec<(String, String)>,
    ) -> Result<String, NotPlayed> {
        let deadline = Instant::now() + BEGINS_WITHIN;
        let Some(scenarios) = &self.scenarios else {
            return Err(NotPlayed::Refused(PlayError::NoSuchScenario(name)));
        };
        let turn = timeout_at(deadline, self.turn()).await.map_err(|_| NotPlayed::TooLate)??;
        let run_id: String = Uuid::new_v4().simple().to_string().chars().take(ID_CHARS).collect();
        let stop = self.stop.child_token();
        let stop_late = stop.clone().drop_guard();
        let request = PlayRequest { run_id: run_id.clone(), name, seed, variables, stop };
        let runner = scenarios.play(request).await.map_err(NotPlayed::Refused)?;
        let ended = until_ended(runner, turn);
        let begun = timeout_at(deadline, self.until_begun(&run_id, ended)).await;
        begun.map_err(|_| NotPlayed::TooLate)??;
        // The run goes on, also without this client.
        stop_late.disarm();
        Ok(run_id)
    }

    /// Ends the runner, and refuses further plays.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        if timeout(RUNNER_ENDS_WITHIN, self.turn.acquire()).await.is_err() {
            tracing::warn!("the runner of a scenario did not end in time");
        }
        self.turn.close();
    }

    /// Waits until no runner runs.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, NotPlayed> {
        let mut changes = self.models.runs.changes();
        loop {
            changes.mark_unchanged();
            if let Some(holder) = self.models.runs.holder() {
                return Err(NotPlayed::LeaseTaken(holder));
            }
            tokio::select! {
                biased;
                turn = Arc::clone(&self.turn).acquire_owned() => {
                    return turn.map_err(|_| NotPlayed::RunnerEnded("the order service ends".to_owned()));
                }
                _ = changes.changed() => {}
            }
        }
    }

    /// Waits until the run is known, or its runner has ended without it.
    async fn until_begun(&self, id: &str, mut ended: oneshot::Receiver<String>) -> Result<(), NotPlayed> {
        let mut changes = self.models.runs.changes();
        loop {
            changes.mark_unchanged();
            if self.models.runs.get(id).is_some() {
                return Ok(());
            }
            let said = tokio::select! {
                said = &mut ended => said.unwrap_or_default(),
                _ = changes.changed() => continue,
            };
            return match (self.models.runs.get(id), self.models.runs.holder()) {
                (Some(_), _) => Ok(()),
                (None, Some(holder)) => Err(NotPlayed::LeaseTaken(holder)),
                (None, None) => Err(NotPlayed::RunnerEnded(said)),
            };
        }
    }
}

/// Runs a runner to its end, also when the client that started it has left. The next one waits until then.
fn until_ended(runner: Runner, turn: OwnedSemaphorePermit) -> oneshot::Receiver<String> {
    let (tell, ended) = oneshot::channel();
    tokio::spawn(async move {
        let said = runner.await;
        drop(turn);
        // Nobody listens any more once the run has begun.
        let _ = tell.send(said);
    });
    ended
}
