//! Which processes the supervisor runs, and how each is started: what the command line says, changed by the settings.

use crate::{
    cli::{self, LogFormat},
    telemetry,
};
use dojo_contract::{DesiredProcess, Service, Settings};
use dojo_kafka::KafkaConfig;
use std::process::Stdio;
use tokio::process::Command;

/// The id under which the supervisor itself reports.
pub(crate) const SUPERVISOR: &str = "supervisor-1";

/// An instance to run.
pub(crate) type Planned = (Service, String);

/// Which instances to start, and with which settings.
pub(crate) struct Plan {
    pub(crate) program: std::path::PathBuf,
    pub(crate) up: cli::Up,
    pub(crate) port: u16,
    pub(crate) bootstrap: String,
    pub(crate) embedded: bool,
    pub(crate) telemetry: cli::Telemetry,
}

impl Plan {
    /// Returns the instances of the command line.
    pub(crate) fn instances(&self) -> Vec<Planned> {
        let numbered = |service: Service, n| (service, format!("{}-{n}", service.name()));
        let mut instances = vec![numbered(Service::Order, 1)];
        instances.extend((1..=self.up.notifications).map(|n| numbered(Service::Notification, n)));
        instances.extend([numbered(Service::Fraud, 1), numbered(Service::Audit, 1)]);
        instances
    }

    /// Returns how the supervisor itself reaches Kafka: as its children do.
    pub(crate) fn kafka(&self) -> KafkaConfig {
        KafkaConfig {
            brokers: self.bootstrap.clone(),
            prefix: self.up.kafka_prefix.clone(),
            properties: self.up.kafka_config.clone(),
        }
    }

    /// Returns the command that starts `instance`.
    pub(crate) fn command(&self, service: Service, instance: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(service.name())
            .arg("--supervised")
            .args(self.up.kafka_config.iter().map(|(name, value)| format!("--kafka-config={name}={value}")))
            // One address for all would be taken after the first.
            .env_remove("ADMIN_LISTEN")
            .envs(self.up.environment())
            .env("KAFKA_BROKERS", &self.bootstrap)
            .env("INSTANCE_ID", instance)
            .env("PORT", self.port.to_string())
            .env("LOG_FORMAT", self.telemetry.log_format.name())
            .env("RUST_LOG", &self.telemetry.filter);
        if self.embedded && service == Service::Order {
            command.arg("--embedded-broker");
        }
        if self.colour() {
            command.env("CLICOLOR_FORCE", "1");
        }
        // The supervisor forwards the child's log, with its name before each line. Standard output carries the audit
        // lines and is inherited.
        command.stdin(Stdio::piped()).stdout(Stdio::inherit()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Returns whether log lines are coloured.
    pub(crate) fn colour(&self) -> bool {
        self.telemetry.log_format == LogFormat::Pretty && telemetry::colour()
    }
}

/// Returns the instances to run: those of the command line that the settings don't end, and those that the settings add.
///
/// The settings may hold anything, since any Kafka client can write them. So an order service stays, a name has one
/// process, and a service has a bounded number of instances.
pub(crate) fn wanted(planned: &[Planned], settings: &Settings) -> Vec<Planned> {
    let is_ended = |id: &str| settings.control(id).process == Some(DesiredProcess::None);
    let stays = |(service, id): &&Planned| *service == Service::Order || !is_ended(id);
    let mut wanted: Vec<_> = planned.iter().filter(stays).cloned().collect();
    for (id, control) in settings.controls() {
        let Some(DesiredProcess::Of(service)) = control.process else { continue };
        if id == SUPERVISOR || wanted.iter().any(|(_, other)| other == id) {
            continue;
        }
        let most = Service::MAX_INSTANCES;
        if wanted.iter().filter(|(other, _)| *other == service).count() >= most {
            tracing::warn!(
                instance = id,
                most,
                "not started: the service has as many instances as it may have"
            );
            continue;
        }
        wanted.push((service, id.to_owned()));
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(instances: &[(Service, &str)]) -> Vec<Planned> {
        instances.iter().map(|(service, id)| (*service, (*id).to_owned())).collect()
    }

    fn asked(records: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (instance, process) in records {
            let value = format!("\"{process}\"");
            settings.apply(&format!("instances.{instance}.process"), Some(value.as_bytes())).unwrap();
        }
        settings
    }

    #[test]
    fn the_settings_add_instances_and_end_those_of_the_command_line() {
        let plan = planned(&[(Service::Order, "order-1"), (Service::Notification, "notification-1")]);
        assert_eq!(wanted(&plan, &Settings::default()), plan);
        let settings = asked(&[("notification-1", "none"), ("fraud-2", "fraud"), ("audit-1", "none")]);
        let expected = planned(&[(Service::Order, "order-1"), (Service::Fraud, "fraud-2")]);
        assert_eq!(wanted(&plan, &settings), expected);
    }

    #[test]
    fn settings_written_by_hand_neither_end_the_order_service_nor_give_a_name_two_processes() {
        let plan = planned(&[(Service::Order, "order-1"), (Service::Audit, "audit-1")]);
        let settings = asked(&[("order-1", "none"), ("audit-1", "fraud"), (SUPERVISOR, "fraud")]);
        assert_eq!(wanted(&plan, &settings), plan);
    }

    #[test]
    fn a_service_has_at_most_twenty_instances() {
        let plan: Vec<_> = (1..=3).map(|n| (Service::Notification, format!("notification-{n}"))).collect();
        let mut settings = Settings::default();
        for n in 1..=40 {
            let key = format!("instances.notification-{n}.process");
            settings.apply(&key, Some(b"\"notification\"")).unwrap();
        }
        let wanted = wanted(&plan, &settings);
        assert_eq!(wanted.len(), Service::MAX_INSTANCES);
        assert!(wanted.starts_with(&plan));
    }
}
