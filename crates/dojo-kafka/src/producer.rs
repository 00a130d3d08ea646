//! Sending records, with acknowledgement.
//!
//! A service has one producer. It is idempotent with `acks=all`, so that a resend by the client library neither duplicates a
//! record nor changes the order. Acknowledgements arrive on a thread of librdkafka and complete the future of
//! [`Producer::send`], or go to the ledger of a [consumer loop](crate::consume()).

use crate::{
    Connectivity, Delivered, Error, KafkaConfig, Outgoing, Prefix, config::create, connectivity::Watched,
    record::to_native,
};
use dojo_contract::topic;
use parking_lot::RwLock;
use rdkafka::{
    ClientConfig, ClientContext, Message,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::DeliveryResult,
    producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer},
    types::RDKafkaErrorCode,
    util::IntoOpaque,
};
use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// How often Kafka is asked whether it is there, and how long its answer may take: in all less than the time for the
/// acknowledgement of a record, and more than a slow network takes.
const PROBE_EVERY: Duration = Duration::from_secs(1);
const PROBE_AGAIN: Duration = Duration::from_millis(250);
const PROBE_WITHIN: Duration = Duration::from_secs(2);
/// A probe that takes this much longer than it may says nothing about Kafka: this process itself didn't run, because it was
/// stopped or the machine had no time for it.
const NOT_RUNNING: Duration = Duration::from_millis(250);
/// The same while Kafka is away: after a late answer it is back, too.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// The pause before a full send queue is tried again, and the number of tries.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(5);
const QUEUE_FULL_TRIES: u32 = 200;
const WATERMARKS_WITHIN: Duration = Duration::from_secs(5);

/// Receives the acknowledgement of a record.
pub(crate) type OnDelivery = Box<dyn FnOnce(Result<Delivered, (KafkaError, Box<Undelivered>)>) + Send + Sync>;

/// A record that wasn't acknowledged.
#[derive(Debug)]
pub(crate) struct Undelivered(pub(crate) Outgoing);

/// `IntoOpaque` wants a thin pointer, hence a box of a boxed closure, and the topic by its static name beside it.
pub(crate) struct Opaque {
    topic: &'static str,
    on_delivery: OnDelivery,
}

pub(crate) struct Context {
    connectivity: Arc<Watched>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.connectivity.away(reason);
        } else {
            tracing::debug!(%error, reason, "Kafka client");
        }
    }
}

/// The warnings that librdkafka repeats while Kafka is away or starts, and which [`Connectivity`] reports once: lost
/// connections, requests without an answer, partitions without a leader, coordinators that don't exist yet.
const WHILE_AWAY: [&str; 6] = ["FAIL", "ERROR", "REQTMOUT", "METADATAUPDATE", "GETPID", "COMMITFAIL"];

/// Writes a message of librdkafka to the log.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning if !WHILE_AWAY.contains(&facility) => {
            tracing::warn!(target: "librdkafka", facility, "{message}");
        }
        _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Opaque>;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: Box<Opaque>) {
        let Opaque { topic, on_delivery } = *opaque;
        on_delivery(match result {
            Ok(message) => {
                self.connectivity.heard();
                Ok(Delivered { partition: message.partition(), offset: message.offset() })
            }
            Err((error, message)) => {
                // The opaque has the topic's name, so the prefix isn't needed.
                let record = crate::Record::of(message, &Prefix::default());
                let outgoing = Outgoing {
                    topic,
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    headers: record.headers,
                    timestamp: record.timestamp,
                };
                Err((error.clone(), Box::new(Undelivered(outgoing))))
            }
        });
    }
}

type Inner = ThreadedProducer<Context>;

/// Sends records to Kafka. Cheap to clone; all clones share one connection and one queue.
#[derive(Clone)]
pub struct Producer {
    shared: Arc<Shared>,
}

struct Shared {
    config: ClientConfig,
    prefix: Prefix,
    connectivity: Arc<Watched>,
    // Replaced after a fatal error of librdkafka, as when Kafka has forgotten the producer's id.
    inner: RwLock<Arc<Inner>>,
}

impl Shared {
    fn inner(&self) -> Arc<Inner> {
        Arc::clone(&self.inner.read())
    }

