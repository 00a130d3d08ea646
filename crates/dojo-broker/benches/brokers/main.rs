//! The embedded broker beside Apache Kafka, with the same work: `cargo bench --package dojo-broker`.
//!
//! Each has its own process, and librdkafka is the client of both. Apache Kafka needs a Java runtime and the
//! jars that `cargo xtask kafka` fetches; without them, only the embedded broker is measured.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that cannot run panics"
)]

mod broker;
mod group;
mod latency;
mod volume;

use broker::Broker;
use std::time::Duration;

/// What hasn't arrived by then, on any machine, won't arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// The figures of one broker.
struct Figures {
    volume: volume::Volume,
    latency: latency::Latency,
    group: group::Times,
    resident_mib: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["as-broker", listen] => return broker::serve(listen),
        ["as-member", brokers] => return group::be_a_member(brokers),
        _ => {}
    }
    let embedded = measure(&Broker::embedded());
    let apache = Broker::apache().map(|apache| measure(&apache));
    if let Err(error) = &apache {
        println!("Apache Kafka is not measured: {error}");
    }
    compare(&embedded, apache.as_ref().ok());
}

fn measure(broker: &Broker) -> Figures {
    // The latency comes first: a broker that has just taken a million records may still be busy with them.
    let latency = latency::measure(broker);
    let group = group::measure(broker);
    let volume = volume::measure(broker);
    Figures { volume, latency, group, resident_mib: broker.resident_mib() }
}

fn compare(embedded: &Figures, apache: Option<&Figures>) {
    let line = |what: &str, unit: &str, of: &dyn Fn(&Figures) -> f64, digits: usize| {
        let (ours, theirs) = (of(embedded), apache.map_or(f64::NAN, of));
        println!("{what:34} {ours:>12.digits$} {theirs:>12.digits$} {unit:10} {:>6.2}", ours / theirs);
    };
    println!("{:34} {:>12} {:>12} {:10} {:>6}", "", "embedded", "Apache Kafka", "", "ratio");
    line("records in, 300 bytes", "a second", &|f| f.volume.written, 0);
    line("records out, 300 bytes", "a second", &|f| f.volume.read, 0);
    line("produce to consume, p50", "ms", &|f| f.latency.p50, 2);
    line("produce to consume, p99", "ms", &|f| f.latency.p99, 2);
    line("a group of two settles", "s", &|f| f.group.two_settle, 2);
    line("a third member has its share", "s", &|f| f.group.third_joins, 2);
    line("a killed member is noticed", "s", &|f| f.group.killed_is_noticed, 2);
    line("resident after all this", "MiB", &|f| f.resident_mib, 0);
}
