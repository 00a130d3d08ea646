//! `dojo up`: the broker in this process, every service as a child process, as each is a container in compose.
//!
//! A child that dies is started again, so that a participant can kill one and watch. A child ends when its standard
//! input does, so all end with the supervisor, even when it is killed. At the end the services go first and the
//! broker last, so that nobody loses what is still in flight.

use crate::{
    Misconfigured,
    broker::Embedded,
    cli::{self, LogFormat},
    health::authority,
    ready, service, telemetry,
};
use anyhow::Context as _;
use dojo_contract::{Service, topic::TOPICS};
use dojo_kafka::KafkaConfig;
use std::{
    io::Write as _,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStderr, Command},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// How long a child may take to end. Longer than the bound that it sets itself.
const CHILD_ENDS_WITHIN: Duration = Duration::from_secs(10);
/// Exit codes of a child that another start would not help: what clap says of a wrong value, and what we do.
const CANNOT_RUN: [i32; 2] = [2, Misconfigured::EXIT_CODE as i32];
const RESTART_FIRST: Duration = Duration::from_millis(100);
const RESTART_LAST: Duration = Duration::from_secs(5);
/// A child that lived so long has started; its next death is a new one.
const LIVED: Duration = Duration::from_secs(2);
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Runs everything until `shutdown`.
pub(crate) async fn up(
    up: cli::Up,
    telemetry: &cli::Telemetry,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    // Bound and let go: the order service binds it again, but a port that is taken is said before anything starts.
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
            dojo_kafka::create_topics(&kafka, TOPICS, up.replication_factor).await?;
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
    if let Some(broker) = broker {
        broker.stop().await?;
    }
    result
}

