//! Plays one scenario against one dojo: opens the event stream, remembers the settings, does the steps one after another,
//! and puts the settings back whatever happened.
//!
//! An expectation that is not met does not end the run; what makes the run itself impossible does. A change of settings
//! is never broken off half-way, so that putting them back comes after it.

use crate::{
    RunError, Target,
    client::{ANSWER_WITHIN, Client},
    events::{self, Watched},
    exit, flood,
    ledger::Ledger,
    scenario::{Expectation, Scenario, SettingsChange, Step},
    settings,
    verdict::{Finding, Judge},
};
use dojo_contract::Settings;
use serde_json::Value;
use std::time::Duration;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use uuid::Uuid;

/// How often, at most, an expectation is looked at while events pour in.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the audience is told while a scenario plays.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// A step begins.
    Began {
        /// Its number, from 1.
        number: usize,
        /// How many steps there are.
        of: usize,
        /// What it is.
        step: &'a str,
    },
    /// How far the step is; replaces what was told of it before.
    Moved(&'a str),
    /// The step is done.
    Ended(&'a str),
    /// The scenario speaks to the room.
    Said(&'a str),
    /// Something to know that is no failure.
    Noted(&'a str),
}

/// How a scenario went.
#[derive(Debug)]
pub struct Played {
    /// The short name of the run, which `${run}` stood for.
    pub run: String,
    /// Orders placed.
    pub orders: usize,
    /// What became of each expectation that was reached, in order.
    pub findings: Vec<Finding>,
    /// Why the scenario was not played to its end.
    pub error: Option<RunError>,
    /// Why the settings are not as they were before.
    pub not_restored: Option<RunError>,
}

impl Played {
    /// What a process that played this alone ends with.
    pub fn exit_code(&self) -> u8 {
        let met = if self.findings.iter().all(|finding| finding.met) { exit::MET } else { exit::NOT_MET };
        let codes = self.error.iter().chain(&self.not_restored).map(RunError::exit_code);
        codes.fold(met, exit::worse)
    }
}

/// Plays `scenario` against `target`, telling `audience` how it goes, until its end or `stop`.
///
/// Returns after at most the scenario's own schedule and waits, and a bounded time for each answer of the target.
/// Dropping the future instead of cancelling `stop` leaves the settings as the scenario set them.
pub async fn play(
    scenario: &Scenario,
    target: &Target,
    audience: &mut (dyn FnMut(Progress<'_>) + Send),
    stop: &CancellationToken,
) -> Played {
    let run: String = Uuid::new_v4().simple().to_string().chars().take(6).collect();
    let (watched, _) = watch::channel(Watched { ledger: Ledger::new(ANSWER_WITHIN), ended: None });
    let mut findings = Vec::new();
    let mut stage = Stage { scenario, run: &run, watched: &watched, audience, stop, findings: &mut findings };
    let (error, not_restored) = match Client::new(target.clone()) {
        Ok(client) => stage.play(&client).await,
        Err(error) => (Some(error), None),
    };
    let orders = watched.borrow().ledger.orders().len();
    Played { run, orders, findings, error, not_restored }
}

/// A scenario being played.
struct Stage<'a> {
    scenario: &'a Scenario,
    run: &'a str,
    watched: &'a watch::Sender<Watched>,
    audience: &'a mut (dyn FnMut(Progress<'_>) + Send),
    stop: &'a CancellationToken,
    findings: &'a mut Vec<Finding>,
}

impl Stage<'_> {
    /// Why it was not played to its end, and why the settings are not as they were.
    async fn play(&mut self, client: &Client) -> (Option<RunError>, Option<RunError>) {
        let (_events, before) = match self.open(client).await {
            Ok(opened) => opened,
            Err(error) => return (Some(error), None),
        };
        let error = self.steps(client).await.err();
        let not_restored = match before {
            Some(before) => self.restore(client, &before).await.err(),
            None => None,
        };
        (error, not_restored)
    }

    /// Opens the event stream, and asks for the settings if the scenario changes any.
    async fn open(&mut self, client: &Client) -> Result<(AbortOnDropHandle<()>, Option<Settings>), RunError> {
        let open = async {
            let stream = client.events(None).await?;
            let events = tokio::spawn(events::follow(client.clone(), stream, self.watched.clone()));
            let before = match self.scenario.settings_changes().next() {
                Some(_) => Some(client.settings().await?),
                None => None,
            };
            Ok((AbortOnDropHandle::new(events), before))
        };
        let (events, shown) = tokio::select! {
            opened = open => opened?,
            () = self.stop.cancelled() => return Err(RunError::Interrupted),
        };
        let not_settings = |reason| RunError::NotADojo { request: "GET /settings", reason };
        let before = shown.map(|shown| settings::on_topic(&shown).map_err(not_settings)).transpose()?;
        Ok((events, before))
    }

    async fn steps(&mut self, client: &Client) -> Result<(), RunError> {
        if self.stop.is_cancelled() {
            return Err(RunError::Interrupted);
        }
        if let Some(change) = self.scenario.settings() {
            self.change_settings(change, client).await?;
            (self.audience)(Progress::Noted(&format!("settings for this run: {change}")));
        }
        let steps = self.scenario.steps();
        for (index, step) in steps.iter().enumerate() {
            if self.stop.is_cancelled() {
                return Err(RunError::Interrupted);
            }
            if let Step::Say(text) = step {
                (self.audience)(Progress::Said(&text.fill(self.run, 0)));
                continue;
            }
            let step_text = step.to_string().replace("${run}", self.run);
            (self.audience)(Progress::Began { number: index + 1, of: steps.len(), step: &step_text });
            let ended = self.step(index, step, client).await?;
            (self.audience)(Progress::Ended(&ended));
        }
        Ok(())
    }

    /// Does one step; what to tell of it at its end.
    async fn step(&mut self, index: usize, step: &Step, client: &Client) -> Result<String, RunError> {
        match step {
            Step::Say(_) => Ok(String::new()),
            Step::Pause(duration) => {
                unless_stopped(self.stop, sleep(*duration)).await?;
                Ok("done".to_owned())
            }
            Step::Order(order) => {
                let start = Instant::now();
                unless_stopped(self.stop, flood::place(client, self.watched, order.fill(self.run, 1)))
                    .await??;
                Ok(format!("accepted after {:.1?}", start.elapsed()))
            }
            Step::Flood(flood) => {
                let audience = &mut *self.audience;
                let tell = |text: String| audience(Progress::Moved(&text));
                let went = flood::send(flood, self.run, client, self.watched, tell, self.stop).await?;
                Ok(format!(
                    "{} accepted, {:.1}/s, answered after {:.1?} (p50), {:.1?} (p99)",
                    went.accepted, went.rate, went.p50, went.p99
                ))
            }
            Step::Settings(change) => {
                self.change_settings(change, client).await?;
                Ok("applied".to_owned())
            }
            Step::Expect(expectation) => {
                let finding = self.expect(index, expectation).await?;
                let ended = format!("{}: {}", if finding.met { "met" } else { "not met" }, finding.seen());
                self.findings.push(finding);
                Ok(ended)
            }
        }
    }

    async fn expect(&mut self, step: usize, expectation: &Expectation) -> Result<Finding, RunError> {
        let customer =
            expectation.customer.as_ref().map(|text| dojo_contract::normalize_name(&text.fill(self.run, 0)));
        let judge = Judge::new(expectation, customer.as_deref());
        let mut news = self.watched.subscribe();
        let start = Instant::now();
        let deadline = start + expectation.within;
        loop {
            let time_is_up = Instant::now() >= deadline;
            let tally = {
                let watched = news.borrow_and_update();
                if let Some(error) = &watched.ended {
                    return Err(error.clone());
                }
                judge.tally(watched.ledger.orders())
            };
            if let Some(met) = judge.decide(tally, time_is_up) {
                let examples =
                    if met { Vec::new() } else { judge.examples(self.watched.borrow().ledger.orders()) };
                let expectation = expectation.clone();
                return Ok(Finding { step, expectation, met, tally, took: start.elapsed(), examples });
            }
            (self.audience)(Progress::Moved(&format!(
                "{} seen, {} orders open",
                tally.seen, tally.unsettled
            )));
            let next_look = Instant::now() + LOOK_EVERY;
            tokio::select! {
                () = self.stop.cancelled() => return Err(RunError::Interrupted),
                () = sleep_until(deadline) => {}
                // The sender outlives the stage, so waiting for news cannot fail.
                _ = news.changed() => sleep_until(next_look.min(deadline)).await,
            }
        }
    }

    async fn change_settings(&mut self, change: &SettingsChange, client: &Client) -> Result<(), RunError> {
        if let Some(waiting) = client.change_settings(&Value::Object(change.0.clone())).await? {
            (self.audience)(Progress::Noted(&format!("settings are not applied yet by {waiting}")));
        }
        Ok(())
    }

    async fn restore(&mut self, client: &Client, before: &Settings) -> Result<(), RunError> {
        let patch = settings::restoring(before, self.scenario.settings_changes());
        match client.change_settings(&patch).await {
            Ok(None) => (self.audience)(Progress::Noted("settings are as they were before")),
            Ok(Some(waiting)) => {
                (self.audience)(Progress::Noted(&format!(
                    "settings are put back, but not applied yet by {waiting}"
                )));
            }
            Err(reason) => {
                return Err(RunError::NotRestored {
                    reason: Box::new(reason),
                    patch: patch.to_string(),
                    url: client.settings_url(),
                });
            }
        }
        Ok(())
    }
}

/// What `work` comes to, unless `stop` comes first.
async fn unless_stopped<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Result<T, RunError> {
    tokio::select! {
        done = work => Ok(done),
        () = stop.cancelled() => Err(RunError::Interrupted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_play_can_be_given_to_another_thread() {
        fn is_send<T: Send>(_: &T) {}
        let yaml = b"name: Test\nsteps:\n  - pause: 1s\n";
        let scenario = Scenario::parse("test.yaml", yaml).unwrap();
        let target = "http://localhost:1".parse().unwrap();
        let (mut audience, stop) = (|_: Progress<'_>| {}, CancellationToken::new());
        is_send(&play(&scenario, &target, &mut audience, &stop));
    }
}
