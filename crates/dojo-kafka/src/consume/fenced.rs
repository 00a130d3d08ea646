//! Two processes of one name: the newer one has fenced this one, which waits until that one is gone.
//!
//! Joining again at once would fence the other in turn, and so on without end. So this process stays up, reports why it
//! isn't ready, and joins again only when the other one has said that it stopped, or has missed three reports.
//!
//! A process reports before it joins, so where the reports name no other process, there is none: a member can be fenced
//! by itself, when its broker was killed and a heartbeat from before arrives after it has joined again. It joins again at
//! once.

use super::member::Job;
use crate::{Error, From, Isolation, Tailed, tail};
use chrono::Utc;
use dojo_contract::{InstanceState, InstanceStatus, time, topic};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until no other process reports under the id of the job's instance, or until its shutdown; meanwhile its progress
/// says which one it waits for.
pub(super) fn wait_for_rival_to_end(job: &Job) -> Result<(), Error> {
    let Job { kafka, progress, shutdown, .. } = job;
    let instance = &job.consume.instance;
    let id = &instance.id;
    let unknown = format!(
        "another process has taken the name {id} on this Kafka; give one of them another INSTANCE_ID"
    );
    tracing::warn!("{unknown}");
    progress.fenced(unknown);
    // `None` once the other process has said that it stopped, or was never there.
    let last_report = Arc::new(Mutex::new(Some(Instant::now())));
    let (own, reported) = (instance.clone(), Arc::clone(&last_report));
    let known = progress.clone();
    let mut rival = None;
    let client_id = format!("{id}-fenced");
    let since = From::Time(Utc::now() - InstanceStatus::SILENCE);
    let _tail =
        tail(kafka, &client_id, topic::STATUS, since, Isolation::ReadCommitted, shutdown, move |tailed| {
            let record = match tailed {
                Tailed::Record(record) => record,
                Tailed::CaughtUp { .. } if rival.is_none() => return *lock(&reported) = None,
                _ => return,
            };
            let status = record.value.and_then(|value| serde_json::from_slice::<InstanceStatus>(value).ok());
            let Some(status) = status.filter(|status| own.is_rival(status)) else { return };
            let is_live = status.state != InstanceState::Stopped;
            *lock(&reported) = is_live.then(Instant::now);
            let process = (status.pid, status.started_at);
            if rival != Some(process) {
                rival = Some(process);
                let why = format!(
                    "another process is {}: pid {}, started at {}; this one waits until that one ends; \
                 give one of them another INSTANCE_ID",
                    status.instance_id,
                    status.pid,
                    time::format(status.started_at),
                );
                tracing::warn!("{why}");
                known.fenced(why);
            }
        })?;
    let silence = InstanceStatus::SILENCE.to_std().unwrap_or(Duration::from_secs(6));
    while !shutdown.is_cancelled() && lock(&last_report).is_some_and(|last| last.elapsed() < silence) {
        std::thread::sleep(LOOK_EVERY);
    }
    tracing::info!("no other process reports as {id} any more; joining again");
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
