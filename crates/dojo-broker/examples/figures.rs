//! What the broker and librdkafka reach together on this machine, in one process:
//! `cargo run --release -p dojo-broker --example figures`.
//!
//! Writes and reads back a million records of 100 and of 300 bytes, and then times records on their way from a producer to a
//! consumer that waits, at 200 a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dojo_broker::{Broker, Config, TopicConfig, bind, bootstrap_servers};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Message, Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

const RECORDS: u64 = 1_000_000;
const RATE: u32 = 200;
const TIMED: u32 = 2000;
const PARTITIONS: i32 = 3;
const PATIENCE: Duration = Duration::from_secs(20);

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let topics = ["small", "large", "timed"].map(|name| TopicConfig::new(name, PARTITIONS));
    let broker = Broker::new(Config {
        topics: topics.into(),
        retention_bytes_per_partition: 512 << 20,
        ..Config::default()
    })?;
    let listeners = runtime.block_on(bind("127.0.0.1:0"))?;
    let bootstrap = bootstrap_servers(&listeners)?;
    let shutdown = CancellationToken::new();
    let serving = runtime.spawn({
        let shutdown = shutdown.clone();
        async move { broker.serve(listeners, shutdown).await }
    });
    volume(&bootstrap, "small", 100)?;
    volume(&bootstrap, "large", 300)?;
    latency(&bootstrap)?;
    shutdown.cancel();
    runtime.block_on(serving)??;
    Ok(())
}

/// Counts what was acknowledged.
struct Count(Arc<AtomicU64>);

impl ClientContext for Count {}

impl ProducerContext for Count {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        if result.is_ok() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn volume(bootstrap: &str, topic: &str, size: usize) -> Result<(), Failure> {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let producer: BaseProducer<Count> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("acks", "all")
        .set("queue.buffering.max.messages", "200000")
        .create_with_context(Count(acknowledged.clone()))?;
    let payload = vec![b'x'; size];
    let begun = Instant::now();
    for n in 0..RECORDS {
        let key = n.to_string();
        let mut record = BaseRecord::to(topic).key(&key).payload(&payload);
        while let Err((_, returned)) = producer.send(record) {
            record = returned;
            producer.poll(Duration::from_millis(1));
        }
        if n % 256 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(PATIENCE)?;
    let written = begun.elapsed();
    let consumer = reader(bootstrap, topic, Offset::Beginning)?;
    let begun = Instant::now();
    let mut read = 0;
    while read < RECORDS {
        next(&consumer)?;
        read += 1;
    }
    let rate = |time: Duration| RECORDS as f64 / time.as_secs_f64();
    println!(
        "{size} bytes: {} acknowledged, {:.0} records/s in, {:.0} records/s out",
        acknowledged.load(Ordering::Relaxed),
        rate(written),
        rate(begun.elapsed())
    );
    Ok(())
}

fn reader(bootstrap: &str, topic: &str, from: Offset) -> Result<BaseConsumer, Failure> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).set("group.id", "figures").create()?;
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(topic, partition, from)?;
    }
    consumer.assign(&partitions)?;
    Ok(consumer)
}

/// A poll may end early with nothing, so it is tried again until the patience is at its end.
fn next(consumer: &BaseConsumer) -> Result<BorrowedMessage<'_>, Failure> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(record) = consumer.poll(PATIENCE) {
            return Ok(record?);
        }
    }
    Err("no record in time".into())
}

fn latency(bootstrap: &str) -> Result<(), Failure> {
    let consumer = reader(bootstrap, "timed", Offset::Beginning)?;
    // Until it has caught up with nothing, the consumer does not wait at the end of the log.
    consumer.poll(Duration::from_secs(1));
    let origin = Instant::now();
    let receiving = std::thread::spawn(move || -> Result<Vec<Duration>, Failure> {
        let mut times = Vec::new();
        while times.len() < TIMED as usize {
            let record = next(&consumer)?;
            let payload = record.payload().and_then(|payload| payload.try_into().ok()).ok_or("not a time")?;
            let sent = Duration::from_nanos(u64::from_be_bytes(payload));
            times.push(origin.elapsed().saturating_sub(sent));
        }
        Ok(times)
    });
    let producer: BaseProducer<Count> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("linger.ms", "0")
        .create_with_context(Count(Arc::default()))?;
    for n in 0..TIMED {
        let due = origin + Duration::from_secs(1) * n / RATE;
        while Instant::now() < due {
            producer.poll(Duration::from_micros(200));
        }
        let now = u64::try_from(origin.elapsed().as_nanos())?.to_be_bytes();
        let key = n.to_string();
        let record = BaseRecord::to("timed").key(&key).payload(&now[..]);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(PATIENCE)?;
    let mut times = receiving.join().map_err(|_| "the consumer failed")??;
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!("produce to consume at {RATE}/s: p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(0.9999));
    Ok(())
}
