//! The order service from start to end.
//!
//! The listener is served from the first moment, also while Kafka isn't there: until then requests are answered 503
//! with the reason. At the end a scenario's runner is ended while its requests are still answered; then requests under way are
//! answered, then the readers stop, then the last report goes to `dojo-status`; each within a bound.

use crate::{
    api,
    app::{App, LOG_READERS, RECORDS_BY_HAND, RULE_CHECKS, RULE_DRAFTS, STREAMS, TOPIC_READERS},
    backtest::Backtest,
    config::Config,
    event_stream::catch_up::LogReader,
    journey::JourneyReader,
    log::{
        dead_letters::DeadLetterLog,
        stable_offsets::{self, StableOffsets},
        topics::{list::TopicLister, records::RecordsReader},
    },
    page::template::Template,
    read_models::{ReadModels, followers},
    rebalances,
    rule_files::RuleFiles,
    scenario_player::ScenarioPlayer,
    scenarios::Scenarios,
    write::{
        instances::InstanceWriter,
        orders::{MESSAGE_TIMEOUT, OrderWriter},
        records::RecordWriter,
        redrive::Redriver,
        rules::RuleWriter,
        runs::{expiry, journal::RunJournal, undo::RunUndo},
        settings::SettingsWriter,
    },
};
use dojo_contract::{InstanceState, Service, topic};
use dojo_http::{AllowedHosts, Health, Metrics};
use dojo_kafka::{
    ConsumerLoop, GroupReader, Instance, Observed, Producer, Progress, RangeReader, Readiness, Reporter,
    SettingsFollower, Tail, TopicCatalog, consume, notify_on_change,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Connections to the API at a time; one asks for one thing at a time.
const CONNECTIONS: usize = 2_048;
/// Changes at a time: those of every connection, and as many whose clients have gone away.
const CHANGES: usize = 2 * CONNECTIONS;
const READERS_END_WITHIN: Duration = Duration::from_secs(5);
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Why the order service can't start, or go on.
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

/// What the program passes in, because it is the work of crates that this one doesn't know.
#[derive(Clone, Default)]
pub struct PassedIn {
    /// Without it, drafts of rules can be checked, but not tried on recorded orders.
    pub backtest: Option<Backtest>,
    /// Without it, there is no scenario to play.
    pub scenarios: Option<Arc<dyn Scenarios>>,
}

impl std::fmt::Debug for PassedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PassedIn").finish_non_exhaustive()
    }
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
    passed_in: PassedIn,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let address = listener.local_addr().map_err(Error::Listener)?.ip();
    let hosts = AllowedHosts::new(address, config.page.allowed_hosts.clone());
    let asked = readiness.clone();
    let serve = |app: Arc<App>, serving| {
        let offsets = Arc::clone(&app.offsets);
        let health = Health::new(move || asked.causes(), metrics).with_notices(move || offsets.notices());
        let router = dojo_http::finish(api::routes(app, health), Some(hosts));
        dojo_http::serve(listener, router, CONNECTIONS, serving)
    };
    run_with(config, readiness, passed_in, serve, shutdown).await
}

async fn run_with<S: Future<Output = ()> + Send + 'static>(
    config: Config,
    readiness: Readiness,
    passed_in: PassedIn,
    serve: impl FnOnce(Arc<App>, CancellationToken) -> S,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    // The end of `run` ends everything that it started. Requests are still served while a scenario's runner ends its run.
    let (serving, reading) = (CancellationToken::new(), CancellationToken::new());
    let _ends = (serving.clone().drop_guard(), reading.clone().drop_guard());
    let app = Arc::new(app(config, passed_in, &serving).await?);
    let of = Arc::downgrade(&app);
    let gone = || vec![("end", "the service has ended".to_owned())];
    readiness.is(move || of.upgrade().map_or_else(gone, |app| app.not_ready()));
    // Cancelled when the server ends, for whatever reason. A service that went on without it would still be called ready at
    // `ADMIN_LISTEN`.
    let unserved = CancellationToken::new();
    let (serve, leaves) = (serve(Arc::clone(&app), serving.clone()), unserved.clone().drop_guard());
    let server = tokio::spawn(async move {
        let _leaves = leaves;
        serve.await;
    });

    let (relay, tails) = start_reading(&app, &reading)?;
    start_watching_groups(&app, &reading)?;
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

    app.player.end().await;
    serving.cancel();
    let ended = ended.and(server.await.map_err(Error::Server));
    tokio::join!(app.orders.drain(), app.redrives.drain());
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