async fn supervise(plan: Arc<Plan>, begun: Instant, shutdown: CancellationToken) -> anyhow::Result<()> {
    // Ends the children also where one of them cannot be started at all.
    let end = shutdown.child_token();
    let mut children = JoinSet::new();
    for (service, instance) in plan.instances() {
        children.spawn(keep_alive(Arc::clone(&plan), service, instance, end.clone()));
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

/// Tells where everything is once it runs.
async fn announce(plan: Arc<Plan>, begun: Instant, end: CancellationToken) {
    let authority = authority(&plan.up.listen.host, plan.port);
    let expected: Vec<String> = plan.instances().into_iter().map(|(_, instance)| instance).collect();
    let ready = tokio::time::timeout(READY_WITHIN, ready::all_run(&authority, &expected));
    let Some(ready) = end.run_until_cancelled(ready).await else { return };
    if ready.is_err() {
        let seconds = READY_WITHIN.as_secs();
        tracing::warn!("not everything is running after {seconds} s; see the messages above");
        return;
    }
    let advertised = plan.up.broker_advertised.as_ref().filter(|_| plan.embedded);
    tracing::info!(
        "the dojo is ready after {:.1} s: page http://{authority}, Kafka {}{}{}; Ctrl-C ends it",
        begun.elapsed().as_secs_f32(),
        advertised.map_or_else(|| plan.bootstrap.clone(), ToString::to_string),
        if plan.up.kafka_prefix.is_empty() {
            String::new()
        } else {
            format!(", names of topics and groups begin with {}", plan.up.kafka_prefix)
        },
        if plan.embedded { " (embedded broker: keeps nothing after the end)" } else { "" },
    );
}

/// What is started, and with which settings.
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
        let cli::Up {
            listen,
            kafka_prefix,
            kafka_config,
            fail_rate,
            max_retries,
            rules_dir,
            rules_watch,
            ..
        } = &self.up;
        let mut command = Command::new(&self.program);
        command
            .arg(service.name())
            .arg("--supervised")
            .args(kafka_config.iter().map(|(name, value)| format!("--kafka-config={name}={value}")))
            // Of one address for all, the second would find the port taken.
            .env_remove("ADMIN_LISTEN")
            .env("KAFKA_BROKERS", &self.bootstrap)
            .env("KAFKA_PREFIX", kafka_prefix.to_string())
            .env("INSTANCE_ID", instance)
            .env("HOST", &listen.host)
            .env("PORT", self.port.to_string())
            .env("RULES_DIR", rules_dir)
            .env("RULES_WATCH", rules_watch.to_string())
            .env("LOG_FORMAT", self.telemetry.log_format.name())
            .env("RUST_LOG", &self.telemetry.filter);
        for (name, value) in [("FAIL_RATE", fail_rate), ("MAX_RETRIES", max_retries)] {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        if self.embedded && service == Service::Order {
            command.arg("--embedded-broker");
        }
        if self.colour() {
            command.env("CLICOLOR_FORCE", "1");
        }
        // The child's log goes through the supervisor, which puts its name before each line; its standard output
        // is the audit stream and stays as it is.
        command.stdin(Stdio::piped()).stdout(Stdio::inherit()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    fn colour(&self) -> bool {
        self.telemetry.log_format == LogFormat::Pretty && telemetry::colour()
    }
}

/// Starts an instance again and again until `end`.
async fn keep_alive(
    plan: Arc<Plan>,
    service: Service,
    instance: String,
    end: CancellationToken,
) -> anyhow::Result<()> {
    let mut pause = RESTART_FIRST;
    while !end.is_cancelled() {
        let started = Instant::now();
        let mut child =
            plan.command(service, &instance).spawn().with_context(|| format!("cannot start {instance}"))?;
        let log =
            child.stderr.take().map(|log| tokio::spawn(forward(log, instance.clone(), Arc::clone(&plan))));
        let status = run_to_end(&mut child, &end).await?;
        if let Some(log) = log {
            // A grandchild could hold it open.
            let _ = tokio::time::timeout(Duration::from_secs(1), log).await;
        }
        if end.is_cancelled() {
            return Ok(());
        }
        if status.code().is_some_and(|code| CANNOT_RUN.contains(&code)) {
            return Err(Misconfigured(format!(
                "{instance} cannot run as it is configured; see its message above"
            ))
            .into());
        }
        pause = if started.elapsed() > LIVED { RESTART_FIRST } else { (pause * 2).min(RESTART_LAST) };
        tracing::warn!(instance, %status, again_in_ms = pause.as_millis(), "ended; starting it again");
        tokio::select! {
            () = end.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    Ok(())
}

/// Waits for a child to end; at `end`, asks it to, and kills it after the bound.
async fn run_to_end(child: &mut Child, end: &CancellationToken) -> anyhow::Result<ExitStatus> {
    let stdin = child.stdin.take();
    tokio::select! {
        status = child.wait() => return Ok(status?),
        () = end.cancelled() => drop(stdin),
    }
    match tokio::time::timeout(CHILD_ENDS_WITHIN, child.wait()).await {
        Ok(status) => Ok(status?),
        Err(_) => {
            child.kill().await?;
            Ok(child.wait().await?)
        }
    }
}

/// Writes a child's log to ours, each line under its name.
async fn forward(log: ChildStderr, instance: String, plan: Arc<Plan>) {
    let mut lines = BufReader::new(log).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        let line = labelled(&line, &instance, plan.telemetry.log_format, plan.colour());
        // A standard error that nobody reads any more is no reason to stop reading the child's.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

fn labelled(line: &str, instance: &str, format: LogFormat, colour: bool) -> String {
    match (format, line.strip_prefix('{')) {
        (LogFormat::Json, Some(rest)) => format!("{{\"instance\":\"{instance}\",{rest}"),
        _ if colour => format!("\x1b[36m{instance:<14}\x1b[0m | {line}"),
        _ => format!("{instance:<14} | {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_bears_the_name_of_its_instance() {
        assert_eq!(labelled("hello", "fraud-1", LogFormat::Pretty, false), "fraud-1        | hello");
        assert_eq!(
            labelled("{\"level\":1}", "fraud-1", LogFormat::Json, false),
            "{\"instance\":\"fraud-1\",\"level\":1}"
        );
    }
}
