//! What clients ask of single instances: to stop, to start, to crash, to be there or not.
//!
//! Each wish is a record on `dojo-settings`, which the instance or the supervisor follows, and has its effect once a report
//! on `dojo-status` says so.

use crate::{
    read_models::ReadModels,
    write::{
        WriteError,
        settings::{Change, SettingsRecord, SettingsWriter},
    },
};
use chrono::{DateTime, Utc};
use dojo_contract::{
    Control, ControlKind, DesiredProcess, DesiredState, InstanceControl, InstanceState, InstanceStatus,
    Service, Settings,
};
use std::{collections::BTreeSet, sync::Arc};
use tokio::time::{Instant, timeout_at};

/// Writes wishes about instances, for a run if there is one.
pub(crate) struct InstanceWriter {
    settings: Arc<SettingsWriter>,
    models: Arc<ReadModels>,
    /// Id of this order service.
    own_id: String,
}

/// Whether the settings know an instance that doesn't report: they ask something of it, and not to be gone.
pub(crate) fn is_known(control: &InstanceControl) -> bool {
    let InstanceControl { state, process, crash: _ } = control;
    match process {
        None => *state != DesiredState::default(),
        Some(process) => *process != DesiredProcess::None,
    }
}

impl InstanceWriter {
    pub(crate) fn new(settings: Arc<SettingsWriter>, models: Arc<ReadModels>, own_id: String) -> Self {
        Self { settings, models, own_id }
    }

    /// Asks an instance to work or to stop. Returns whether it has reported in time that it does.
    pub(crate) async fn set_state(
        &self,
        id: &str,
        state: DesiredState,
        run: Option<&str>,
    ) -> Result<bool, WriteError> {
        let choose = |settings: &Settings| {
            self.member(id, settings)?;
            Ok((records(settings, id, &[], Control::State(state))?, ()))
        };
        let Change { until, offset, .. } = self.settings.change(run, choose).await?;
        let is_so = |status: &InstanceStatus| match state {
            // An earlier report may be of the time before it stopped.
            DesiredState::Running => status.is_live(Utc::now()) && status.settings_offset >= offset,
            DesiredState::Stopped => status.state == InstanceState::Stopped && status.is_recent(Utc::now()),
        };
        Ok(self.has_reported(id, is_so, until).await)
    }

    /// Asks the process that reports as `id` to crash.
    pub(crate) async fn crash(&self, id: &str, run: Option<&str>) -> Result<(), WriteError> {
        let choose = |settings: &Settings| {
            let status = self.member(id, settings)?.filter(|status| status.is_recent(Utc::now()));
            let nobody = || {
                let seconds = InstanceStatus::SILENCE.num_seconds();
                WriteError::Conflict(format!(
                    "no process has reported as {id} in the last {seconds} s, so there is nothing to crash"
                ))
            };
            let crash = Control::Crash(status.ok_or_else(nobody)?.started_at);
            let mut records = self.crashes_of_the_gone(settings);
            records.extend(self::records(settings, id, &[], crash)?);
            Ok((records, ()))
        };
        self.settings.change(run, choose).await.map(drop)
    }

    /// Asks the supervisor to run one more instance of `service`. Returns its id, and whether it has reported in time.
    pub(crate) async fn add(
        &self,
        service: Service,
        run: Option<&str>,
    ) -> Result<(String, bool), WriteError> {
        let choose = |settings: &Settings| {
            let in_compose = "In Docker Compose, `docker compose up -d --scale notification-extra=1` adds a notification instance";
            self.needs_supervisor(&format!(
                "would start the process. {in_compose}; anywhere else, run `dojo {}` yourself",
                service.name()
            ))?;
            let id = free_id(service, &self.models.instances.all(), settings, Utc::now())?;
            let process = Control::Process(DesiredProcess::Of(service));
            Ok((records(settings, &id, &LEFT_BEHIND, process)?, id))
        };
        let Change { chosen: id, until, .. } = self.settings.change(run, choose).await?;
        let has_reported = self.has_reported(&id, |_| true, until).await;
        Ok((id, has_reported))
    }

