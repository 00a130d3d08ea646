//! `dojo rules`: what the author of a rule runs. Check a rule, run its cases, or judge the recorded orders again.
//!
//! Results go to standard output, and so do mistakes in files with cases, because they are results of `test`. All other errors
//! go to standard error. The exit codes are in [`crate::exit::OF_RULES`].

mod backtest;
mod backtest_report;
mod cases;
mod check;
mod draft;
mod expected;
mod files;
mod junit;
mod report;
mod simulate;
mod test;
mod yaml_error;

pub(crate) use draft::draft_backtest;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Check rules as a service does before it puts them in force
    Check(check::Check),
    /// Run the cases that say what a rule answers to orders
    Test(test::Test),
    /// Judge the recorded orders again with a fraud rule, and compare with what was said at the time
    Backtest(backtest::BacktestArgs),
}

impl RulesCommand {
    /// Returns whether the command connects to Kafka.
    pub(crate) fn uses_kafka(&self) -> bool {
        matches!(self, Self::Backtest(_))
    }
}

/// Runs a command and returns the exit code.
pub(crate) async fn run(command: RulesCommand) -> anyhow::Result<u8> {
    match command {
        RulesCommand::Check(check) => check::run(&check),
        RulesCommand::Test(test) => test::run(&test),
        RulesCommand::Backtest(args) => backtest::run(args).await,
    }
}
