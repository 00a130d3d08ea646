//! The program `dojo`: parses the command line, starts what it asks for, and waits for the end. The work itself is in
//! the libraries of the services.

mod cli;
mod telemetry;

mod exit;
mod shutdown;

mod broker;
mod child;
mod children;
mod plan;
mod ready;
mod steering;
mod supervisor;

mod rules;
mod scenarios;

mod admin;
mod health;
mod http;
mod metrics;
mod service;

use anyhow::Context as _;
use clap::Parser as _;
use cli::{Cli, Command};
pub(crate) use exit::Misconfigured;
use shutdown::until_signal;
use std::{process::ExitCode, time::Duration};

/// How long a blocked thread may hold up the end of the process.
const RUNTIME_ENDS_WITHIN: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // This includes `--help` and `--version`. A closed pipe is ignored.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::COMMAND_LINE } else { 0 });
        }
    };
    run(cli).unwrap_or_else(|error| exit::report(&error))
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    telemetry::start(&cli.telemetry)?;
    let uses_kafka = match &cli.command {
        Some(Command::Rules(rules)) => rules.uses_kafka(),
        Some(Command::Run(_)) => false,
        _ => true,
    };
    if uses_kafka {
        dojo_kafka::check_environment().map_err(Misconfigured)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let result = runtime.block_on(dispatch(cli));
    runtime.shutdown_timeout(RUNTIME_ENDS_WITHIN);
    result
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let supervised = cli.supervised;
    match cli.command.unwrap_or(Command::Up(cli.up)) {
        Command::Up(up) => until_signal(supervised, |end| supervisor::up(up, &cli.telemetry, end)).await,
        Command::Rules(command) => return rules::run(command).await.map(ExitCode::from),
        Command::Run(run) => return Ok(ExitCode::from(dojo_run::run(&run).await)),
        Command::Order(order) => until_signal(supervised, |end| service::order(order, end)).await,
        Command::Notification(config) => {
            until_signal(supervised, |end| service::notification(config, end)).await
        }
        Command::Fraud(config) => until_signal(supervised, |end| service::fraud(config, end)).await,
        Command::Audit(config) => until_signal(supervised, |end| service::audit(config, end)).await,
        Command::Topics(topics) => service::topics(topics).await,
        Command::Health(health) => health::ask(health).await,
    }?;
    Ok(ExitCode::SUCCESS)
}