    /// Asks the supervisor to end the process of an instance. Returns whether it has gone in time: not if it ends slowly, and
    /// not if the supervisor doesn't run it.
    pub(crate) async fn remove(&self, id: &str, run: Option<&str>) -> Result<bool, WriteError> {
        let choose = |settings: &Settings| {
            self.member(id, settings)?;
            self.needs_supervisor(
                "would end the process. In Docker Compose, end it with `docker compose stop` and the name of its service; \
                 anywhere else, end the process itself",
            )?;
            let process = Control::Process(DesiredProcess::None);
            Ok((records(settings, id, &[], process)?, ()))
        };
        let Change { until, .. } = self.settings.change(run, choose).await?;
        Ok(self.waited(until, || self.models.instances.get(id).is_none()).await)
    }

    /// Returns the last report of a member of a group; an error if `id` is unknown, or isn't one.
    fn member(&self, id: &str, settings: &Settings) -> Result<Option<InstanceStatus>, WriteError> {
        let status = self.models.instances.get(id);
        let why = match status.as_ref().map(|status| status.service) {
            Some(Service::Order) => ORDER,
            None if id == self.own_id => ORDER,
            Some(Service::Supervisor) => {
                "runs the processes of the instances, and nobody would start it again. End it where it was started"
            }
            None if !is_known(&settings.control(id)) => {
                return Err(WriteError::NoSuchInstance(id.to_owned()));
            }
            None | Some(Service::Notification | Service::Fraud | Service::Audit) => return Ok(status),
        };
        Err(WriteError::Conflict(format!("{id} {why}")))
    }

    /// Returns the records that take back the crashes of instances that are long gone. An instance without a configured name
    /// has another one in its next process, so its crash would stay for ever.
    fn crashes_of_the_gone(&self, settings: &Settings) -> Vec<SettingsRecord> {
        let crashed = settings.controls().filter(|(_, control)| control.crash.is_some());
        let gone = crashed.filter(|(id, _)| self.models.instances.get(id).is_none());
        gone.map(|(id, _)| (ControlKind::Crash.key(id), None)).collect()
    }

    fn needs_supervisor(&self, for_what: &str) -> Result<(), WriteError> {
        let now = Utc::now();
        let mut instances = self.models.instances.all().into_iter();
        if instances.any(|status| status.service == Service::Supervisor && status.is_live(now)) {
            return Ok(());
        }
        Err(WriteError::Conflict(format!("no supervisor reports to this dojo, so nobody {for_what}")))
    }

    /// Waits until the last report of `id` is as wanted; returns whether it is.
    async fn has_reported(&self, id: &str, wanted: impl Fn(&InstanceStatus) -> bool, until: Instant) -> bool {
        self.waited(until, || self.models.instances.get(id).is_some_and(|status| wanted(&status))).await
    }

    /// Waits until something holds of the reports; returns whether it does.
    async fn waited(&self, until: Instant, holds: impl Fn() -> bool) -> bool {
        let mut changes = self.models.instances.changes();
        loop {
            changes.mark_unchanged();
            if holds() {
                return true;
            }
            if timeout_at(until, changes.changed()).await.is_err() {
                return false;
            }
        }
    }
}

const ORDER: &str =
    "is an order service. Stopped, it couldn't serve this API, and nobody could start it again";
/// What an earlier instance of the same id must not leave to a new one.
const LEFT_BEHIND: [ControlKind; 2] = [ControlKind::State, ControlKind::Crash];

/// Returns the records that take back the wishes of these kinds about `id`, as far as there are any, and then make `wish`.
fn records(
    settings: &Settings,
    id: &str,
    taken_back: &[ControlKind],
    wish: Control,
) -> Result<Vec<SettingsRecord>, WriteError> {
    let control = settings.control(id);
    let exists = |kind: &&ControlKind| match kind {
        ControlKind::State => control.state != DesiredState::default(),
        ControlKind::Crash => control.crash.is_some(),
        ControlKind::Process => control.process.is_some(),
    };
    let mut records: Vec<_> = taken_back.iter().filter(exists).map(|kind| (kind.key(id), None)).collect();
    records.push((wish.key(id), Some(wish.to_json().to_string())));
    let mut after = settings.clone();
    for (key, value) in &records {
        let applied = after.apply(key, value.as_deref().map(str::as_bytes));
        applied.map_err(|error| WriteError::Conflict(error.to_string()))?;
    }
    Ok(records)
}

