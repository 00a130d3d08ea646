//! `dojo rules`: what the author of a rule runs. Check a rule, run its cases, or judge the recorded orders again.
//!
//! Results go to standard output, errors to standard error. The exit codes are those of `dojo-run`.

mod backtest;
mod backtest_report;
mod cases;
mod check;
mod draft;
mod files;
mod junit;
mod report;
mod simulate;
mod test;

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

/// Runs a command and returns the exit code.
pub(crate) async fn run(command: RulesCommand) -> anyhow::Result<u8> {
    match command {
        RulesCommand::Check(check) => check::run(&check),
        RulesCommand::Test(test) => test::run(&test),
        RulesCommand::Backtest(args) => backtest::run(args).await,
    }
}
