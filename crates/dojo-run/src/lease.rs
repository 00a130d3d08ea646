//! The lease of a run: the order service lends the dojo to one run at a time, and puts back what the run changed once the run
//! has ended or has been silent for six seconds.
//!
//! A change that belongs to the run carries its id in the header `Dojo-Run`. So this program never has to remember what was
//! there before it.

use crate::{
    RunError,
    client::{Client, Request},
    reports::{Event, Outbox, cut},
};
use dojo_contract::{Run, RunGuess, RunQuestion, RunVerdict};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// How long a report may take. A connection that hangs must not cost the lease, which lasts for six seconds.
const REPORTED_WITHIN: Duration = Duration::from_secs(2);
/// The shortest time between two reports.
const REPORT_EVERY: Duration = Duration::from_millis(250);
/// How often the lease is renewed if there is nothing to report, and so how soon this program hears what the room wants.
const RENEW_EVERY: Duration = Duration::from_millis(500);
/// How long the last reports may take, so that an order service that restarts still gets them.
const FLUSHED_WITHIN: Duration = Duration::from_secs(20);
/// How long the end of an interrupted run may take. The order service undoes the run by itself soon after.
const LEFT_WITHIN: Duration = Duration::from_secs(4);
/// How long the order service may be away before the run gives up: as long as it takes to restart.
const AWAY_AT_MOST: Duration = Duration::from_secs(30);

/// Most refusals that are told.
const MAX_REFUSED: usize = 10;

const POST_RUNS: &str = "POST /runs";

/// What `POST /runs` takes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewRun<'a> {
    pub run_id: &'a str,
    pub scenario: &'a str,
    pub alongside: bool,
    pub seed: u64,
    pub file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lesson: Option<String>,
}

impl<'a> NewRun<'a> {
    /// A run of `scenario`, whose texts are cut to what the order service takes.
    pub fn new(run_id: &'a str, scenario: &'a dojo_scenario::Scenario, seed: u64, alongside: bool) -> Self {
        let lesson = scenario.lesson().map(str::trim).filter(|lesson| !lesson.is_empty());
        let lesson = lesson.map(|lesson| cut(lesson, Run::LESSON_MAX_CHARS));
        let file = cut(&scenario.file, Run::FILE_MAX_CHARS);
        Self { run_id, scenario: scenario.name(), alongside, seed, file, lesson }
    }
}

/// A run as the order service shows it, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Shown {
    undone: Vec<String>,
    stop_requested: bool,
    questions: Vec<RunQuestion>,
}

/// The answer about a run that is over: a problem that shows the run.
#[derive(Debug, Deserialize)]
struct Over {
    run: Shown,
}

/// What the order service knew of the room when it last answered.
#[derive(Debug, Default)]
struct Room {
    /// The number of events that it has taken.
    taken: usize,
    stop_requested: bool,
    questions: Vec<RunQuestion>,
    /// The first refusals of single events, in words.
    refused: Vec<String>,
}

/// A lease that is held.
#[derive(Debug)]
pub struct Lease {
    client: Client,
    run: String,
    alongside: bool,
    lost: watch::Receiver<Option<RunError>>,
    room: watch::Receiver<Room>,
    outbox: Arc<Outbox>,
    /// Asks for the last reports.
    ends: CancellationToken,
    reporting: AbortOnDropHandle<()>,
}

impl Lease {
    /// Asks for the lease of the dojo. From then on, renews it, reports what `outbox` has, and cancels `stop` if the room wants
    /// the run to stop.
    ///
    /// # Errors
    /// Another run holds it, or the dojo didn't answer.
    pub async fn acquire(
        client: &Client,
        new: NewRun<'_>,
        outbox: Arc<Outbox>,
        stop: &CancellationToken,
    ) -> Result<Self, RunError> {
        let answer = client.ask(&Request::to(POST_RUNS).json(json!(new))).await?;
        match answer.status {
            201 => {}
            403 | 409 | 422 | 503 => return Err(answer.refusal()),
            status => {
                return Err(RunError::NotADojo { request: POST_RUNS, reason: format!("status {status}") });
            }
        }
        let (lost_sender, lost) = watch::channel(None);
        let (room_sender, room) = watch::channel(Room::default());
        let ends = CancellationToken::new();
        let reporter = Reporter {
            client: client.clone(),
            run: new.run_id.to_owned(),
            outbox: outbox.clone(),
            ends: ends.clone(),
            room: room_sender,
            lost: lost_sender,
            stop: stop.clone(),
        };
        let reporting = AbortOnDropHandle::new(tokio::spawn(reporter.report()));
        let (client, run) = (client.clone(), new.run_id.to_owned());
        Ok(Self { client, run, alongside: new.alongside, lost, room, outbox, ends, reporting })
    }

    /// Returns whether this run plays alongside another and so changes nothing.
    pub fn is_alongside(&self) -> bool {
        self.alongside
    }

    /// Returns a request that belongs to this run, so that its change is put back at the end.
    pub fn own(&self, request: Request) -> Request {
        request.header(Run::HEADER, &self.run)
    }

    /// Waits until the lease is lost, and returns why.
    pub async fn lost(&self) -> RunError {
        let mut lost = self.lost.clone();
        match lost.wait_for(Option::is_some).await {
            Ok(error) => error.clone().unwrap_or(RunError::Interrupted),
            // The renewing task ended without a word, which only happens at the end of the run.
            Err(_) => std::future::pending().await,
        }
    }

    /// Returns whether the room wanted the run to stop.
    pub fn is_stopped_by_the_room(&self) -> bool {
        self.room.borrow().stop_requested
    }