/// Returns the id with the smallest number that no instance of `service` has.
fn free_id(
    service: Service,
    reported: &[InstanceStatus],
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<String, WriteError> {
    let desired = settings.controls().filter(|(_, control)| is_known(control));
    let taken: BTreeSet<_> =
        desired.map(|(id, _)| id).chain(reported.iter().map(|status| status.instance_id.as_str())).collect();
    let run = settings
        .controls()
        .filter_map(|(id, control)| (control.process == Some(DesiredProcess::Of(service))).then_some(id));
    let at_work = reported.iter().filter(|status| status.service == service && status.is_recent(now));
    let number = run.chain(at_work.map(|status| status.instance_id.as_str())).collect::<BTreeSet<_>>().len();
    let (name, most) = (service.name(), Service::MAX_INSTANCES);
    if number >= most {
        return Err(WriteError::Conflict(format!(
            "there are {number} {name} instances, and a supervisor runs at most {most}; remove one first"
        )));
    }
    let mut ids = (1..).map(|n| format!("{name}-{n}"));
    ids.find(|id| !taken.contains(id.as_str()))
        .ok_or_else(|| WriteError::Defect(format!("no name is free for a {name} instance")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(records: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (key, value) in records {
            settings.apply(key, Some(value.as_bytes())).unwrap();
        }
        settings
    }

    fn report(n: usize, now: DateTime<Utc>) -> InstanceStatus {
        InstanceStatus {
            instance_id: format!("notification-{n}"),
            service: Service::Notification,
            version: "0".into(),
            pid: 1,
            started_at: now,
            timestamp: now,
            state: InstanceState::Running,
            partitions: Vec::new(),
            rule_version: None,
            rule_error: None,
            limitation: None,
            settings_offset: 0,
            rebalances: 0,
        }
    }

    #[test]
    fn a_new_instance_gets_the_smallest_number_that_is_free() {
        let now = Utc::now();
        let id = |service, reported: &[InstanceStatus], records: &[(&str, &str)]| {
            free_id(service, reported, &settings(records), now).unwrap()
        };
        let two = [report(1, now), report(3, now)];
        assert_eq!(id(Service::Notification, &two, &[]), "notification-2");
        let added = [("instances.notification-2.process", "\"notification\"")];
        assert_eq!(id(Service::Notification, &two, &added), "notification-4");
        let stopped = [("instances.notification-2.state", "\"stopped\"")];
        assert_eq!(id(Service::Notification, &two, &stopped), "notification-4");
        let removed = [("instances.notification-2.process", "\"none\"")];
        assert_eq!(id(Service::Notification, &two, &removed), "notification-2");
        assert_eq!(id(Service::Fraud, &two, &added), "fraud-1");
    }

    #[test]
    fn a_service_has_at_most_twenty_instances() {
        let now = Utc::now();
        let reported: Vec<_> = (1..20).map(|n| report(n, now)).collect();
        let free = |settings: &Settings| free_id(Service::Notification, &reported, settings, now);
        assert_eq!(free(&Settings::default()).unwrap(), "notification-20");
        let full = settings(&[("instances.notification-20.process", "\"notification\"")]);
        assert!(free(&full).unwrap_err().to_string().contains("at most 20"));
    }

    #[test]
    fn what_was_asked_of_an_earlier_instance_is_taken_back_first() {
        let settings = settings(&[("instances.fraud-2.state", "\"stopped\"")]);
        let wish = Control::Process(DesiredProcess::Of(Service::Fraud));
        let records = records(&settings, "fraud-2", &LEFT_BEHIND, wish).unwrap();
        let expected = [
            ("instances.fraud-2.state".to_owned(), None),
            ("instances.fraud-2.process".to_owned(), Some("\"fraud\"".to_owned())),
        ];
        assert_eq!(records, expected);
    }
}
