//! Asks whether the dojo is fit for a lesson, before it starts.

use crate::{
    RunError,
    client::{Client, Request},
    progress::State,
    steps::Stage,
};
use dojo_scenario::{
    document::Before,
    observe::{Fitness, fit},
};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the dojo may take by default until it is fit.
const WITHIN: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(500);

impl Stage<'_> {
    /// Waits until the dojo is fit for the lesson.
    ///
    /// # Errors
    /// It isn't fit in time: every reason.
    pub(crate) async fn wait_until_fit(&self) -> Result<(), RunError> {
        let before = self.scenario.document.before.as_ref();
        let deadline = Instant::now() + before.and_then(|before| before.within).unwrap_or(WITHIN);
        loop {
            let reasons = match self.unless_stopped(reasons(self.client, before)).await? {
                Ok(reasons) if reasons.is_empty() => return Ok(()),
                Ok(reasons) => reasons,
                Err(error) if Instant::now() + ASK_EVERY > deadline => return Err(error),
                Err(_) => Vec::new(),
            };
            if Instant::now() + ASK_EVERY > deadline {
                return Err(RunError::NotFit(reasons));
            }
            if let Some(reason) = reasons.first() {
                self.tell.moved(0, State::Waiting(format!("waiting: {reason}")));
            }
            self.unless_stopped(sleep(ASK_EVERY)).await?;
        }
    }
}

async fn reasons(client: &Client, before: Option<&Before>) -> Result<Vec<String>, RunError> {
    let ready = client.ask(&Request::to("GET /readyz")).await?;
    let not_ready = (ready.status != 200).then(|| String::from_utf8_lossy(&ready.body).into_owned());
    let status: Value = client.ask(&Request::to("GET /status")).await?.with(&[200])?.json()?;
    let mut rules: Vec<Value> = Vec::new();
    for name in before.and_then(|before| before.rules.as_ref()).into_iter().flatten() {
        let request = Request::to("GET /rules/{name}").at(format!("/rules/{name}"));
        rules.push(client.ask(&request).await?.with(&[200])?.json()?);
    }
    let fitness = Fitness { not_ready: not_ready.as_deref(), status: &status, rules: &rules };
    Ok(fit(before, &fitness).err().unwrap_or_default())
}
