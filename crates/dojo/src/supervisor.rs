//! `dojo up`: the broker in this process, and each service as a child process, as compose runs each as a container.
//!
//! A child that dies is restarted, so that a participant can kill one and watch. A child ends when its standard input
//! does, so all of them end with the supervisor, even when the supervisor is killed. At an orderly end the services stop
//! before the broker, so that what is in flight still reaches it.

use crate::{
    broker::Embedded,
    child::{LogStyle, keep_alive},
    cli::{self, LogFormat},
    health::authority,
    ready, service, telemetry,
};
use anyhow::Context as _;
use dojo_contract::{Service, topic::TOPICS};
use dojo_kafka::KafkaConfig;
use std::{
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{process::Command, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// How long the instances may take to start before a warning says that some haven't.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Runs everything until `shutdown`.
pub(crate) async fn up(
    up: cli::Up,
    telemetry: &cli::Telemetry,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    // The order service binds the port again; binding it here reports a taken port before anything starts.
    let port = service::listen(&up.listen).await?.local_addr()?.port();
    let (bootstrap, broker) = match &up.kafka_brokers {
        None => {
            let broker = Embedded::start(&up).await?;
            (broker.bootstrap.clone(), Some(broker))
        }
        Some(brokers) => {
            let kafka = KafkaConfig {
                brokers: brokers.clone(),
                prefix: up.kafka_prefix.clone(),
                properties: up.kafka_config.clone(),
            };
            let created = dojo_kafka::create_topics(&kafka, TOPICS, up.replication.replication_factor);
            // Kafka may be away, and that is found out slowly.
            let Some(created) = shutdown.run_until_cancelled(created).await else { return Ok(()) };
            created?;
            (brokers.clone(), None)
        }
    };
    let plan = Arc::new(Plan {
        program: std::env::current_exe().context("cannot find this program to start it again")?,
        up,
        port,
        bootstrap,
        embedded: broker.is_some(),
        telemetry: telemetry.clone(),
    });
    let result = supervise(Arc::clone(&plan), begun, shutdown).await;
    match broker {
        Some(broker) => result.and(broker.stop().await),
        None => result,
    }
}

async fn supervise(plan: Arc<Plan>, begun: Instant, shutdown: CancellationToken) -> anyhow::Result<()> {
    // A child token, so that an error of one child ends the others without cancelling the caller's token.
    let end = shutdown.child_token();
    let mut children = JoinSet::new();
    let style = LogStyle { format: plan.telemetry.log_format, colour: plan.colour() };
    for (service, instance) in plan.instances() {
        let (plan, id) = (Arc::clone(&plan), instance.clone());
        children.spawn(keep_alive(id, move || plan.command(service, &instance), style, end.clone()));
    }
    let announced = tokio::spawn(announce(Arc::clone(&plan), begun, end.clone()));
    let mut result = Ok(());
    while let Some(ended) = children.join_next().await {
        let ended = ended.context("a task of the supervisor failed").and_then(|ended| ended);
        if let Err(error) = ended {
            end.cancel();
            result = result.and(Err(error));
        }
    }
    announced.abort();
    result
}

/// Logs the addresses of the page and of Kafka once every instance runs.
async fn announce(plan: Arc<Plan>, begun: Instant, end: CancellationToken) {
    let authority = authority(&plan.up.listen.host, plan.port);
    let expected: Vec<String> = plan.instances().into_iter().map(|(_, instance)| instance).collect();
    let ready = tokio::time::timeout(READY_WITHIN, ready::all_run(&authority, &expected));
    let Some(ready) = end.run_until_cancelled(ready).await else { return };
    if ready.is_err() {
        let seconds = READY_WITHIN.as_secs();
        tracing::warn!("some instances are not running after {seconds} s; see the messages above");
        return;
    }
    let advertised = plan.up.broker_advertised.as_ref().filter(|_| plan.embedded);
    tracing::info!(
        "the dojo is ready after {:.1} s: page http://{authority}, Kafka {}{}{}; press Ctrl-C to end it",
        begun.elapsed().as_secs_f32(),
        advertised.map_or_else(|| plan.bootstrap.clone(), ToString::to_string),
        if plan.up.kafka_prefix.is_empty() {
            String::new()
        } else {
            format!(", topic and group names start with {}", plan.up.kafka_prefix)
        },
        if plan.embedded { " (embedded broker: its data is gone when the dojo ends)" } else { "" },
    );
}

/// Which instances to start, and with which settings.
struct Plan {
    program: std::path::PathBuf,
    up: cli::Up,
    port: u16,
    bootstrap: String,
    embedded: bool,
    telemetry: cli::Telemetry,
}

impl Plan {
    fn instances(&self) -> Vec<(Service, String)> {
        let numbered = |service: Service, n| (service, format!("{}-{n}", service.name()));
        let mut instances = vec![numbered(Service::Order, 1)];
        instances.extend((1..=self.up.notifications).map(|n| numbered(Service::Notification, n)));
        instances.extend([numbered(Service::Fraud, 1), numbered(Service::Audit, 1)]);
        instances
    }

    fn command(&self, service: Service, instance: &str) -> Command {
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

    fn colour(&self) -> bool {
        self.telemetry.log_format == LogFormat::Pretty && telemetry::colour()
    }
}
