//! Records a second, in and out: one producer, then one consumer.

use crate::{
    PATIENCE,
    broker::{Broker, PARTITIONS},
};
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::BorrowedMessage,
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const RECORDS: u64 = 1_000_000;
const BYTES: usize = 300;

/// Records a second.
pub struct Volume {
    pub written: f64,
    pub read: f64,
}

/// Counts acknowledged records.
pub struct Count(pub Arc<AtomicU64>);

impl ClientContext for Count {}

impl ProducerContext for Count {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        if result.is_ok() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub fn measure(broker: &Broker) -> Volume {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut config = broker.client();
    config.set("acks", "all").set("queue.buffering.max.messages", "200000");
    let producer: BaseProducer<Count> = config.create_with_context(Count(acknowledged.clone())).unwrap();
    let payload = vec![b'x'; BYTES];
    let begun = Instant::now();
    for n in 0..RECORDS {
        let key = n.to_string();
        let mut record = BaseRecord::to("volume").key(&key).payload(&payload);
        while let Err((_, returned)) = producer.send(record) {
            assert!(begun.elapsed() < PATIENCE, "{n} of {RECORDS} sent");
            record = returned;
            producer.poll(Duration::from_millis(1));
        }
        if n % 256 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(PATIENCE).unwrap();
    let written = begun.elapsed();
    assert_eq!(acknowledged.load(Ordering::Relaxed), RECORDS);

    let consumer = reader(broker, "volume");
    let begun = Instant::now();
    for _ in 0..RECORDS {
        next(&consumer);
    }
    let rate = |time: Duration| RECORDS as f64 / time.as_secs_f64();
    Volume { written: rate(written), read: rate(begun.elapsed()) }
}

/// Returns a consumer of the whole topic, from its start, without a group.
pub fn reader(broker: &Broker, topic: &str) -> BaseConsumer {
    let consumer: BaseConsumer = broker.client().set("group.id", "reader").create().unwrap();
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&partitions).unwrap();
    consumer
}

/// Returns the next record. A poll can end early without one.
pub fn next(consumer: &BaseConsumer) -> BorrowedMessage<'_> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(record) = consumer.poll(PATIENCE) {
            return record.unwrap();
        }
    }
    panic!("no record in time")
}
