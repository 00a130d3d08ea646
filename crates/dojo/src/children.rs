//! The supervisor's child processes: starts those that are wanted, and ends those that aren't any more.

use crate::{
    child::{LogStyle, keep_alive},
    plan::{Plan, Planned},
};
use anyhow::Context as _;
use dojo_contract::{Service, topic};
use dojo_kafka::{Outgoing, Producer};
use std::{collections::BTreeMap, sync::Arc};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// The child processes, by instance.
struct Children {
    plan: Arc<Plan>,
    producer: Producer,
    running: BTreeMap<String, Child>,
    tasks: JoinSet<(String, anyhow::Result<()>)>,
    end: CancellationToken,
}

/// A child that runs or ends.
struct Child {
    service: Service,
    end: CancellationToken,
}

/// Runs the instances that are `wanted` at the moment, until `end`. An instance that isn't wanted any more also disappears
/// from `dojo-status`, to which `producer` sends.
///
/// # Errors
/// A child can't run. Then all others end, too.
pub(crate) async fn run(
    plan: Arc<Plan>,
    mut wanted: watch::Receiver<Vec<Planned>>,
    producer: Producer,
    end: CancellationToken,
) -> anyhow::Result<()> {
    let mut children = Children { plan, producer, running: BTreeMap::new(), tasks: JoinSet::new(), end };
    let mut result = Ok(());
    loop {
        let now = wanted.borrow_and_update().clone();
        children.adjust(&now);
        tokio::select! {
            Ok(()) = wanted.changed() => {}
            ended = children.tasks.join_next() => {
                let Some(ended) = ended else { return result };
                let ended = ended.context("a task of the supervisor failed").and_then(|(id, ended)| {
                    children.running.remove(&id);
                    ended
                });
                if ended.is_err() {
                    children.end.cancel();
                }
                result = result.and(ended);
            }
        }
    }
}

impl Children {
    /// Starts and ends children until the right ones run. One that still ends is started again only after its end.
    fn adjust(&mut self, wanted: &[Planned]) {
        if self.end.is_cancelled() {
            return;
        }
        for (id, child) in &self.running {
            let is_wanted = wanted.iter().any(|(service, other)| other == id && *service == child.service);
            if !is_wanted && !child.end.is_cancelled() {
                tracing::info!(instance = id, "ending it, as the settings ask");
                child.end.cancel();
            }
        }
        let is_first = self.running.is_empty();
        for (service, id) in wanted {
            if !self.running.contains_key(id) {
                if !is_first {
                    tracing::info!(instance = id, "starting it, as the settings ask");
                }
                self.start(*service, id);
            }
        }
    }

    fn start(&mut self, service: Service, id: &str) {
        let (plan, producer, id) = (Arc::clone(&self.plan), self.producer.clone(), id.to_owned());
        let style = LogStyle { format: plan.telemetry.log_format, colour: plan.colour() };
        let (all_end, end) = (self.end.clone(), self.end.child_token());
        self.running.insert(id.clone(), Child { service, end: end.clone() });
        self.tasks.spawn(async move {
            let instance = id.clone();
            let ended = keep_alive(id.clone(), move || plan.command(service, &instance), style, end).await;
            if ended.is_ok() && !all_end.is_cancelled() {
                forget(&producer, &id).await;
            }
            (id, ended)
        });
    }
}

/// Removes an instance from `dojo-status`, so that the page doesn't show it until its silence is long enough.
async fn forget(producer: &Producer, id: &str) {
    let key = Some(id.as_bytes().to_vec());
    let removal = Outgoing { topic: topic::STATUS, key, value: None, headers: Vec::new(), timestamp: None };
    if let Err(error) = producer.send(removal).await {
        tracing::debug!(%error, instance = id, "still on dojo-status");
    }
}