    /// Returns why Kafka doesn't answer or can't accept orders. A broker that has just started answers before any partition
    /// has a leader; an overloaded one may be late with this answer, and not with others.
    fn ask(&self) -> Result<(), String> {
        let orders = self.prefix.on_cluster(topic::ORDERS);
        let away = self.connectivity.is_away();
        let within = if away { BACK_WITHIN } else { PROBE_WITHIN };
        let asked = Instant::now();
        let metadata = match self.inner().client().fetch_metadata(Some(&orders), within) {
            Ok(metadata) => metadata,
            Err(error)
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut)
                    && (self.connectivity.was_heard_within(PROBE_WITHIN)
                        || !away && asked.elapsed() > within + NOT_RUNNING) =>
            {
                return Ok(());
            }
            Err(error) => return Err(error.to_string()),
        };
        let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        match partitions.find(|partition| partition.leader() < 0) {
            Some(partition) => Err(format!("partition {} of topic {orders} has no leader", partition.id())),
            None => Ok(()),
        }
    }

    fn replace_if_fatal(&self) {
        let Some((code, reason)) = self.inner().client().fatal_error() else { return };
        tracing::warn!(%code, reason, "the Kafka producer had a fatal error; starting a new one");
        match new_inner(&self.config, &self.connectivity) {
            Ok(fresh) => *self.inner.write() = Arc::new(fresh),
            Err(error) => tracing::error!(%error, "can't start a new Kafka producer; trying again"),
        }
    }
}

fn new_inner(config: &ClientConfig, connectivity: &Arc<Watched>) -> Result<Inner, Error> {
    let context = Context { connectivity: Arc::clone(connectivity) };
    create("producer", config, config.create_with_context(context))
}

impl Producer {
    /// Creates a producer for `kafka` that sends a record at once; records that come while requests are under way share the
    /// next request. A record that isn't acknowledged within `message_timeout` is given up, so that it doesn't arrive long
    /// after its sender got an error.
    pub fn new(kafka: &KafkaConfig, client_id: &str, message_timeout: Duration) -> Result<Self, Error> {
        Self::with_linger(kafka, client_id, message_timeout, "0")
    }

    /// Creates a producer like [`Producer::new`], whose records wait half a millisecond to share a request: for a member of a
    /// group, which sends many records without waiting, and for many senders that each await their own record. Otherwise each
    /// record would have its own request.
    pub fn batching(kafka: &KafkaConfig, client_id: &str, message_timeout: Duration) -> Result<Self, Error> {
        Self::with_linger(kafka, client_id, message_timeout, "0.5")
    }

    fn with_linger(
        kafka: &KafkaConfig,
        client_id: &str,
        message_timeout: Duration,
        linger_ms: &str,
    ) -> Result<Self, Error> {
        let config = kafka.producer(client_id, message_timeout, linger_ms);
        let connectivity = Arc::new(Watched::default());
        let inner = RwLock::new(Arc::new(new_inner(&config, &connectivity)?));
        let shared = Arc::new(Shared { config, prefix: kafka.prefix.clone(), connectivity, inner });
        spawn_probe(Arc::downgrade(&shared), client_id)?;
        Ok(Self { shared })
    }

    /// Sends `record` and waits for its acknowledgement, up to the message timeout.
    pub async fn send(&self, record: Outgoing) -> Result<Delivered, Error> {
        self.send_to(None, record).await
    }

    /// Sends `record` like [`Producer::send`], to that partition; `None`: to the one that its key decides.
    pub async fn send_to(&self, partition: Option<i32>, record: Outgoing) -> Result<Delivered, Error> {
        let topic = record.topic;
        let mut tries = 0;
        let acknowledgement = loop {
            let (acknowledged, acknowledgement) = oneshot::channel();
            let enqueued = self.enqueue_to(
                partition,
                &record,
                Box::new(move |result| {
                    // The receiver is gone if the caller was cancelled.
                    let _ = acknowledged.send(result.map_err(|(source, _)| source));
                }),
            );
            match enqueued {
                Ok(()) => break acknowledgement,
                Err(error) if error.is_queue_full() && tries < QUEUE_FULL_TRIES => {
                    tries += 1;
                    tokio::time::sleep(QUEUE_FULL_WAIT).await;
                }
                Err(error) => return Err(error),
            }
        };
        match acknowledgement.await {
            Ok(result) => {
                result.map_err(|source| Error::Send { topic: topic.to_owned(), source: Box::new(source) })
            }
            Err(_) => Err(Error::Closed { topic: topic.to_owned() }),
        }
    }

