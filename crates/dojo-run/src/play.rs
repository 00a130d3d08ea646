//! Plays one scenario against one dojo: opens the event stream, remembers the settings, plays the steps in order, and
//! restores the settings at the end, also after an error or an interruption.
//!
//! A missed expectation doesn't end the run; an error does. A change of settings is never interrupted half-way, so that
//! the old settings are restored after it.

use crate::{
    RunError, Target,
    client::{ANSWER_WITHIN, Client},
    events::{self, Watched},
    exit, flood,
    ledger::Ledger,
    scenario::{Expectation, Scenario, SettingsChange, Step},
    settings,
    verdict::{Finding, Judge, Judgement},
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

/// Shortest time between two judgements of an expectation while events arrive.
const JUDGE_EVERY: Duration = Duration::from_millis(20);

/// What a caller can show while a scenario plays.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// A step has begun.
    Began {
        /// The step's number, from 1.
        number: usize,
        /// The number of steps.
        of: usize,
        /// The step in words.
        step: &'a str,
    },
    /// The state of the step, in place of its last one.
    Moved(&'a str),
    /// The step is done.
    Ended(&'a str),
    /// A text of the scenario for the room.
    Said(&'a str),
    /// Something worth knowing that isn't a failure.
    Noted(&'a str),
}

/// The result of playing a scenario.
#[derive(Debug)]
pub struct Played {
    /// The short name of the run, the value of `${run}`.
    pub run: String,
    /// Orders placed.
    pub orders: usize,
    /// The finding of each expectation that was reached, in order.
    pub findings: Vec<Finding>,
    /// Why the scenario was not played to its end.
    pub error: Option<RunError>,
    /// Why the settings could not be restored.
    pub not_restored: Option<RunError>,
}

impl Played {
    /// Exit code of a run with this scenario alone.
    pub fn exit_code(&self) -> u8 {
        let met = if self.findings.iter().all(|finding| finding.met) { exit::MET } else { exit::NOT_MET };
        let codes = self.error.iter().chain(&self.not_restored).map(RunError::exit_code);
        codes.fold(met, exit::worse)
    }
}

/// Plays `scenario` against `target` until its end or `stop`, and reports the progress to `audience`.
///
/// Takes at most as long as the scenario's schedule and waits, plus a bounded time for each answer of the target. To stop
/// it, cancel `stop`: dropping the future leaves the settings as the scenario set them.
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
    /// Returns why the scenario was not played to its end, and why the settings could not be restored.
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

    /// Opens the event stream and, if the scenario changes settings, gets their values.
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

    /// Plays one step and returns its result in words.
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
                let report = |text: String| audience(Progress::Moved(&text));
                let place = |n| flood::place(client, self.watched, flood.order.fill(self.run, n));
                let went = flood::send(flood, place, report, self.stop).await?;
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
            let Judgement { tally, met, examples } = {
                let watched = news.borrow_and_update();
                if let Some(error) = &watched.ended {
                    return Err(error.clone());
                }
                judge.judge(watched.ledger.orders(), time_is_up)
            };
            if let Some(met) = met {
                let expectation = expectation.clone();
                return Ok(Finding { step, expectation, met, tally, took: start.elapsed(), examples });
            }
            (self.audience)(Progress::Moved(&format!(
                "{} seen, {} orders open",
                tally.seen, tally.unsettled
            )));
            let next_judgement = Instant::now() + JUDGE_EVERY;
            tokio::select! {
                () = self.stop.cancelled() => return Err(RunError::Interrupted),
                () = sleep_until(deadline) => {}
                // Can't fail, because `self` holds the sender.
                _ = news.changed() => sleep_until(next_judgement.min(deadline)).await,
            }
        }
    }

    async fn change_settings(&mut self, change: &SettingsChange, client: &Client) -> Result<(), RunError> {
        if let Some(waiting) = client.change_settings(&Value::Object(change.0.clone())).await? {
            (self.audience)(Progress::Noted(&format!("the settings are not applied yet by {waiting}")));
        }
        Ok(())
    }

    async fn restore(&mut self, client: &Client, before: &Settings) -> Result<(), RunError> {
        let patch = settings::restoring(before, self.scenario.settings_changes());
        match client.change_settings(&patch).await {
            Ok(None) => (self.audience)(Progress::Noted("the settings are restored")),
            Ok(Some(waiting)) => {
                (self.audience)(Progress::Noted(&format!(
                    "the settings are restored, but not applied yet by {waiting}"
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

/// Returns the result of `work`, or [`RunError::Interrupted`] if `stop` is cancelled first.
async fn unless_stopped<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Result<T, RunError> {
    tokio::select! {
        done = work => Ok(done),
        () = stop.cancelled() => Err(RunError::Interrupted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::fact;
    use dojo_contract::AuditAction;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// How often the orders are claimed and notified, one after another, while the expectation is judged.
    const ROUNDS: usize = 2_000;
    const ORDERS: u128 = 3;

    #[test]
    fn the_tally_and_the_examples_of_a_finding_are_of_one_moment() {
        let yaml =
            b"name: Test\nsteps:\n  - order: { customerName: Ada, item: Pizza, quantity: 1, price: 1 }\n  \
            - expect: { action: NOTIFIED, exactly: 0, within: 0s }\n";
        let scenario = Scenario::parse("test.yaml", yaml).unwrap();
        let [_, Step::Expect(expectation)] = scenario.steps() else { panic!("not an expectation") };
        let (watched, _) = watch::channel(Watched { ledger: Ledger::new(ANSWER_WITHIN), ended: None });
        let (stop, done) = (CancellationToken::new(), AtomicBool::new(false));
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for _ in 0..ROUNDS {
                    watched.send_modify(|watched| watched.ledger = Ledger::new(ANSWER_WITHIN));
                    for order in 1..=ORDERS {
                        watched.send_modify(|watched| {
                            watched.ledger.claim(Uuid::from_u128(order), "Ada".to_owned());
                            let now = std::time::Instant::now();
                            watched.ledger.observe(fact(order, AuditAction::Notified, 0), now);
                        });
                    }
                }
                done.store(true, Ordering::Relaxed);
            });
            let (mut audience, mut findings) = (|_: Progress<'_>| {}, Vec::new());
            let mut stage = Stage {
                scenario: &scenario,
                run: "run",
                watched: &watched,
                audience: &mut audience,
                stop: &stop,
                findings: &mut findings,
            };
            while !done.load(Ordering::Relaxed) {
                let finding = futures::executor::block_on(stage.expect(1, expectation)).unwrap();
                assert_eq!(finding.examples.len(), finding.tally.orders, "{finding:?}");
                assert_eq!(finding.examples.len() as u64, finding.tally.seen, "{finding:?}");
            }
        });
    }

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
