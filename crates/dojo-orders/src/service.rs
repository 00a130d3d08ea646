//! The order service from start to end.
//!
//! The listener is served from the first moment, also while Kafka is not there: until then requests are answered 503
//! with the reason. At the end requests under way are answered first, then the readers stop, then the last word goes to
//! `dojo-status`; each within a bound.

use crate::{
    app::{App, LOG_READERS, STREAMS},
    catch_up::Log,
    config::Config,
    feeds::{self, Feeds},
    hub::Capacity,
    marks::{self, Marks},
    metrics::Metrics,
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
use dojo_kafka::{
    Instance, Observed, Producer, Progress, Readiness, Reporter, SettingsFollower, notify_on_change,
};
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
    #[error("the HTTP server failed: {0}")]
    Server(#[source] tokio::task::JoinError),
    #[error(transparent)]
    Kafka(#[from] dojo_kafka::Error),
}

/// Serves the API on `listener` until `shutdown`. Kafka may come later, or go away for a while.
///
/// # Errors
/// What cannot be mended by waiting: a wrong Kafka property, a consumer that Kafka has refused for good, or a defect that
/// ended the HTTP server.
pub async fn run(
    config: Config,
    listener: TcpListener,
    readiness: Readiness,
    metrics: Metrics,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let own_names =
        OwnNames::new(listener.local_addr().map_err(Error::Listener)?.ip(), &config.page.allowed_hosts);
    let asked = readiness.clone();
    let serve = |app, serving| {
        let router = router(app, own_names, asked, metrics);
        server::serve(listener, router, server::CONNECTIONS, serving)
    };
    run_with(config, readiness, serve, shutdown).await
}

async fn run_with<S: Future<Output = ()> + Send + 'static>(
    config: Config,
    readiness: Readiness,
    serve: impl FnOnce(Arc<App>, CancellationToken) -> S,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    // Whatever ends `run` ends everything it started.
    let (serving, reading) = (shutdown.child_token(), CancellationToken::new());
    let _ends = (serving.clone().drop_guard(), reading.clone().drop_guard());
    let app = Arc::new(app(config, &serving).await?);
    let of = Arc::downgrade(&app);
    let gone = || vec![("end", "the service has ended".to_owned())];
    readiness.is(move || of.upgrade().map_or_else(gone, |app| app.not_ready()));
    // Cancelled by the server's end, whatever ends it: nobody listens any more, and a service that went on would still be
    // called ready at `ADMIN_LISTEN`.
    let unserved = CancellationToken::new();
    let (serve, leaves) = (serve(Arc::clone(&app), serving.clone()), unserved.clone().drop_guard());
    let server = tokio::spawn(async move {
        let _leaves = leaves;
        serve.await;
    });

    let Feeds { relay, tails } = start_reading(&app, &reading)?;
    let mut relay = std::pin::pin!(relay.join());
    let changed = Arc::new(Notify::new());
    app.relay.on_change(Arc::clone(&changed));
    let mut reporter = None;
    let report = async {
        reporter = Some(start_reporting(&app, changed, &reading).await?);
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = &mut relay => ended.map_err(Error::Kafka),
        failed = report => failed,
        () = unserved.cancelled() => Ok(()),
        () = shutdown.cancelled() => Ok(()),
    };

    serving.cancel();
    let ended = ended.and(server.await.map_err(Error::Server));
    app.mutations.drain().await;
    drop(tails);
    reading.cancel();
    if ended.is_ok() && timeout(READERS_END_WITHIN, relay).await.is_err() {
        tracing::warn!("the reader of audit and dead letters did not end in time");
    }
    if let Some(reporter) = reporter {
        reporter.stopped().await;
    }
    app.producer.flush(FLUSH_WITHIN).await;
    ended
}

async fn app(config: Config, serving: &CancellationToken) -> Result<App, Error> {
    let producer = Producer::batching(&config.kafka, config.instance_id(), MESSAGE_TIMEOUT)?;
    let model = Arc::new(Model::new(Capacity::default()));
    let (kafka, id) = (config.kafka.clone(), config.instance_id());
    let marks = Arc::new(Marks::new(&kafka, producer.clone(), id)?);
    let mutations = Mutations::new(producer.clone(), Arc::clone(&model), Arc::clone(&marks), id.to_owned());
    let rules = {
        let (dir, mode, serving) =
            (config.rules.rules_dir.clone(), config.rules.rules_watch, serving.clone());
        tokio::task::spawn_blocking(move || Rules::open(&dir, mode, &serving)).await.map_err(Error::Rules)?
    };
    Ok(App {
        log: Log::new(kafka, producer.clone(), id, serving.clone()),
        template: Template::new(config.page.templates_dir.as_deref())?,
        settings: ControlPlane::default(),
        relay: Progress::default(),
        streams: Arc::new(Semaphore::new(STREAMS)),
        log_readers: Semaphore::new(LOG_READERS),
        shutdown: serving.clone(),
        instance: Instance::start(Service::Order, Some(id.to_owned())),
        config,
        producer,
        model,
        marks,
        mutations,
        rules,
    })
}

fn start_reading(app: &App, reading: &CancellationToken) -> Result<Feeds, Error> {
    let (producer, progress) = (app.producer.clone(), app.relay.clone());
    let (config, instance, model) = (&app.config, &app.instance, &app.model);
    let feeds = feeds::follow(config, instance, model, producer, progress, reading)?;
    tokio::spawn(marks::watch(Arc::clone(&app.marks), Arc::clone(&app.model.hub), reading.clone()));
    Ok(feeds)
}

/// From here on the settings are known, and this instance tells on `dojo-status` what it does.
async fn start_reporting(
    app: &Arc<App>,
    changed: Arc<Notify>,
    reading: &CancellationToken,
) -> Result<Reporter, Error> {
    let (config, progress) = (&app.config, app.relay.clone());
    let follower = SettingsFollower::start(&config.kafka, config.instance_id(), reading).await?;
    app.settings.follow(follower.clone());
    notify_on_change(follower.changes(), Arc::clone(&changed));
    let observe = move || Observed {
        partitions: progress.partitions(),
        rebalances: progress.rebalances(),
        rule_version: None,
        rule_error: None,
        limitation: progress.limitation(),
        is_fenced: progress.is_fenced(),
        settings_offset: follower.offset(),
    };
    let (producer, instance) = (app.producer.clone(), app.instance.clone());
    let reporter = Reporter::start(producer, instance, observe, changed).await?;
    reporter.running();
    Ok(reporter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dojo_contract::Defaults;
    use dojo_kafka::{InstanceName, KafkaConfig};
    use dojo_rules::{RulesConfig, WatchMode};

    #[tokio::test]
    async fn a_server_that_fails_ends_the_service_which_is_not_ready_any_more() {
        let rules = tempfile::tempdir().unwrap();
        let readiness = Readiness::default();
        let config = Config {
            kafka: KafkaConfig::new("127.0.0.1:1"),
            instance: InstanceName::default(),
            defaults: Defaults::default(),
            rules: RulesConfig { rules_dir: rules.path().to_owned(), rules_watch: WatchMode::Poll },
            page: crate::PageConfig::default(),
            embedded_broker: false,
        };
        let serve = |_, _| async { panic!("a defect, as the test wants it") };
        let run = run_with(config, readiness.clone(), serve, CancellationToken::new());
        let ran = timeout(Duration::from_secs(60), run).await;
        assert!(matches!(ran, Ok(Err(Error::Server(_)))), "{ran:?}");
        assert_eq!(readiness.causes()[0].0, "end");
    }
}
