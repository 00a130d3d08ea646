//! One child process of the supervisor: started, restarted when it dies, and ended within a bound.

use crate::{
    cli::LogFormat,
    exit::{self, Misconfigured, OutputClosed},
};
use anyhow::Context as _;
use std::{
    io::Write as _,
    process::ExitStatus,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStderr, Command},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// How long a child may take to end. Longer than the bound that it sets itself.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// How long the rest of a dead child's log is waited for: a grandchild could hold the pipe open.
const LOG_ENDS_WITHIN: Duration = Duration::from_secs(1);
/// Exit codes that another start would repeat: clap's for a wrong value, and our own.
const CANNOT_RUN: [i32; 2] = [2, exit::MISCONFIGURED as i32];
/// Exit code of an audit service whose lines nobody reads any more.
const OUTPUT_CLOSED: i32 = exit::OUTPUT_CLOSED as i32;

/// How a child's log lines look in the supervisor's log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogStyle {
    pub(crate) format: LogFormat,
    pub(crate) colour: bool,
}

/// Starts `instance` with `command`, and restarts it whenever it dies, until `end`.
///
/// # Errors
/// The child can't be started, its configuration is wrong, or nobody reads its output any more.
pub(crate) async fn keep_alive(
    instance: String,
    command: impl Fn() -> Command,
    style: LogStyle,
    end: CancellationToken,
) -> anyhow::Result<()> {
    let mut backoff = Backoff::default();
    while !end.is_cancelled() {
        let started = Instant::now();
        let mut child = command().spawn().with_context(|| format!("cannot start {instance}"))?;
        let log = child.stderr.take().map(|log| tokio::spawn(forward(log, instance.clone(), style)));
        let status = run_to_end(&mut child, &end).await?;
        if let Some(log) = log {
            let _ = timeout(LOG_ENDS_WITHIN, log).await;
        }
        if end.is_cancelled() {
            return Ok(());
        }
        match status.code() {
            Some(code) if CANNOT_RUN.contains(&code) => {
                let message = format!("{instance} refused its configuration; its message is above");
                return Err(Misconfigured(message).into());
            }
            Some(OUTPUT_CLOSED) => {
                tracing::info!("the reader of the audit lines closed standard output; ending the dojo");
                return Err(OutputClosed.into());
            }
            _ => {}
        }
        let pause = backoff.pause(started.elapsed());
        tracing::warn!(instance, %status, again_in_ms = pause.as_millis(), "ended; restarting it");
        tokio::select! {
            () = end.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    Ok(())
}

/// Pauses between restarts: short after a death, doubled while the child keeps dying young.
struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LAST: Duration = Duration::from_secs(5);
    /// A child of this age had started, so its death isn't a repetition of the one before.
    const STARTED: Duration = Duration::from_secs(2);

    /// Returns the pause after the death of a child that lived for `lived`.
    fn pause(&mut self, lived: Duration) -> Duration {
        if lived > Self::STARTED {
            self.next = Self::FIRST;
        }
        let pause = self.next;
        self.next = (pause * 2).min(Self::LAST);
        pause
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: Self::FIRST }
    }
}

/// Waits for a child to end. At `end`, closes the child's standard input, which asks it to end, and kills it after the
/// bound.
async fn run_to_end(child: &mut Child, end: &CancellationToken) -> anyhow::Result<ExitStatus> {
    let stdin = child.stdin.take();
    tokio::select! {
        status = child.wait() => return Ok(status?),
        () = end.cancelled() => drop(stdin),
    }
    match timeout(ENDS_WITHIN, child.wait()).await {
        Ok(status) => Ok(status?),
        Err(_) => {
            child.kill().await?;
            Ok(child.wait().await?)
        }
    }
}

/// Copies a child's log to standard error, each line under the child's name.
async fn forward(log: ChildStderr, instance: String, style: LogStyle) {
    let mut lines = BufReader::new(log).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = labelled(&String::from_utf8_lossy(&line), &instance, style);
        // Even if standard error is closed, the child's log has to be read, or the child would block on it.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

fn labelled(line: &str, instance: &str, LogStyle { format, colour }: LogStyle) -> String {
    match (format, line.strip_prefix('{')) {
        (LogFormat::Json, Some(rest)) => format!("{{\"instance\":\"{instance}\",{rest}"),
        _ if colour => format!("\x1b[36m{instance:<14}\x1b[0m | {line}"),
        _ => format!("{instance:<14} | {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_bears_the_name_of_its_instance() {
        let style = |format| LogStyle { format, colour: false };
        assert_eq!(labelled("hello", "fraud-1", style(LogFormat::Pretty)), "fraud-1        | hello");
        assert_eq!(
            labelled("{\"level\":1}", "fraud-1", style(LogFormat::Json)),
            "{\"instance\":\"fraud-1\",\"level\":1}"
        );
    }

    #[test]
    fn the_first_restart_waits_the_shortest_pause_and_each_quick_one_after_it_twice_as_long() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..8).map(|_| backoff.pause(Duration::ZERO).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    }

    #[test]
    fn a_child_that_had_started_is_restarted_after_the_shortest_pause() {
        let mut backoff = Backoff::default();
        for _ in 0..8 {
            backoff.pause(Duration::ZERO);
        }
        let long_lived = Backoff::STARTED + Duration::from_millis(1);
        assert_eq!(backoff.pause(long_lived), Backoff::FIRST);
        assert_eq!(backoff.pause(Duration::ZERO), Backoff::FIRST * 2);
    }
}
