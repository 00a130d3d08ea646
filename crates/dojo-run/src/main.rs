//! The program `dojo-run`: reads scenarios, plays them one after another, prints verdicts, and ends with the gravest code.
//!
//! It reads all scenarios before it plays the first, so that a typo in the third shows at once and not ten minutes later.

mod cli;
mod console;

use clap::Parser;
use cli::Cli;
use console::Console;
use dojo_run::{Scenario, exit, play, report, scenario::MAX_BYTES};
use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
    process::ExitCode,
};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // This includes `--help` and `--version`. A closed pipe is ignored.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::COMMAND_LINE } else { exit::MET });
        }
    };
    let scenarios = match read_all(&cli) {
        Ok(scenarios) => scenarios,
        Err(code) => return ExitCode::from(code),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console::line(&format!("error: cannot start the asynchronous runtime: {error}"));
            return ExitCode::from(exit::COULD_NOT_RUN);
        }
    };
    ExitCode::from(runtime.block_on(play_all(&cli, &scenarios)))
}

/// Reads every scenario of the command line, or prints all errors and returns the exit code.
fn read_all(cli: &Cli) -> Result<Vec<Scenario>, u8> {
    let mut scenarios = Vec::new();
    let mut code = exit::MET;
    for path in &cli.scenarios {
        let name = path.display().to_string();
        let parsed = match read(path) {
            Ok(bytes) => Scenario::parse(&name, &bytes),
            Err(error) => {
                console::line(&format!("error: cannot read `{name}`: {error}"));
                code = exit::worse(code, exit::COMMAND_LINE);
                continue;
            }
        };
        match parsed {
            Ok(scenario) => scenarios.push(scenario),
            Err(error) => {
                console::line(&error.to_string());
                code = exit::worse(code, exit::NOT_PARSED);
            }
        }
    }
    if code == exit::MET { Ok(scenarios) } else { Err(code) }
}

/// Reads a file up to one byte more than is allowed, which is enough for an error about its size.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn play_all(cli: &Cli, scenarios: &[Scenario]) -> u8 {
    let stop = CancellationToken::new();
    if let Err(error) = stop_on_signal(stop.clone()) {
        console::line(&format!("error: cannot listen for signals: {error}"));
        return exit::COULD_NOT_RUN;
    }
    let mut console = Console::new();
    let mut code = exit::MET;
    for scenario in scenarios {
        if stop.is_cancelled() {
            code = exit::worse(code, exit::INTERRUPTED);
            break;
        }
        console.begin(scenario);
        let played = play(scenario, &cli.target, &mut |progress| console.show(progress), &stop).await;
        console.end();
        // If the pipe is closed, the exit code still has the result.
        let _ = io::stdout().lock().write_all(report(scenario, &played).as_bytes());
        code = exit::worse(code, played.exit_code());
    }
    code
}

/// Stops the run in order at the first signal, and at once at the second.
#[cfg(unix)]
fn stop_on_signal(stop: CancellationToken) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stopping(&stop);
        }
    });
    Ok(())
}

/// Stops the run in order at the first Ctrl-C, and at once at the second.
#[cfg(not(unix))]
fn stop_on_signal(stop: CancellationToken) -> io::Result<()> {
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            stopping(&stop);
        }
    });
    Ok(())
}

fn stopping(stop: &CancellationToken) {
    if stop.is_cancelled() {
        std::process::exit(exit::INTERRUPTED.into());
    }
    console::line("\nstopping; restoring the settings first (press Ctrl-C again to skip that)");
    stop.cancel();
}
