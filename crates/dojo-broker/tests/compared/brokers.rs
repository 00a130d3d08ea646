//! The two brokers, and a client's script played against both.
//!
//! One node of Apache Kafka and one embedded broker serve all scripts of a run; each script has its own
//! topics and groups. Scripts are played one after another: the order of events is compared, and on a busy
//! machine it would change.

use crate::{
    differences::{DIFFERENCES, Difference},
    mask::mask,
    notes::{Notes, Observation},
    verdict::judge,
};
use dojo_broker::{Address, Broker, Config, bind};
use kafka_node::{Jars, Node, Options};
use rdkafka::{
    ClientConfig, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, Producer},
};
use std::{
    future::Future,
    path::Path,
    sync::OnceLock,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, sync::Mutex};
use tokio_util::sync::CancellationToken;

/// How much a partition of the embedded broker keeps: little enough for a script to fill one.
const RETENTION_BYTES: usize = 16 << 20;
const WARM_WITHIN: Duration = Duration::from_secs(60);

/// One of the two brokers, for a script.
#[derive(Debug, Clone)]
pub struct Side {
    /// `host:port`.
    pub bootstrap: String,
    pub port: u16,
    /// The name of this broker in file names.
    pub name: &'static str,
}

/// Both brokers, until the test's process ends; Apache Kafka ends with it.
struct Both {
    jars: Jars,
    apache: Node,
    embedded: u16,
    _runtime: Runtime,
}

pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
}

/// Reports that a client isn't compared, and why. In CI, it fails.
pub fn skip(why: &str) {
    assert!(!is_ci(), "{why}");
    eprintln!("skipped: {why}");
}

fn both() -> Option<&'static Both> {
    static BOTH: OnceLock<Option<Both>> = OnceLock::new();
    BOTH.get_or_init(|| {
        let jars = Jars::find(&kafka_node::cache()).map_err(|error| skip(&error.to_string())).ok()?;
        let apache = Node::start(&jars, Options::default()).unwrap();
        warm_up(apache.bootstrap_servers());
        let runtime = Runtime::new().unwrap();
        let embedded = runtime.block_on(start_embedded());
        Some(Both { jars, apache, embedded, _runtime: runtime })
    })
    .as_ref()
}

/// Has Apache Kafka create and load its topics for groups and transactions. Until then, it refuses requests
/// about them.
fn warm_up(bootstrap: &str) {
    let until = Instant::now() + WARM_WITHIN;
    // More groups than `__consumer_offsets` has partitions, so that one of them is in each.
    for number in 0..32 {
        let group = format!("warm-{number}");
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", bootstrap).set("group.id", &group).create().unwrap();
        let mut asked = TopicPartitionList::new();
        asked.add_partition("warm", 0);
        while let Err(error) = consumer.committed_offsets(asked.clone(), WARM_WITHIN) {
            assert!(Instant::now() < until, "{error}");
        }
    }
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("transactional.id", "warm")
        .create()
        .unwrap();
    producer.init_transactions(WARM_WITHIN).unwrap();
}

/// Serves an embedded broker that advertises `localhost`, as the node of Apache Kafka does. Returns its port.
async fn start_embedded() -> u16 {
    let listeners = bind("localhost:0").await.unwrap();
    let port = listeners[0].local_addr().unwrap().port();
    let advertised = Some(Address { host: "localhost".to_owned(), port });
    let config = Config { advertised, retention_bytes_per_partition: RETENTION_BYTES, ..Config::default() };
    let broker = Broker::new(config).unwrap();
    tokio::spawn(async move { broker.serve(listeners, CancellationToken::new()).await.unwrap() });
    port
}

/// Plays `play` against both brokers, and fails on any difference that [`DIFFERENCES`] doesn't list.
pub async fn compare<F>(client: &str, play: impl Fn(Side, Jars) -> F)
where
    F: Future<Output = Notes> + Send + 'static,
{
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let Some(both) = tokio::task::spawn_blocking(both).await.unwrap() else { return };
    let side = |name, port| Side { bootstrap: format!("localhost:{port}"), port, name };
    let apache = side("apache", both.apache.port());
    let embedded = side("embedded", both.embedded);
    // Each side has its own task, so that one that blocks doesn't hold up the other.
    let playing = [&apache, &embedded].map(|side| tokio::spawn(play(side.clone(), both.jars.clone())));
    let [seen_of_apache, seen_of_embedded] = playing;
    let apache = settle(client, &apache, seen_of_apache.await.unwrap());
    let embedded = settle(client, &embedded, seen_of_embedded.await.unwrap());
    let listed: Vec<&Difference> =
        DIFFERENCES.iter().filter(|difference| difference.client == client).collect();
    let wrong = judge(&apache, &embedded, &listed);
    assert!(wrong.is_empty(), "{client} sees what the table of differences does not say\n{wrong}");
    assert!(!apache.is_empty(), "{client} saw nothing");
}

/// Masks what must differ, and writes a copy of everything that was seen.
fn settle(client: &str, side: &Side, notes: Notes) -> Vec<Observation> {
    let mut seen = notes.list;
    for observation in &mut seen {
        observation.seen = mask(&observation.seen, side.port);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compared");
    std::fs::create_dir_all(&folder).unwrap();
    let lines: String = seen.iter().map(|one| format!("{}\n    {}\n", one.name, one.seen)).collect();
    let file = format!("{}.{}.txt", client.replace(' ', "-"), side.name);
    std::fs::write(folder.join(file), lines).unwrap();
    seen
}
