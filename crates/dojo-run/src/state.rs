//! Follows the state of the dojo that no event carries: lag, owners, members, rebalances and committed offsets. Each part is
//! asked for only while an expectation or a promise needs it, and on its own, so that a slow answer doesn't hold up the others.

use crate::{
    RunError,
    client::{Answer, Client, Request},
    events::Watched,
};
use serde_json::Value;
use std::time::Duration;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

/// How often a part is asked for.
const EVERY: Duration = Duration::from_millis(500);

/// How long the list of rebalances must stay the same, and how long that may take.
const QUIET_FOR: Duration = Duration::from_secs(3);
const QUIET_WITHIN: Duration = Duration::from_secs(20);

/// A part of the state.
#[derive(Debug, Clone, Copy)]
enum Part {
    Status,
    Rebalances,
    Committed,
}

const PARTS: [Part; 3] = [Part::Status, Part::Rebalances, Part::Committed];

/// Follows the state until it is dropped. A dojo that doesn't answer is asked again.
pub(crate) async fn follow(client: Client, watched: watch::Sender<Watched>) {
    futures::future::join_all(PARTS.map(|part| part.follow(&client, &watched))).await;
}

/// Waits, if the run counts rebalances, until those before it are over: the list stays the same, and each is settled. The order
/// service looks at the groups once a second, and what an earlier run put back may still move partitions.
///
/// # Errors
/// The dojo doesn't answer.
pub(crate) async fn until_quiet(client: &Client, watched: &watch::Sender<Watched>) -> Result<(), RunError> {
    if !watched.borrow().observer.needs(None).rebalances {
        return Ok(());
    }
    let deadline = Instant::now() + QUIET_WITHIN;
    let mut last = Value::Null;
    while Instant::now() < deadline {
        let request = Request::to(Part::Rebalances.route());
        let list: Value = client.ask_patiently(&request).await?.with(&[200])?.json()?;
        let rebalances = list.get("rebalances").cloned().unwrap_or_default();
        let newest = rebalances.get(0);
        let is_settled = newest.is_none_or(|newest| !newest["settledAt"].is_null());
        if is_settled && rebalances == last {
            break;
        }
        last = rebalances;
        sleep(QUIET_FOR).await;
    }
    Ok(())
}

/// Asks for every part that is needed from the beginning, and shows what was before the first step.
///
/// # Errors
/// The dojo doesn't answer.
pub(crate) async fn look(client: &Client, watched: &watch::Sender<Watched>) -> Result<(), RunError> {
    for part in PARTS.into_iter().filter(|part| part.is_needed(&watched.borrow())) {
        part.see(client.ask_patiently(&Request::to(part.route())).await?, watched)?;
    }
    Ok(())
}

impl Part {
    async fn follow(self, client: &Client, watched: &watch::Sender<Watched>) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if self.is_needed(&watched.borrow())
                && let Ok(answer) = client.ask(&Request::to(self.route())).await
            {
                // A dojo that can't answer now is asked again.
                let _ = self.see(answer, watched);
            }
        }
    }

    fn see(self, answer: Answer, watched: &watch::Sender<Watched>) -> Result<(), RunError> {
        let answer: Value = answer.with(&[200])?.json()?;
        let now = Instant::now().into_std();
        watched.send_modify(|Watched { observer, .. }| match self {
            Self::Status => observer.status(&answer),
            Self::Rebalances => observer.rebalances(&answer),
            Self::Committed => observer.committed(&answer, now),
        });
        Ok(())
    }

    fn route(self) -> &'static str {
        match self {
            Self::Status => "GET /status",
            Self::Rebalances => "GET /rebalances",
            Self::Committed => "GET /topics",
        }
    }

    fn is_needed(self, watched: &Watched) -> bool {
        let needs = watched.observer.needs(watched.waits_for);
        match self {
            Self::Status => needs.status,
            Self::Rebalances => needs.rebalances,
            Self::Committed => needs.committed,
        }
    }
}