async fn app(config: Config, passed_in: PassedIn, serving: &CancellationToken) -> Result<App, Error> {
    let producer = Producer::batching(&config.kafka, config.instance_id(), MESSAGE_TIMEOUT)?;
    let models = Arc::new(ReadModels::new(config.page.orders_kept));
    let (kafka, id) = (config.kafka.clone(), config.instance_id());
    let offsets = Arc::new(StableOffsets::new(&kafka, producer.clone(), id)?);
    let orders =
        OrderWriter::new(producer.clone(), Arc::clone(&models), Arc::clone(&offsets), id.to_owned(), CHANGES);
    let journal = {
        let (models, offsets) = (Arc::clone(&models), Arc::clone(&offsets));
        Arc::new(RunJournal::new(producer.clone(), models, offsets, id.to_owned()))
    };
    let settings = {
        let (models, journal) = (Arc::clone(&models), Arc::clone(&journal));
        Arc::new(SettingsWriter::new(producer.clone(), models, id.to_owned(), journal))
    };
    let dead_letters = DeadLetterLog::new(kafka.clone(), id, serving.clone());
    let redrives = {
        let (producer, models, offsets) = (producer.clone(), Arc::clone(&models), Arc::clone(&offsets));
        Redriver::new(producer, models, offsets, dead_letters.clone(), id.to_owned())
    };
    let rules = {
        let (dir, mode, serving) =
            (config.rules.rules_dir.clone(), config.rules.rules_watch, serving.clone());
        let switches = Arc::clone(&models.rule_switches);
        let open = move || RuleFiles::open(&dir, mode, &switches, &serving);
        Arc::new(tokio::task::spawn_blocking(open).await.map_err(Error::Rules)?)
    };
    let rule_writer = Arc::new(RuleWriter::new(Arc::clone(&rules), Arc::clone(&journal)));
    let undo = {
        let (settings, rules) = (Arc::clone(&settings), Arc::clone(&rule_writer));
        let defaults = config.defaults.clone();
        Arc::new(RunUndo::new(Arc::clone(&journal), settings, rules, defaults, serving.clone()))
    };
    let within = config.page.journey_within;
    let journeys = JourneyReader::new(kafka.clone(), producer.clone(), id, within, serving.clone());
    let catalog = TopicCatalog::new(&kafka, id)?;
    let groups = GroupReader::new(&kafka, &format!("{id}-groups"))?;
    let ranges = RangeReader::new(kafka.clone(), format!("{id}-records"), serving.clone());
    Ok(App {
        player: ScenarioPlayer::new(passed_in.scenarios, Arc::clone(&models)),
        journeys,
        topics: TopicLister::new(catalog.clone(), groups),
        records: RecordsReader::new(catalog.clone(), ranges),
        by_hand: RecordWriter::new(producer.clone(), catalog),
        topic_readers: Semaphore::new(TOPIC_READERS),
        records_by_hand: Semaphore::new(RECORDS_BY_HAND),
        log: LogReader::new(kafka, producer.clone(), id, serving.clone()),
        template: Template::new(config.page.templates_dir.as_deref())?,
        instances: InstanceWriter::new(Arc::clone(&settings), Arc::clone(&models), id.to_owned()),
        settings,
        rule_writer,
        journal,
        undo,
        relay: Progress::default(),
        streams: Arc::new(Semaphore::new(STREAMS)),
        log_readers: Semaphore::new(LOG_READERS),
        shutdown: serving.clone(),
        instance: Instance::start(Service::Order, Some(id.to_owned())),
        config,
        producer,
        models,
        offsets,
        dead_letters,
        orders,
        redrives,
        rules,
        backtest: passed_in.backtest,
        backtests: Semaphore::new(1),
        rule_drafts: Semaphore::new(RULE_DRAFTS),
        rule_checks: Arc::new(Semaphore::new(RULE_CHECKS)),
    })
}

fn start_reading(app: &App, reading: &CancellationToken) -> Result<(ConsumerLoop, [Tail; 5]), Error> {
    let App { config, instance, models, .. } = app;
    let tails = followers::start_tails(config, models, reading)?;
    let (work, relay) = followers::relay(config, instance, models);
    // The relay sends nothing; its loop takes a producer like every other one.
    let (producer, progress) = (app.producer.clone(), app.relay.clone());
    let relay = consume(&config.kafka, work, producer, relay, progress, reading.clone())?;
    tokio::spawn(stable_offsets::watch(Arc::clone(&app.offsets), reading.clone()));
    let producer = app.producer.clone();
    let cluster = move || producer.cluster_id().map(|id| id.to_string());
    tokio::spawn(followers::follow_cluster(Arc::clone(models), cluster, reading.clone()));
    tokio::spawn(followers::catch_up_on_outcomes(config.clone(), Arc::clone(models), reading.clone()));
    let (journal, undo) = (Arc::clone(&app.journal), Arc::clone(&app.undo));
    tokio::spawn(expiry::watch(Arc::clone(models), journal, undo, app.shutdown.clone()));
    Ok((relay, tails))
}

/// Starts to look at the dojo's consumer groups.
fn start_watching_groups(app: &App, reading: &CancellationToken) -> Result<(), Error> {
    let config = &app.config;
    let groups = GroupReader::new(&config.kafka, &format!("{}-groups", config.instance_id()))?;
    let names = [topic::NOTIFICATION_GROUP, topic::FRAUD_GROUP, topic::AUDIT_GROUP].map(str::to_owned);
    let names = names.into_iter().chain([config.relay_group().into_owned()]).collect();
    let settings = Arc::clone(&app.settings);
    let told_to_crash =
        move |id: &str| settings.follower().and_then(|follower| follower.settings().control(id).crash);
    let (log, producer, own) =
        (Arc::clone(&app.models.rebalances), app.producer.clone(), app.instance.clone());
    tokio::spawn(rebalances::watch(log, groups, names, own, producer, told_to_crash, reading.clone()));
    Ok(())
}

/// Reads the settings, and starts to report on `dojo-status` what this instance does.
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
        state: InstanceState::Running,
        partitions: progress.partitions(),
        rebalances: progress.rebalances(),
        rule_version: None,
        rule_error: None,
        limitation: progress.limitation(),
        is_fenced: progress.is_fenced(),
        settings_offset: follower.offset(),
    };
    let (producer, instance) = (app.producer.clone(), app.instance.clone());
    Ok(Reporter::start(producer, instance, observe, changed).await?)
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
        let run = run_with(config, readiness.clone(), PassedIn::default(), serve, CancellationToken::new());
        let ran = timeout(Duration::from_secs(60), run).await;
        assert!(matches!(ran, Ok(Err(Error::Server(_)))), "{ran:?}");
        assert_eq!(readiness.causes()[0].0, "end");
    }
}
