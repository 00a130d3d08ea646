//! The lease of a run: the order service lends the dojo to one run at a time, and puts back what the run changed once the run
//! has ended or has been silent for six seconds.
//!
//! A change that belongs to the run carries its id in the header `Dojo-Run`. So this program never has to remember what was
//! there before it.

use crate::{
    RunError,
    client::{Client, Request},
};
use dojo_contract::{Run, RunVerdict};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::task::AbortOnDropHandle;

/// How long a report may take. A connection that hangs must not cost the lease, which lasts for six seconds.
const REPORTED_WITHIN: Duration = Duration::from_secs(2);
/// Reports that wait to be sent. More than that are dropped: they are for those who watch.
const UNSENT: usize = 64;
/// How long the end of an interrupted run may take. The order service undoes the run by itself soon after.
const LEFT_WITHIN: Duration = Duration::from_secs(5);
/// How long the order service may be away before the run gives up: as long as it takes to restart.
const AWAY_AT_MOST: Duration = Duration::from_secs(30);

const POST_RUNS: &str = "POST /runs";

/// A run as the order service shows it, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Shown {
    #[serde(default)]
    undone: Vec<String>,
}

/// The answer about a run that is over: a problem that shows the run.
#[derive(Debug, Deserialize)]
struct Over {
    run: Shown,
}

/// A lease that is held.
#[derive(Debug)]
pub struct Lease {
    client: Client,
    run: String,
    alongside: bool,
    lost: watch::Receiver<Option<RunError>>,
    reports: mpsc::Sender<Value>,
    reporting: AbortOnDropHandle<()>,
}

impl Lease {
    /// Asks for the lease of the dojo and renews it from then on.
    ///
    /// # Errors
    /// Another run holds it, or the dojo didn't answer.
    pub async fn acquire(
        client: &Client,
        run: &str,
        scenario: &str,
        alongside: bool,
    ) -> Result<Self, RunError> {
        let body = json!({"runId": run, "scenario": scenario, "alongside": alongside});
        let answer = client.ask(&Request::to(POST_RUNS).json(body)).await?;
        match answer.status {
            201 => {}
            403 | 409 | 422 | 503 => return Err(answer.refusal()),
            status => {
                return Err(RunError::NotADojo { request: POST_RUNS, reason: format!("status {status}") });
            }
        }
        let (lost_sender, lost) = watch::channel(None);
        let (reports, unsent) = mpsc::channel(UNSENT);
        let (client, run) = (client.clone(), run.to_owned());
        let reporting = tokio::spawn(report(client.clone(), run.clone(), unsent, lost_sender));
        let reporting = AbortOnDropHandle::new(reporting);
        Ok(Self { client, run, alongside, lost, reports, reporting })
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

    /// Tells the order service what the run does or found, without waiting for an answer.
    pub fn tell(&self, event: Value) {
        let _ = self.reports.try_send(event);
    }

    /// Ends the run. Returns what the order service put back, in sentences.
    ///
    /// # Errors
    /// The order service didn't answer for a while.
    pub async fn end(self, verdict: RunVerdict) -> Result<Vec<String>, RunError> {
        let Self { client, run, reports, reporting, .. } = self;
        // What was told before comes before the end.
        drop(reports);
        let _ = timeout(REPORTED_WITHIN, reporting).await;
        let ended = events(&run, json!({"type": "ended", "verdict": verdict.name()}));
        let answer = match verdict {
            RunVerdict::Interrupted => client.ask_within(&ended, LEFT_WITHIN).await?,
            _ => client.ask_patiently(&ended).await?,
        };
        match answer.status {
            // The order service has ended the run before, and tells what it put back then.
            410 => Ok(answer.json::<Over>()?.run.undone),
            _ => Ok(answer.with(&[200])?.json::<Shown>()?.undone),
        }
    }
}

fn events(run: &str, event: Value) -> Request {
    Request::to("POST /runs/{id}/events").at(format!("/runs/{run}/events")).json(event)
}

/// Sends what the run tells, and renews the lease in between, until the run ends or has lost its lease.
async fn report(
    client: Client,
    run: String,
    mut unsent: mpsc::Receiver<Value>,
    lost: watch::Sender<Option<RunError>>,
) {
    let mut tick = interval(Run::RENEW_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answered = Instant::now();
    loop {
        let event = tokio::select! {
            event = unsent.recv() => match event {
                Some(event) => event,
                None => return,
            },
            _ = tick.tick() => json!({"type": "renewed"}),
        };
        let status =
            client.ask_within(&events(&run, event), REPORTED_WITHIN).await.map(|answer| answer.status);
        let why = match status {
            Ok(404) => "the order service doesn't know the run any more",
            Ok(409 | 410) => "the order service has heard nothing of it for too long and has ended it",
            Ok(status) if status < 300 || status == 422 => {
                answered = Instant::now();
                continue;
            }
            _ if answered.elapsed() > AWAY_AT_MOST => "the order service hasn't answered for half a minute",
            _ => continue,
        };
        lost.send_replace(Some(RunError::LeaseLost(why)));
        return;
    }
}
