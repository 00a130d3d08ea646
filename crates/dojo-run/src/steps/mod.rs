//! The steps of a scenario: a file for each kind.

mod ask;
mod control;
mod expect;
mod orders;
mod record;

use crate::{
    RunError, client::Client, events::Watched, finding::Finding, keyboard::Asks, lease::Lease, load::Figures,
    progress::Progress, question::Revealed, teller::Teller,
};
use dojo_scenario::{
    Place, Placeholders, Planned, Scenario,
    document::{Action, Label},
    draw::Seed,
    observe::Evidence,
};
use std::{collections::HashMap, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long the dojo may take until a change of an instance or a rule is in force.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(20);
/// How often the room sees how much of a pause has passed.
const SHOWN_EVERY: Duration = Duration::from_millis(500);
/// How often the dojo is asked whether it is.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// A run that is being played.
pub(crate) struct Stage<'a> {
    pub scenario: &'a Scenario,
    pub client: &'a Client,
    pub lease: &'a Lease,
    /// The short name of the run.
    pub run: &'a str,
    pub seed: Seed,
    pub watched: &'a watch::Sender<Watched>,
    pub tell: &'a Teller,
    pub stop: &'a CancellationToken,
    /// Orders by the names that their steps gave them.
    pub labels: HashMap<Label, Uuid>,
    pub findings: &'a mut Vec<Finding>,
    /// The figures of each flood, with the number of its step from 1.
    pub floods: &'a mut Vec<(usize, Figures)>,
    pub asks: &'a Asks,
    /// The questions so far, without the guesses of the room.
    pub asked: Vec<Revealed>,
    /// Where the step is written that began last.
    pub step: &'a mut Option<Place>,
    /// The number of steps of the plan.
    pub total: usize,
}

impl Stage<'_> {
    /// Plays one step and returns its result in words.
    pub async fn step(&mut self, planned: &Planned<'_>) -> Result<String, RunError> {
        let of = Placeholders { run: self.run, number: 1, repetition: planned.repetition };
        match &planned.step.action {
            Action::Say(text) => {
                self.tell.said(text.fill(of)).await;
                Ok(String::new())
            }
            Action::Ask(ask) => self.ask(planned, ask, of).await.map(|()| String::new()),
            Action::Pause(duration) => {
                self.unless_stopped(self.pause(planned.number + 1, *duration)).await?;
                Ok("done".to_owned())
            }
            Action::Order(order) => self.order(planned, order, of).await,
            Action::Update(update) => self.update(planned, update, of).await,
            Action::Delete(delete) => self.delete(planned, delete).await,
            Action::Flood(flood) => self.flood(planned, flood, of).await,
            Action::Settings(change) => self.settings(change).await,
            Action::Rule(rule) => self.rule(rule).await,
            Action::Instance(instance) => self.instance(instance, of).await,
            Action::Produce(produce) => self.produce(planned, produce, of).await,
            Action::Redrive(redrive) => self.redrive(redrive).await,
            Action::Expect(expectation) => self.expect(planned, expectation).await,
            // The plan of a scenario has neither.
            Action::Repeat(_) | Action::Include(_) => Ok(String::new()),
        }
    }

    /// Lets time pass, and shows the room how much of it has.
    async fn pause(&self, number: usize, lasts: Duration) {
        let began = Instant::now();
        while let Some(left) = lasts.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
            sleep(left.min(SHOWN_EVERY)).await;
            self.tell.passed(number, began.elapsed().min(lasts));
        }
    }

    /// Returns the result of `work`, or [`RunError::Interrupted`] if the run is stopped first.
    pub(crate) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, RunError> {
        tokio::select! {
            done = work => Ok(done),
            () = self.stop.cancelled() => Err(RunError::Interrupted),
        }
    }

    /// Asks `is_so` again and again until it is true. Returns whether it became true within [`IN_FORCE_WITHIN`].
    async fn until<F>(&self, mut is_so: impl FnMut() -> F) -> Result<bool, RunError>
    where
        F: Future<Output = Result<bool, RunError>>,
    {
        let deadline = Instant::now() + IN_FORCE_WITHIN;
        loop {
            if self.unless_stopped(is_so()).await?? {
                return Ok(true);
            }
            if Instant::now() + ASK_EVERY > deadline {
                return Ok(false);
            }
            self.unless_stopped(sleep(ASK_EVERY)).await?;
        }
    }

    /// Records an answer whose status isn't the one that the step names.
    async fn answered_otherwise(&mut self, planned: &Planned<'_>, wanted: u16, error: RunError) -> String {
        let finding = Finding {
            number: planned.number + 1,
            place: planned.step.place.clone(),
            text: format!("{}: answered with {wanted}", planned.step.action),
            met: false,
            seen: error.to_string(),
            after: Duration::ZERO,
            evidence: Evidence::default(),
        };
        let (number, seen) = (planned.number + 1, finding.seen.clone());
        self.tell.tell(Progress::Found { number, finding: finding.clone() }).await;
        self.findings.push(finding);
        seen
    }
}
