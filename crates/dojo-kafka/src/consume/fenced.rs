//! Two processes with one name: the newer one has fenced this one, which waits until the newer one has ended.
//!
//! If this process joined again at once, it would fence the other one in turn, and so on without end. So it stays up,
//! reports why it isn't ready, and joins again only when the other one has reported its end or has missed three reports.
//!
//! A process reports before it joins. So if the reports name no other process, this one was fenced by itself, as happens
//! when its broker was killed and an old heartbeat arrives after it has joined again; then it joins again at once.

use super::member::Job;
use crate::{Error, Isolation, StartFrom, Tailed, tail};
use chrono::Utc;
use dojo_contract::{InstanceState, InstanceStatus, time, topic};
use parking_lot::Mutex;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until no other process reports under the id of the job's instance, or until shutdown; meanwhile the job's progress
/// names the process that it waits for.
pub(super) fn wait_for_rival_to_end(job: &Job) -> Result<(), Error> {
    let Job { kafka, progress, shutdown, .. } = job;
    let instance = &job.consume.instance;
    let id = &instance.id;
    let unknown = format!(
        "another process has taken the name {id} on this Kafka; give one of them another INSTANCE_ID"
    );
    tracing::warn!("{unknown}");
    progress.fenced(unknown);
    // `None` once the other process has reported its end, or never existed.
    let last_report = Arc::new(Mutex::new(Some(Instant::now())));
    let (own, reported) = (instance.clone(), Arc::clone(&last_report));
    let known = progress.clone();
    let mut rival = None;
    let client_id = format!("{id}-fenced");
    let since = StartFrom::Time(Utc::now() - InstanceStatus::SILENCE);
    let _tail =
        tail(kafka, &client_id, topic::STATUS, since, Isolation::ReadCommitted, shutdown, move |tailed| {
            let record = match tailed {
                Tailed::Record(record) => record,
                Tailed::CaughtUp { .. } if rival.is_none() => return *reported.lock() = None,
                _ => return,
            };
            let status = record.value.and_then(|value| serde_json::from_slice::<InstanceStatus>(value).ok());
            let Some(status) = status.filter(|status| own.is_rival(status)) else { return };
            let is_live = status.state != InstanceState::Stopped;
            *reported.lock() = is_live.then(Instant::now);
            let process = (status.pid, status.started_at);
            if rival != Some(process) {
                rival = Some(process);
                let why = format!(
                    "another process is {}: pid {}, started at {}; this process waits until it ends; \
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
    while !shutdown.is_cancelled() && last_report.lock().is_some_and(|last| last.elapsed() < silence) {
        std::thread::sleep(LOOK_EVERY);
    }
    if !shutdown.is_cancelled() {
        tracing::info!("no other process reports as {id} now; joining again");
    }
    Ok(())
}