    /// Puts `record` on the send queue without waiting. On success, `on_delivery` is called once, on a thread of librdkafka.
    pub(crate) fn enqueue(&self, record: &Outgoing, on_delivery: OnDelivery) -> Result<(), Error> {
        self.enqueue_to(None, record, on_delivery)
    }

    fn enqueue_to(
        &self,
        partition: Option<i32>,
        record: &Outgoing,
        on_delivery: OnDelivery,
    ) -> Result<(), Error> {
        let topic = record.topic;
        let opaque = Box::new(Opaque { topic, on_delivery });
        let on_cluster = self.shared.prefix.on_cluster(topic);
        let mut base = base_record(record, &on_cluster, opaque);
        base.partition = partition;
        let sent = self.shared.inner().send(base);
        sent.map_err(|(source, _)| Error::Send { topic: topic.to_owned(), source: Box::new(source) })
    }

    /// Returns the id of the cluster that Kafka last reported; `None` before its first report.
    pub fn cluster_id(&self) -> Option<String> {
        self.shared.inner().client().fetch_cluster_id(Duration::ZERO)
    }

    /// Returns whether Kafka is known to be away at the moment.
    pub fn is_away(&self) -> bool {
        self.shared.connectivity.is_away()
    }

    /// Watches whether Kafka answers.
    pub fn connectivity(&self) -> watch::Receiver<Connectivity> {
        self.shared.connectivity.subscribe()
    }

    /// Waits up to `within` until every record on the send queue is acknowledged or given up. Doesn't wait while Kafka is
    /// known to be away.
    pub async fn flush(&self, within: Duration) {
        let within = if self.is_away() { Duration::ZERO } else { within };
        let inner = self.shared.inner();
        let flushed = tokio::task::spawn_blocking(move || inner.flush(within)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!(seconds = within.as_secs_f32(), "not every record was acknowledged in time");
        }
    }

    /// Returns the first offset of each partition of `topic`, and its last stable offset: the first record of an open transaction,
    /// or else the offset that the next record will get. Bounded by five seconds in all.
    pub async fn watermarks(
        &self,
        topic: &str,
    ) -> Result<std::collections::BTreeMap<i32, (i64, i64)>, Error> {
        let until = Instant::now() + WATERMARKS_WITHIN;
        let left = move || until.saturating_duration_since(Instant::now());
        let (inner, topic) = (self.shared.inner(), topic.to_owned());
        let on_cluster = self.shared.prefix.on_cluster(&topic).into_owned();
        let read = move || {
            let fail = |source| Error::Read { topic: topic.clone(), source: Box::new(source) };
            let metadata = inner.client().fetch_metadata(Some(&on_cluster), left()).map_err(fail)?;
            let partitions = metadata.topics().iter().flat_map(|t| t.partitions()).map(|p| p.id());
            partitions
                .map(|p| Ok((p, inner.client().fetch_watermarks(&on_cluster, p, left()).map_err(fail)?)))
                .collect()
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|e| {
            Err(Error::Thread { what: "reading watermarks".to_owned(), message: e.to_string() })
        })
    }
}

/// Returns `record` in librdkafka's form; `topic` is the topic's name on the cluster.
pub(crate) fn base_record<'a, O: IntoOpaque>(
    record: &'a Outgoing,
    topic: &'a str,
    opaque: O,
) -> BaseRecord<'a, [u8], [u8], O> {
    let mut base = BaseRecord::with_opaque_to(topic, opaque);
    base.key = record.key.as_deref();
    base.payload = record.value.as_deref();
    base.timestamp = record.timestamp;
    base.headers = to_native(&record.headers);
    base
}

/// Asks Kafka again and again whether it is there, until the producer is dropped.
fn spawn_probe(shared: Weak<Shared>, client_id: &str) -> Result<(), Error> {
    let probe = move || {
        while let Some(shared) = shared.upgrade() {
            match shared.ask() {
                Ok(()) => shared.connectivity.up(),
                Err(reason) => shared.connectivity.away(&reason),
            }
            shared.replace_if_fatal();
            let pause = if shared.connectivity.is_away() { PROBE_AGAIN } else { PROBE_EVERY };
            // Not held during the sleep, so that this thread ends after the last clone is dropped.
            drop(shared);
            std::thread::sleep(pause);
        }
    };
    std::thread::Builder::new().name(format!("probe-{client_id}")).spawn(probe).map(drop).map_err(|e| {
        Error::Thread { what: "asking whether Kafka is there".to_owned(), message: e.to_string() }
    })
}
