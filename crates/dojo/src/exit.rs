//! Reasons for an early end of the process, and the exit codes that report them.

use std::{io::Write as _, process::ExitCode};

/// Exit code of a wrong command line, and of every error without its own code.
pub(crate) const COMMAND_LINE: u8 = 1;
/// Exit code of `dojo rules` if a rule or a file with cases has a mistake or can't be read.
pub(crate) const MISTAKE: u8 = 2;
/// Exit code of `dojo rules backtest` if it couldn't read the log to its end in time and memory, or no order could be compared.
pub(crate) const COULD_NOT_RUN: u8 = 3;
/// Exit code of `dojo rules` if a case was not met, or a backtest found changes.
pub(crate) const NOT_MET: u8 = 4;
/// Exit code after [`Misconfigured`]: `EX_CONFIG` of sysexits.h. The supervisor doesn't restart such a service.
pub(crate) const MISCONFIGURED: u8 = 78;
/// Exit code after [`OutputClosed`]: what a shell reports for a program that SIGPIPE ended.
pub(crate) const OUTPUT_CLOSED: u8 = 141;
/// Exit code after [`Interrupted`]: what a shell reports for a program that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// The exit codes of `dojo rules`, as its help shows them.
pub(crate) const OF_RULES: &str = "\
Exit codes:
  0    everything is as expected
  1    the command line is wrong
  2    a rule or a file with cases has a mistake, or cannot be read
  3    no result: Kafka is away, a topic is missing, the log changed meanwhile or
       holds too much, an hour is over, or no order could be compared
  4    a case was not met, or the backtest found changes
  78   the backtest found a wrong KAFKA_CONFIG_… variable
  130  interrupted";

/// A configuration that a person has to correct before another start makes sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misconfigured(pub(crate) String);

/// The reader of the audit lines has gone, as in `dojo | head -1`.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub(crate) struct OutputClosed;

/// A second signal ended the process before its services had stopped.
#[derive(Debug, thiserror::Error)]
#[error("a second signal ended the dojo before its services had stopped")]
pub(crate) struct Interrupted;

/// Prints `error`, unless it only says that the reader has gone, and returns the exit code for it.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let code = code(error);
    if code != OUTPUT_CLOSED {
        // Standard error may be closed, too, as in `dojo 2>&1 | head -1`.
        let _ = writeln!(std::io::stderr(), "dojo: {error:#}");
    }
    ExitCode::from(code)
}

fn code(error: &anyhow::Error) -> u8 {
    // A Kafka property that librdkafka refuses once, it refuses at every start.
    let refused = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(dojo_kafka::Error::Create { .. }))
    };
    if error.is::<Misconfigured>() || error.chain().any(refused) {
        MISCONFIGURED
    } else if error.is::<OutputClosed>()
        || matches!(error.downcast_ref(), Some(dojo_audit::Error::OutputClosed))
    {
        OUTPUT_CLOSED
    } else if error.is::<Interrupted>() {
        INTERRUPTED
    } else {
        1
    }
}
