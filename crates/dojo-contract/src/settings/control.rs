//! What one instance is asked to do: records on `dojo-settings` beside those of the settings.
//!
//! Stopping, crashing and adding instances are records, so that the page, a scenario and curl do the same thing, and a
//! process that was away finds what it is to do when it comes back.

use super::name::{instance_key, is_instance_id, split_instance_key};
use crate::{Service, time};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A wish about an instance. Its record's key is `instances.`, the instance's id, and the name of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Whether it is to work.
    State(DesiredState),
    /// The process that started at this time is to end at once, as in a crash. Every other process of the same name ignores
    /// this, so the command is obeyed once.
    Crash(DateTime<Utc>),
    /// Whether the supervisor is to run a process of this name.
    Process(DesiredProcess),
}

/// Whether an instance is to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DesiredState {
    /// It is to be a member of its group.
    #[default]
    Running,
    /// It is to leave its group, while its process stays.
    Stopped,
}

/// Whether the supervisor is to run a process. It runs those that it began with unless this says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DesiredProcess {
    /// It is to run an instance of this service.
    Of(Service),
    /// It is to end the process.
    None,
}

/// The kinds of wishes about an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlKind {
    /// Of [`Control::State`]: `"running"` or `"stopped"`.
    State,
    /// Of [`Control::Crash`]: the `startedAt` of a process.
    Crash,
    /// Of [`Control::Process`]: the name of a service, or `"none"`.
    Process,
}

/// What one instance is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InstanceControl {
    /// Whether it is to work.
    pub state: DesiredState,
    /// When the process started that is to crash.
    pub crash: Option<DateTime<Utc>>,
    /// Whether the supervisor is to run it; `None` leaves that to the supervisor.
    pub process: Option<DesiredProcess>,
}

pub(super) const RUNNING: &str = "running";
pub(super) const STOPPED: &str = "stopped";
pub(super) const NO_PROCESS: &str = "none";

impl ControlKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::State, Self::Crash, Self::Process];

    /// The last part of the key.
    pub fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Crash => "crash",
            Self::Process => "process",
        }
    }

    /// Returns the key of a record of this kind about `instance`.
    pub fn key(self, instance: &str) -> String {
        instance_key(instance, self.name())
    }

    /// Returns instance and kind of a key; `None` if the key isn't one of these.
    pub fn of_key(key: &str) -> Option<(&str, Self)> {
        let (instance, name) = split_instance_key(key)?;
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name)?;
        is_instance_id(instance).then_some((instance, kind))
    }

    fn read(self, value: &Value) -> Result<Control, String> {
        let text = value.as_str().unwrap_or_default();
        let (read, allowed) = match self {
            Self::State => {
                (DesiredState::from_name(text).map(Control::State), format!("\"{RUNNING}\" or \"{STOPPED}\""))
            }
            Self::Crash => {
                let started_at = DateTime::parse_from_rfc3339(text).ok();
                let crash = started_at.map(|started_at| Control::Crash(started_at.to_utc()));
                (crash, "the startedAt of the process".to_owned())
            }
            Self::Process => {
                let process = match Service::member(text) {
                    Some(service) => Some(DesiredProcess::Of(service)),
                    None => (text == NO_PROCESS).then_some(DesiredProcess::None),
                };
                let [one, two, three] = Service::MEMBERS.map(Service::name);
                let allowed = format!("\"{one}\", \"{two}\", \"{three}\" or \"{NO_PROCESS}\"");
                (process.map(Control::Process), allowed)
            }
        };
        read.ok_or_else(|| format!("is {value}: give {allowed}"))
    }
}

impl DesiredState {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => RUNNING,
            Self::Stopped => STOPPED,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Running, Self::Stopped].into_iter().find(|state| state.name() == name)
    }
}

impl Control {
    /// Returns the key of this wish's record about `instance`.
    pub fn key(self, instance: &str) -> String {
        let kind = match self {
            Self::State(_) => ControlKind::State,
            Self::Crash(_) => ControlKind::Crash,
            Self::Process(_) => ControlKind::Process,
        };
        kind.key(instance)
    }

    /// Returns the value of this wish's record.
    pub fn to_json(self) -> Value {
        match self {
            Self::State(state) => state.name().into(),
            Self::Crash(started_at) => time::format(started_at).into(),
            Self::Process(DesiredProcess::Of(service)) => service.name().into(),
            Self::Process(DesiredProcess::None) => NO_PROCESS.into(),
        }
    }
}

impl InstanceControl {
    /// Applies the value of a record of this `kind`; null takes the wish back.
    pub(super) fn apply(&mut self, kind: ControlKind, value: Option<&Value>) -> Result<(), String> {
        match (kind, value.map(|value| kind.read(value)).transpose()?) {
            (_, Some(Control::State(state))) => self.state = state,
            (_, Some(Control::Crash(started_at))) => self.crash = Some(started_at),
            (_, Some(Control::Process(process))) => self.process = Some(process),
            (ControlKind::State, None) => self.state = DesiredState::default(),
            (ControlKind::Crash, None) => self.crash = None,
            (ControlKind::Process, None) => self.process = None,
        }
        Ok(())
    }
}
