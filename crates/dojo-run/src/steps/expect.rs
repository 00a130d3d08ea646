//! The step `expect`: waits until the observer has decided, or the time is up.

use super::Stage;
use crate::{
    RunError,
    client::Request,
    finding::Finding,
    progress::{Progress, State},
};
use dojo_scenario::{
    Placeholders, Planned, Text,
    document::{Count, Expectation, Subject},
    observe::Judgement,
};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Shortest time between two judgements of an expectation while events arrive.
const JUDGE_EVERY: Duration = Duration::from_millis(20);
/// How soon an order service answers that isn't held up.
const PROMPT: Duration = Duration::from_secs(1);

impl Stage<'_> {
    /// Waits for an expectation and records what came of it.
    pub(super) async fn expect(
        &mut self,
        planned: &Planned<'_>,
        expectation: &Expectation,
    ) -> Result<String, RunError> {
        let number = planned.number;
        let holds_at_once = holds_at_once(expectation);
        let mut news = self.watched.subscribe();
        let start = Instant::now();
        let mut deadline = start + expectation.within;
        self.watched.send_modify(|watched| {
            watched.observer.begin(number);
            watched.waits_for = Some(number);
        });
        let (met, seen, evidence) = loop {
            let time_is_up = Instant::now() >= deadline;
            let (Judgement { met, seen }, evidence) = {
                let watched = news.borrow_and_update();
                if let Some(error) = &watched.ended {
                    return Err(error.clone());
                }
                let mut judgement = watched.observer.judge(number, time_is_up);
                if watched.floods > 0 && !time_is_up && !(holds_at_once && judgement.met == Some(true)) {
                    // The orders so far say nothing about those that are still to come.
                    judgement.met = None;
                }
                // The evidence is of the same moment as the judgement.
                let evidence = judgement.met.map(|met| watched.observer.evidence(number, met));
                (judgement, evidence.unwrap_or_default())
            };
            if let Some(met) = met {
                // Events that are held up somewhere are not events that are missing.
                if time_is_up && let Some(outage) = self.outage().await? {
                    deadline = Instant::now() + outage;
                    continue;
                }
                break (met, seen, evidence);
            }
            self.tell.moved(number + 1, State::Seen(seen));
            let next_judgement = Instant::now() + JUDGE_EVERY;
            tokio::select! {
                () = self.stop.cancelled() => return Err(RunError::Interrupted),
                () = sleep_until(deadline) => {}
                // Can't fail, because `self` holds the sender.
                _ = news.changed() => sleep_until(next_judgement.min(deadline)).await,
            }
        };
        self.watched.send_modify(|watched| watched.waits_for = None);
        let of = Placeholders { run: self.run, number: 1, repetition: planned.repetition };
        let text = Text::new(expectation.to_string()).fill(of);
        let after = start.elapsed();
        let seen = match after.as_millis() {
            0 => format!("{seen} (at once)"),
            millis => format!("{seen} (after {millis} ms)"),
        };
        let ended = format!("{}: {seen}", if met { "met" } else { "not met" });
        let (number, place) = (number + 1, planned.step.place.clone());
        let finding = Finding { number, place, text, met, seen, after, evidence };
        self.tell.tell(Progress::Found { number, finding: finding.clone() }).await;
        self.findings.push(finding);
        Ok(ended)
    }
}

impl Stage<'_> {
    /// Asks whether the order service answers and the stream is connected. If not, returns how long that has been so, once it
    /// has passed.
    async fn outage(&self) -> Result<Option<Duration>, RunError> {
        let (asked, silent) = (Instant::now(), self.watched.borrow().heard.elapsed());
        let request = Request::to("GET /healthz");
        self.unless_stopped(self.client.ask_patiently(&request)).await??;
        let mut news = self.watched.subscribe();
        let connected = news.wait_for(|watched| watched.connected || watched.ended.is_some());
        // Can't fail, because `self` holds the sender. The stream is resumed in time, or has ended.
        let _ = self.unless_stopped(connected).await?;
        let took = asked.elapsed();
        Ok((took > PROMPT).then_some(took + silent))
    }
}

/// Returns whether an expectation that is met stays so whatever orders follow, or is about this moment alone.
fn holds_at_once(expectation: &Expectation) -> bool {
    match &expectation.subject {
        Subject::Events(events) => matches!(events.count, Count::AtLeast(_)),
        Subject::Http(_) => false,
        Subject::Rebalances(rebalances) => rebalances.at_most.is_none(),
        Subject::Lag(_) | Subject::Owner(_) | Subject::Members(_) => true,
    }
}
