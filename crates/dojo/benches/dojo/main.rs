//! The dojo's figures, the throughputs beside a counterpart run before and after on the same machine: `cargo bench --package dojo`.
//!
//! A name as argument runs one part: `cargo bench --package dojo -- posts`. Every part has processes of its own.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that cannot run panics"
)]

mod processes;

mod bare;
mod fraud;
mod latency;
mod load;
mod posts;
mod start;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    // The counterparts run in processes of their own, as the services do: this program again, with a role.
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["as-broker", listen] => return processes::serve_broker(listen).await,
        ["as-bare-handler", brokers, port] => return bare::handler(brokers, port.parse().unwrap()).await,
        ["as-bare-loop", brokers] => return bare::forwarding(brokers).await,
        _ => {}
    }
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    if wanted("start") {
        start::measure().await;
    }
    if wanted("latency") {
        latency::measure().await;
    }
    if wanted("posts") {
        posts::measure().await;
    }
    if wanted("fraud") {
        fraud::measure().await;
    }
}
