//! How long a group takes to share its partitions: two members from the start, with a third, and again two
//! once the third is killed. Sessions are those of the dojo's services: 6 s, with a heartbeat every 2 s.

use crate::{
    PATIENCE,
    broker::{Broker, PARTITIONS, role},
};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// In seconds.
pub struct Times {
    pub two_settle: f64,
    pub third_joins: f64,
    pub killed_is_noticed: f64,
}

pub fn measure(broker: &Broker) -> Times {
    let all = PARTITIONS as usize;
    let (first, second) = (Member::start(&broker.brokers), Member::start(&broker.brokers));
    let shares = || [first.owned(), second.owned()];
    let two_settle = until(|| shares().iter().sum::<usize>() == all && !shares().contains(&0));
    let mut third = role(&["as-member", &broker.brokers]);
    let third_joins = until(|| shares() == [1, 1]);
    third.kill().unwrap();
    third.wait().unwrap();
    let killed_is_noticed = until(|| shares().iter().sum::<usize>() == all);
    Times { two_settle, third_joins, killed_is_noticed }
}

/// The role of the member that is killed.
pub fn be_a_member(brokers: &str) {
    let _member = Member::start(brokers);
    // No measurement waits longer.
    std::thread::sleep(PATIENCE * 2);
}

/// Returns the seconds until `condition` holds.
fn until(condition: impl Fn() -> bool) -> f64 {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "the group does not settle");
        std::thread::sleep(Duration::from_millis(1));
    }
    begun.elapsed().as_secs_f64()
}

/// A member of the group on its own thread; it leaves when dropped.
struct Member {
    owned: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    fn start(brokers: &str) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "group")
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "2000")
            .create()
            .unwrap();
        consumer.subscribe(&["group"]).unwrap();
        let (owned, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (owns, stopped) = (owned.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                consumer.poll(Duration::from_millis(5));
                owns.store(consumer.assignment().map_or(0, |list| list.count()), Ordering::Relaxed);
            }
        });
        Self { owned, stop, thread: Some(thread) }
    }

    fn owned(&self) -> usize {
        self.owned.load(Ordering::Relaxed)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
