//! Sending records, and knowing that they arrived.
//!
//! One producer a service: `acks=all`, idempotent, so that a resend by the client library neither duplicates a
//! record nor changes the order. Acknowledgements arrive on a thread of librdkafka's and go to whoever waits: the
//! future of [`Producer::send`], or the ledger of a [consumer loop](crate::consume()).

use crate::{
    Connectivity, Delivered, Error, KafkaConfig, Outgoing, Prefix, config::create, connectivity::Watched,
    record::to_native,
};
use dojo_contract::topic;
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
    sync::{Arc, RwLock, Weak},
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// How often Kafka is asked whether it is there, and how long it may take to say so: less in all than a record is given
/// to be acknowledged, and more than a slow network takes.
const PROBE_EVERY: Duration = Duration::from_secs(1);
const PROBE_AGAIN: Duration = Duration::from_millis(250);
const PROBE_WITHIN: Duration = Duration::from_secs(2);
/// The same while it is away: one that answers late is back all the same.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// How long a full send queue is looked at again, and how often.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(5);
const QUEUE_FULL_TRIES: u32 = 200;
const WATERMARKS_WITHIN: Duration = Duration::from_secs(5);

/// What happens to an acknowledgement.
pub(crate) type OnDelivery = Box<dyn FnOnce(Result<Delivered, (KafkaError, Box<Undelivered>)>) + Send + Sync>;

/// A record that was not acknowledged, to be sent again.
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

/// What librdkafka warns of again and again while Kafka is away or starts, which [`Connectivity`] says once: lost
/// connections, requests without an answer, partitions without a leader, coordinators that are not there yet.
const WHILE_AWAY: [&str; 6] = ["FAIL", "ERROR", "REQTMOUT", "METADATAUPDATE", "GETPID", "COMMITFAIL"];

/// librdkafka's own log.
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
                // Its topic is the one that it was given with.
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
    // Replaced when librdkafka calls its producer dead for good, as it does when Kafka has forgotten its id.
    inner: RwLock<Arc<Inner>>,
}

impl Shared {
    fn inner(&self) -> Arc<Inner> {
        Arc::clone(&self.inner.read().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Whether Kafka answers and would take orders; if not, why. A broker that has just been started answers before any
    /// partition has a leader; one that is overloaded may be late with this answer, and not with others.
    fn ask(&self) -> Result<(), String> {
        let orders = self.prefix.on_cluster(topic::ORDERS);
        let within = if self.connectivity.is_away() { BACK_WITHIN } else { PROBE_WITHIN };
        let metadata = match self.inner().client().fetch_metadata(Some(&orders), within) {
            Ok(metadata) => metadata,
            Err(error)
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut)
                    && self.connectivity.was_heard_within(PROBE_WITHIN) =>
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
        tracing::warn!(%code, reason, "the Kafka producer failed for good; starting a new one");
        match new_inner(&self.config, &self.connectivity) {
            Ok(fresh) => {
                let mut inner = self.inner.write().unwrap_or_else(|poisoned| poisoned.into_inner());
                *inner = Arc::new(fresh);
            }
            Err(error) => tracing::error!(%error, "no new Kafka producer"),
        }
    }
}

fn new_inner(config: &ClientConfig, connectivity: &Arc<Watched>) -> Result<Inner, Error> {
    let context = Context { connectivity: Arc::clone(connectivity) };
    create("producer", config, config.create_with_context(context))
}

impl Producer {
    /// A producer for `kafka` that sends a record at once; what comes while requests are under way shares the next.
    /// A record that is not acknowledged within `message_timeout` is given up, so that nothing arrives long after its
    /// sender was told that it failed.
    pub fn new(kafka: &KafkaConfig, client_id: &str, message_timeout: Duration) -> Result<Self, Error> {
        Self::with_linger(kafka, client_id, message_timeout, "0")
    }

    /// The same, but a record waits half a millisecond for others to share its request: for many senders that each
    /// await their own record. Without it each would get a request of its own, and they would queue for them.
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

    /// Sends `record` and resolves when Kafka has acknowledged it, or has not within the message timeout.
    pub async fn send(&self, record: Outgoing) -> Result<Delivered, Error> {
        let topic = record.topic;
        let mut tries = 0;
        let acknowledgement = loop {
            let (acknowledged, acknowledgement) = oneshot::channel();
            let enqueued = self.enqueue(
                &record,
                Box::new(move |result| {
                    // Nobody waits any more where a request was cancelled: that is theirs to know.
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

    /// Puts `record` on the send queue, without waiting; where that succeeds, `on_delivery` is called once, on a
    /// thread of librdkafka's.
    pub(crate) fn enqueue(&self, record: &Outgoing, on_delivery: OnDelivery) -> Result<(), Error> {
        let topic = record.topic;
        let opaque = Box::new(Opaque { topic, on_delivery });
        let on_cluster = self.shared.prefix.on_cluster(topic);
        let sent = self.shared.inner().send(base_record(record, &on_cluster, opaque));
        sent.map_err(|(source, _)| Error::Send { topic: topic.to_owned(), source: Box::new(source) })
    }

    /// The id of the cluster, as Kafka last told it; `None` before it has.
    pub fn cluster_id(&self) -> Option<String> {
        self.shared.inner().client().fetch_cluster_id(Duration::ZERO)
    }

    /// Whether Kafka is known not to answer at the moment.
    pub fn is_away(&self) -> bool {
        self.shared.connectivity.is_away()
    }

    /// Whether Kafka answers, and every change of that.
    pub fn connectivity(&self) -> watch::Receiver<Connectivity> {
        self.shared.connectivity.subscribe()
    }

    /// Waits until everything on the send queue is acknowledged or given up, but not longer than `within`, and not at
    /// all while Kafka is known to be away.
    pub async fn flush(&self, within: Duration) {
        let within = if self.is_away() { Duration::ZERO } else { within };
        let inner = self.shared.inner();
        let flushed = tokio::task::spawn_blocking(move || inner.flush(within)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!(
                seconds = within.as_secs_f32(),
                "not every record was acknowledged before the end"
            );
        }
    }

    /// The first offset of each partition of `topic`, and its last stable offset: the first record of an open transaction,
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

/// `record` as librdkafka takes it; `topic` is its name on the cluster.
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

/// Asks Kafka again and again whether it is there, until the producer is gone.
fn spawn_probe(shared: Weak<Shared>, client_id: &str) -> Result<(), Error> {
    let probe = move || {
        while let Some(shared) = shared.upgrade() {
            match shared.ask() {
                Ok(()) => shared.connectivity.up(),
                Err(reason) => shared.connectivity.away(&reason),
            }
            shared.replace_if_fatal();
            let pause = if shared.connectivity.is_away() { PROBE_AGAIN } else { PROBE_EVERY };
            // Not held while asleep, so that the last clone's drop ends this thread.
            drop(shared);
            std::thread::sleep(pause);
        }
    };
    std::thread::Builder::new().name(format!("probe-{client_id}")).spawn(probe).map(drop).map_err(|e| {
        Error::Thread { what: "asking whether Kafka is there".to_owned(), message: e.to_string() }
    })
}
