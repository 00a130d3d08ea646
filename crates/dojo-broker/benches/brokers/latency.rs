//! The time from sending a record to its arrival at a consumer that waits for it.

use crate::{
    PATIENCE,
    broker::Broker,
    volume::{Count, next, reader},
};
use rdkafka::{
    Message as _,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const RATE: u32 = 200;
const WARM_UP: usize = 400;
const TIMED: usize = 4_000;

/// In milliseconds.
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
}

pub fn measure(broker: &Broker) -> Latency {
    let consumer = reader(broker, "latency");
    // Until it has reached the end of the log once, the consumer doesn't wait there.
    consumer.poll(Duration::from_secs(1));
    let origin = Instant::now();
    let receiving = std::thread::spawn(move || {
        let times = (0..WARM_UP + TIMED).map(|_| {
            let record = next(&consumer);
            let sent = u64::from_be_bytes(record.payload().unwrap().try_into().unwrap());
            origin.elapsed().saturating_sub(Duration::from_nanos(sent))
        });
        times.skip(WARM_UP).collect::<Vec<_>>()
    });
    let producer: BaseProducer<Count> =
        broker.client().set("linger.ms", "0").create_with_context(Count(Arc::default())).unwrap();
    for n in 0..(WARM_UP + TIMED) as u32 {
        let due = origin + Duration::from_secs(1) * n / RATE;
        while Instant::now() < due {
            producer.poll(Duration::from_micros(200));
        }
        let now = (origin.elapsed().as_nanos() as u64).to_be_bytes();
        let key = n.to_string();
        producer.send(BaseRecord::to("latency").key(&key).payload(&now[..])).map_err(|(e, _)| e).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    let mut times = receiving.join().unwrap();
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1000.0;
    Latency { p50: at(50), p99: at(99) }
}
