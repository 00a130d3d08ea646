//! A broker to play with: `cargo run -p dojo-broker --example broker -- localhost:9092 orders:3 audit:1`.
//!
//! The first argument is where to listen, the others are topics with their numbers of partitions. Ends on
//! Ctrl-C.

use dojo_broker::{Broker, Config, Error, TopicConfig, bind, bootstrap_servers};
use std::{process::ExitCode, time::Duration};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().unwrap_or_else(|| "localhost:9092".to_owned());
    match run(&listen, arguments.map(|topic| parse(&topic)).collect()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// `name:partitions`, or `name` for a single partition.
fn parse(topic: &str) -> TopicConfig {
    let (name, partitions) = topic.split_once(':').unwrap_or((topic, "1"));
    TopicConfig::new(name, partitions.parse().unwrap_or(0))
}

async fn run(listen: &str, topics: Vec<TopicConfig>) -> Result<(), Error> {
    // Consumers that start together then share the partitions at once.
    let initial_rebalance_delay = Duration::from_millis(100);
    let broker = Broker::new(Config { topics, initial_rebalance_delay, ..Config::default() })?;
    let listeners = bind(listen).await?;
    println!("bootstrap.servers={}", bootstrap_servers(&listeners)?);
    let shutdown = CancellationToken::new();
    let interrupted = shutdown.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });
    broker.serve(listeners, shutdown).await
}
