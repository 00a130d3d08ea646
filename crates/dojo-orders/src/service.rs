//! The order service from start to end.
//!
//! The listener is served from the first moment, also while Kafka is not there: until then requests are answered 503
//! with the reason. At the end requests under way are answered first, then the readers stop, then the last word goes to
//! `dojo-status`; each within a bound.

use crate::{
    app::{App, LOG_READERS, STREAMS},
    audit_trail::AuditTrail,
    catch_up::Log,
    config::Config,
    feeds::{self, Feeds},
    hub::Capacity,
    model::Model,
    mutations::{MESSAGE_TIMEOUT, Mutations},
    origin::OwnNames,
    router::router,
    rules::Rules,
    server,
    settings::ControlPlane,
    template::Template,
};
use dojo_contract::Service;
use dojo_kafka::{Observed, Producer, Progress, Reporter, SettingsFollower, notify_on_change};
use std::{sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const READERS_END_WITHIN: Duration = Duration::from_secs(5);
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Why the order service cannot start, or go on.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("the listener has no address: {0}")]
    Listener(#[source] std::io::Error),
    #[error("the page's template is broken: {0:#}")]
    Template(#[from] minijinja::Error),
    #[error("cannot watch the rules: {0}")]
    Rules(#[source] tokio::task::JoinError),
    #[error(transparent)]
    Kafka(#[from] dojo_kafka::Error),
}

/// Serves the API on `listener` until `shutdown`. Kafka may come later, or go away for a while.
///
/// # Errors
/// What cannot be mended by waiting: a wrong Kafka property, or a consumer that Kafka has refused for good.
pub async fn run(config: Config, listener: TcpListener, shutdown: CancellationToken) -> Result<(), Error> {
    let own_names =
        OwnNames::new(listener.local_addr().map_err(Error::Listener)?.ip(), &config.allowed_hosts);
    // Whatever ends `run` ends everything it started.
    let (serving, reading) = (shutdown.child_token(), CancellationToken::new());
    let _ends = (serving.clone().drop_guard(), reading.clone().drop_guard());
    let readiness = config.readiness.clone();
    let app = Arc::new(app(config, &serving).await?);
    let of = Arc::downgrade(&app);
    readiness.is(move || of.upgrade().map_or_else(Vec::new, |app| app.not_ready()));
    let server = tokio::spawn(server::serve(listener, router(Arc::clone(&app), own_names), serving.clone()));

    let Feeds { relay, tails } = start_reading(&app, &reading)?;
    let mut relay = std::pin::pin!(relay.join());
    let changed = Arc::new(Notify::new());
    app.relay.on_change(Arc::clone(&changed));
    let reporter = tokio::select! {
        ended = &mut relay => return ended.map_err(Error::Kafka),
        reporter = start_reporting(&app, changed, &reading) => reporter?,
    };
    let ended = tokio::select! {
        ended = &mut relay => ended,
        () = shutdown.cancelled() => Ok(()),
    };

    serving.cancel();
    if let Err(panicked) = server.await {
        tracing::error!(%panicked, "the HTTP server failed");
    }
    app.mutations.drain().await;
    drop(tails);
    reading.cancel();
    if ended.is_ok() && timeout(READERS_END_WITHIN, relay).await.is_err() {
        tracing::warn!("the reader of audit and dead letters did not end in time");
    }
    reporter.stopped().await;
    app.producer.flush(FLUSH_WITHIN).await;
    ended.map_err(Error::Kafka)
}

async fn app(config: Config, serving: &CancellationToken) -> Result<App, Error> {
    let producer = Producer::batching(&config.kafka, &config.instance_id, MESSAGE_TIMEOUT)?;
    let model = Arc::new(Model::new(Capacity::default()));
    let (kafka, id) = (config.kafka.clone(), config.instance_id.as_str());
    let trail = AuditTrail::start(kafka.clone(), producer.clone(), id, serving.clone());
    let mutations = Mutations::new(producer.clone(), Arc::clone(&model), trail, id.to_owned());
    let rules = {
        let (dir, mode, serving) = (config.rules_dir.clone(), config.rules_watch, serving.clone());
        tokio::task::spawn_blocking(move || Rules::open(&dir, mode, &serving)).await.map_err(Error::Rules)?
    };
    Ok(App {
        log: Log::new(kafka, producer.clone(), id, serving.clone()),
        template: Template::new(config.templates_dir.as_deref())?,
        settings: ControlPlane::default(),
        relay: Progress::default(),
        streams: Arc::new(Semaphore::new(STREAMS)),
        log_readers: Semaphore::new(LOG_READERS),
        shutdown: serving.clone(),
        config,
        producer,
        model,
        mutations,
        rules,
    })
}

fn start_reading(app: &App, reading: &CancellationToken) -> Result<Feeds, Error> {
    let (trail, producer, progress) = (app.mutations.trail.clone(), app.producer.clone(), app.relay.clone());
    Ok(feeds::follow(&app.config, &app.model, trail, producer, progress, reading)?)
}

/// From here on the settings are known, and this instance tells on `dojo-status` what it does.
async fn start_reporting(
    app: &Arc<App>,
    changed: Arc<Notify>,
    reading: &CancellationToken,
) -> Result<Reporter, Error> {
    let (config, progress) = (&app.config, app.relay.clone());
    let follower = SettingsFollower::start(&config.kafka, &config.instance_id, reading).await?;
    app.settings.follow(follower.clone());
    notify_on_change(follower.changes(), Arc::clone(&changed));
    let observe = move || Observed {
        partitions: progress.partitions(),
        rebalances: progress.rebalances(),
        rule_version: None,
        rule_error: None,
        settings_offset: follower.offset(),
    };
    let id = config.instance_id.clone();
    let reporter = Reporter::start(app.producer.clone(), id, Service::Order, observe, changed).await?;
    reporter.running();
    Ok(reporter)
}
