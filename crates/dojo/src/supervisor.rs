//! `dojo up`: the broker in this process, and each service as a child process, as compose runs each as a container.
//!
//! A child that dies is restarted, so that a participant can kill one and watch. The settings can add and remove children
//! while the dojo runs. A child ends when its standard input does, so all of them end with the supervisor, even when the
//! supervisor is killed. At an orderly end the services stop before the broker, so that what is in flight still reaches it.

use crate::{
    broker::Embedded,
    children, cli,
    health::authority,
    plan::{Plan, Planned, SUPERVISOR},
    ready, service,
    steering::steer,
};
use anyhow::Context as _;
use dojo_contract::topic::TOPICS;
use dojo_kafka::{KafkaConfig, Producer};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// How long the instances may take to start before a warning says that some haven't.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long a record of the supervisor may take to be acknowledged. The next report follows soon.
const SEND_WITHIN: Duration = Duration::from_secs(5);

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
    // A child token, so that an error of one task ends the others without cancelling the caller's token.
    let end = shutdown.child_token();
    let producer = Producer::new(&plan.kafka(), SUPERVISOR, SEND_WITHIN)?;
    // The instances of the command line start at once; what the settings say follows.
    let (wish, wanted) = watch::channel(plan.instances());
    let mut tasks = JoinSet::new();
    tasks.spawn(children::run(Arc::clone(&plan), wanted.clone(), producer.clone(), end.clone()));
    tasks.spawn(steer(Arc::clone(&plan), producer, wish, end.clone()));
    let announced = tokio::spawn(announce(Arc::clone(&plan), begun, wanted, end.clone()));
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.context("a task of the supervisor failed").and_then(|ended| ended);
        if let Err(error) = ended {
            end.cancel();
            result = result.and(Err(error));
        }
    }
    announced.abort();
    result
}

/// Logs the addresses of the page and of Kafka once every instance that is wanted runs.
async fn announce(
    plan: Arc<Plan>,
    begun: Instant,
    wanted: watch::Receiver<Vec<Planned>>,
    end: CancellationToken,
) {
    let authority = authority(&plan.up.listen.host, plan.port);
    let ready = tokio::time::timeout(READY_WITHIN, ready::all_run(&authority, &wanted));
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