    /// Waits until the question with this number is closed on the page.
    pub async fn closed(&self, number: usize) {
        let mut room = self.room.clone();
        let closed = room.wait_for(|room| room.question(number).is_some_and(|question| !question.open)).await;
        if closed.is_err() {
            // The lease is lost, which ends the run elsewhere.
            std::future::pending::<()>().await;
        }
    }

    /// Waits, for a bounded time, until the order service has taken every report so far.
    pub async fn reported(&self) {
        let (total, mut room) = (self.outbox.total(), self.room.clone());
        // Without an answer, what is known stays as it is.
        let _ = timeout(REPORTED_WITHIN, room.wait_for(|room| room.taken >= total)).await;
    }

    /// Returns how the room has guessed at the question with this number.
    pub fn guesses(&self, number: usize) -> Vec<RunGuess> {
        self.room.borrow().question(number).map(|question| question.guesses.clone()).unwrap_or_default()
    }

    /// Ends the run. Returns which events the order service refused and what it put back, in sentences.
    ///
    /// # Errors
    /// The order service didn't answer for a while.
    pub async fn end(self, verdict: RunVerdict, failure: Option<String>) -> Result<Vec<String>, RunError> {
        let Self { client, run, ends, reporting, room, .. } = self;
        // What was told before comes before the end.
        ends.cancel();
        let is_interrupted = verdict == RunVerdict::Interrupted;
        let _ = timeout(if is_interrupted { REPORTED_WITHIN } else { FLUSHED_WITHIN }, reporting).await;
        let ended = report(&run, &[Event::Ended { verdict, failure }]);
        let answer = match is_interrupted {
            true => client.ask_within(&ended, LEFT_WITHIN).await?,
            false => client.ask_patiently(&ended).await?,
        };
        let undone = match answer.status {
            // The order service has ended the run before, and tells what it put back then.
            410 => answer.json::<Over>()?.run.undone,
            _ => answer.with(&[200])?.json::<Shown>()?.undone,
        };
        Ok(room.borrow().refused.iter().cloned().chain(undone).collect())
    }
}

impl Room {
    fn question(&self, number: usize) -> Option<&RunQuestion> {
        self.questions.iter().find(|question| usize::try_from(question.number) == Ok(number))
    }
}

fn report(run: &str, events: &[Event]) -> Request {
    Request::to("POST /runs/{id}/events").at(format!("/runs/{run}/events")).json(json!(events))
}

/// Sends what a run reports, and renews the lease in between, until the run ends or has lost its lease.
struct Reporter {
    client: Client,
    run: String,
    outbox: Arc<Outbox>,
    ends: CancellationToken,
    room: watch::Sender<Room>,
    lost: watch::Sender<Option<RunError>>,
    stop: CancellationToken,
}

impl Reporter {
    async fn report(self) {
        let mut tick = interval(REPORT_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut answered, mut unsent, mut renewed) = (Instant::now(), Vec::new(), None::<Instant>);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.ends.cancelled(), if !self.ends.is_cancelled() => {}
            }
            if unsent.is_empty() {
                unsent = self.outbox.take();
            }
            if unsent.is_empty() && self.ends.is_cancelled() {
                return;
            }
            if unsent.is_empty() && renewed.is_some_and(|renewed| renewed.elapsed() < RENEW_EVERY) {
                continue;
            }
            renewed = Some(Instant::now());
            let sent = match self.send(&unsent).await {
                Ok(422) => self.send_one_by_one(&mut unsent).await,
                sent => sent,
            };
            let why = match sent {
                Ok(404) => "the order service doesn't know the run any more",
                Ok(409 | 410) => "the order service has heard nothing of it for too long and has ended it",
                Ok(status) if status < 300 => {
                    answered = Instant::now();
                    self.room.send_modify(|room| room.taken += unsent.len());
                    unsent.clear();
                    continue;
                }
                _ if answered.elapsed() > AWAY_AT_MOST => {
                    "the order service hasn't answered for half a minute"
                }
                // The same events are sent again.
                _ => continue,
            };
            self.lost.send_replace(Some(RunError::LeaseLost(why)));
            return;
        }
    }

    /// Sends events one by one, after the order service refused all of them because of one. Removes those that it took or refused,
    /// and returns the first other status.
    async fn send_one_by_one(&self, unsent: &mut Vec<Event>) -> Result<u16, RunError> {
        while let Some(event) = unsent.first() {
            let status = self.send(std::slice::from_ref(event)).await?;
            if status >= 300 && status != 422 {
                return Ok(status);
            }
            unsent.remove(0);
            self.room.send_modify(|room| room.taken += 1);
        }
        Ok(200)
    }

    /// Sends events, or renews the lease if there are none. Keeps what the answer says about the room, and returns its status.
    async fn send(&self, events: &[Event]) -> Result<u16, RunError> {
        let request = report(&self.run, if events.is_empty() { &[Event::Renewed] } else { events });
        let answer = self.client.ask_within(&request, REPORTED_WITHIN).await?;
        if let (422, [_]) = (answer.status, events) {
            self.room.send_modify(|room| {
                if room.refused.len() < MAX_REFUSED {
                    room.refused.push(format!("the page misses an event of this run: {}", answer.refusal()));
                }
            });
            return Ok(422);
        }
        if let (200, Ok(shown)) = (answer.status, answer.json::<Shown>()) {
            self.room.send_modify(|room| {
                room.stop_requested |= shown.stop_requested;
                room.questions = shown.questions;
            });
            if shown.stop_requested {
                self.stop.cancel();
            }
        }
        Ok(answer.status)
    }
}
