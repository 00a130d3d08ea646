//! A runner's process: started, its output read and logged, and ended within a bound.
//!
//! It is a process group of its own, because a terminal's Ctrl-C reaches the whole group of the dojo; a runner that gets two signals
//! ends without putting back what its run has changed.

use dojo_orders::{PlayError, PlayRequest, Runner};
use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// How long a runner that was asked to stop may take: as long as a report on its way and the end of its lease take at most, and less
/// than the order service may take to drain.
const STOPS_WITHIN: Duration = Duration::from_secs(7);
/// How long the rest of a dead runner's output is waited for.
const OUTPUT_ENDS_WITHIN: Duration = Duration::from_secs(1);
/// How many of its last lines are kept, to find why it ended.
const KEPT_LINES: usize = 50;
/// How many characters of a line are kept and logged.
const LINE_CHARS: usize = 500;

/// Starts a runner that plays `file` against the order service that listens at `listens`.
pub(super) fn start(file: PathBuf, request: PlayRequest, listens: SocketAddr) -> Result<Runner, PlayError> {
    let not_started = |error: std::io::Error| PlayError::NotStarted(error.to_string());
    let program = std::env::current_exe().map_err(not_started)?;
    let child = command(program, file, &request, listens).spawn().map_err(not_started)?;
    Ok(Box::pin(to_end(child, request.run_id, request.stop)))
}

/// Returns the command that plays `file`.
fn command(program: PathBuf, file: PathBuf, request: &PlayRequest, listens: SocketAddr) -> Command {
    let mut command = Command::new(program);
    command
        .args(["run", "--run-id", &request.run_id, "--target", &format!("http://{}", reachable(listens))])
        .args(request.seed.map(|seed| format!("--seed={seed}")))
        .args(request.variables.iter().map(|(name, value)| format!("--var={name}={value}")))
        .arg("--")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Its output is read here. The supervisor asks the order service for colours where the log is shown on a terminal.
        .env_remove("CLICOLOR_FORCE")
        .env("NO_COLOR", "1")
        // When this process ends late, the runner must not stay behind.
        .kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    command
}

/// Returns the address at which this machine reaches a listener.
fn reachable(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listens.port())
}

/// Runs a runner to its end. Returns the runner's error message, or an empty text.
async fn to_end(mut child: Child, run_id: String, stop: CancellationToken) -> String {
    let (progress, verdict) = (child.stderr.take(), child.stdout.take());
    let progress = progress.map(|lines| tokio::spawn(logged(lines, run_id.clone())));
    let verdict = verdict.map(|lines| tokio::spawn(logged(lines, run_id.clone())));
    let status = ended(&mut child, &stop).await;
    let mut lines = Vec::new();
    for reading in [progress, verdict].into_iter().flatten() {
        // A process that the runner has started could hold the pipe open; the runner starts none.
        if let Ok(Ok(read)) = timeout(OUTPUT_ENDS_WITHIN, reading).await {
            lines.extend(read);
        }
    }
    match status {
        Ok(status) => tracing::info!(run = run_id, %status, "the runner has ended"),
        Err(error) => tracing::error!(run = run_id, %error, "the runner's end isn't known"),
    }
    reason(&lines)
}

/// Waits until the runner ends. At `stop`, asks it to, and kills it if it doesn't.
async fn ended(child: &mut Child, stop: &CancellationToken) -> std::io::Result<ExitStatus> {
    tokio::select! {
        status = child.wait() => return status,
        () = stop.cancelled() => ask_to_end(child),
    }
    match timeout(STOPS_WITHIN, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            child.kill().await?;
            child.wait().await
        }
    }
}

#[cfg(unix)]
fn ask_to_end(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // Fails only if the runner has ended by itself.
    let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
}

/// Without signals, it can only be killed. The order service then puts back what the run changed.
#[cfg(not(unix))]
fn ask_to_end(child: &mut Child) {
    let _ = child.start_kill();
}

/// Logs each line, and returns the last ones.
async fn logged(output: impl AsyncRead + Unpin, run_id: String) -> VecDeque<String> {
    let mut lines = BufReader::new(output).split(b'\n');
    let mut kept = VecDeque::new();
    while let Ok(Some(line)) = lines.next_segment().await {
        let line: String = String::from_utf8_lossy(&line).chars().take(LINE_CHARS).collect();
        tracing::debug!(run = run_id, "{line}");
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
    kept
}

/// Returns the error of a runner: of its command line, or of its verdict. Without one, returns its last line.
fn reason(lines: &[String]) -> String {
    let error_in = |line: &String| {
        let line = line.trim_start();
        line.strip_prefix("error: ").or_else(|| line.strip_prefix("error    ")).map(str::to_owned)
    };
    let said = lines.iter().find_map(error_in).or_else(|| lines.last().cloned());
    said.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_what_the_runner_printed_after_error() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let verdict = lines(&["Good (run a1b2c3)", "  error    nothing answers", "  verdict  none"]);
        assert_eq!(reason(&verdict), "nothing answers");
        assert_eq!(reason(&lines(&["error: cannot read `x`"])), "cannot read `x`");
        assert_eq!(reason(&lines(&["errors: 3 of them", "error: cannot read `x`"])), "cannot read `x`");
        assert_eq!(reason(&lines(&["something", "thread 'main' panicked"])), "thread 'main' panicked");
        assert_eq!(reason(&[]), "");
    }

    #[test]
    fn a_runner_prints_no_colours_whatever_the_order_service_prints() {
        let stop = CancellationToken::new();
        let request =
            PlayRequest { run_id: "a".into(), name: "b".into(), seed: None, variables: Vec::new(), stop };
        let command = command("dojo".into(), "b.yaml".into(), &request, ([127, 0, 0, 1], 80).into());
        let colours: Vec<_> = command.as_std().get_envs().collect();
        assert!(colours.contains(&("CLICOLOR_FORCE".as_ref(), None)), "{colours:?}");
        assert!(colours.contains(&("NO_COLOR".as_ref(), Some("1".as_ref()))), "{colours:?}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_runner_that_takes_its_time_to_end_its_lease_is_not_killed() {
        use tokio::io::AsyncReadExt as _;
        let script = "trap 'sleep 6; exit 7' TERM; echo; while :; do sleep 0.1; done";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // The signal comes after the trap is set.
        child.stdout.as_mut().unwrap().read_u8().await.unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(ended(&mut child, &stop).await.unwrap().code(), Some(7));
    }

    #[test]
    fn a_listener_on_every_address_is_reached_at_the_loopback() {
        let reached = |listens: &str| reachable(listens.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:3001"), "127.0.0.1:3001");
        assert_eq!(reached("[::]:3001"), "[::1]:3001");
        assert_eq!(reached("192.0.2.7:80"), "192.0.2.7:80");
    }
}
