//! The dojo behind one command: parse, compose, wait. What happens is in the libraries of the services.

mod cli;
mod telemetry;

mod shutdown;

mod broker;
mod ready;
mod supervisor;

mod admin;
mod health;
mod http;
mod metrics;
mod service;

use anyhow::Context as _;
use clap::Parser as _;
use cli::{Cli, Command};
use std::{process::ExitCode, time::Duration};

/// After this long a blocked thread no longer holds up the end of the process.
const RUNTIME_ENDS_WITHIN: Duration = Duration::from_secs(1);

/// What a person has to change before another try makes sense: exit code 78, `EX_CONFIG` of sysexits.h. The
/// supervisor does not start such a service again.
#[derive(Debug)]
struct Misconfigured(String);

impl Misconfigured {
    const EXIT_CODE: u8 = 78;
}

impl std::fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misconfigured {}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dojo: {error:#}");
            ExitCode::from(if is_misconfigured(&error) { Misconfigured::EXIT_CODE } else { 1 })
        }
    }
}

/// A Kafka property that librdkafka does not know is as wrong at the next start.
fn is_misconfigured(error: &anyhow::Error) -> bool {
    error.is::<Misconfigured>()
        || error.chain().any(|cause| matches!(cause.downcast_ref(), Some(dojo_kafka::Error::Create { .. })))
}

fn run(cli: Cli) -> anyhow::Result<()> {
    telemetry::start(&cli.telemetry)?;
    dojo_kafka::check_environment().map_err(Misconfigured)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let result = runtime.block_on(dispatch(cli));
    runtime.shutdown_timeout(RUNTIME_ENDS_WITHIN);
    result
}

async fn dispatch(cli: Cli) -> anyhow::Result<()> {
    match cli.command.unwrap_or(Command::Up(cli.up)) {
        Command::Up(up) => supervisor::up(up, &cli.telemetry, shutdown::on_signal(cli.supervised)?).await,
        Command::Order(order) => service::order(order, shutdown::on_signal(cli.supervised)?).await,
        Command::Notification(config) => {
            service::notification(config, shutdown::on_signal(cli.supervised)?).await
        }
        Command::Fraud(config) => service::fraud(config, shutdown::on_signal(cli.supervised)?).await,
        Command::Audit(config) => service::audit(config, shutdown::on_signal(cli.supervised)?).await,
        Command::Topics(topics) => service::topics(topics).await,
        Command::Health(health) => health::ask(health).await,
    }
}
