//! The dojo's figures, the throughputs beside a counterpart run before and after on the same machine:
//! `cargo bench --package dojo`.
//!
//! A name as argument runs one part: `cargo bench --package dojo -- posts`; `apache` runs it on Apache Kafka instead of the
//! embedded broker: `cargo bench --package dojo -- apache latency posts`. Every part has processes of its own.
//! `cargo bench --package dojo -- at http://localhost:3001` measures the latency of a dojo that is there.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that cannot run panics"
)]

mod broker;
mod processes;

mod bare;
mod cold_start;
mod fraud;
mod guarantee;
mod journey;
mod latency;
mod load;
mod posts;
mod rebalances;
mod redrive;
mod restart;
mod rules;
mod slow;
mod start;
mod streams;
mod takeover;
mod topics;

use broker::On;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    // The counterparts run in processes of their own, as the services do: this program again, with a role.
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["at", url] => return latency::at(url, "10/50").await,
        ["as-broker", listen, kept] => return broker::serve(listen, kept.parse().unwrap()).await,
        ["as-bare-handler", brokers, port] => return bare::handler(brokers, port.parse().unwrap()).await,
        ["as-bare-loop", brokers] => return bare::forwarding(brokers).await,
        _ => {}
    }
    let on = if arguments.iter().any(|argument| argument == "apache") { On::Apache } else { On::Embedded };
    let parts: Vec<_> = arguments.iter().filter(|argument| *argument != "apache").collect();
    let wanted = |name: &str| parts.is_empty() || parts.iter().any(|part| *part == name);
    println!("on {on}");
    if wanted("start") {
        start::measure(on).await;
    }
    if wanted("latency") {
        latency::measure(on).await;
    }
    if wanted("streams") {
        streams::measure(on).await;
    }
    if wanted("posts") {
        posts::measure(on).await;
    }
    if wanted("fraud") {
        fraud::measure(on).await;
    }
    if wanted("edits") {
        rules::edits(on).await;
    }
    if wanted("backtest") {
        rules::backtest(on).await;
    }
    if wanted("windows") {
        rules::windows(on).await;
    }
    if wanted("guarantee") {
        guarantee::measure(on).await;
    }
    if wanted("redrive") {
        redrive::measure(on).await;
    }
    if wanted("journey") {
        journey::measure(on).await;
    }
    if wanted("topics") {
        topics::measure(on).await;
    }
    if wanted("cold-start") {
        cold_start::measure(on).await;
    }
    if wanted("restart") {
        restart::measure(on).await;
    }
    if wanted("takeover") {
        takeover::measure(on).await;
    }
    if wanted("rebalances") {
        rebalances::measure(on).await;
    }
    if wanted("slow") {
        slow::measure(on).await;
    }
}
