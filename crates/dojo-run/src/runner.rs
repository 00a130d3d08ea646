//! The whole of `dojo-run` and of `dojo run`: reads scenarios, plays them one after another, prints verdicts, and returns the
//! gravest exit code.
//!
//! It reads all scenarios before it plays the first, so that a typo in the third shows at once and not ten minutes later.

use crate::{
    cli::{Ask, Cli},
    console::{self, Console},
    exit, play, report,
    typed::Terminal,
};
use dojo_scenario::{MAX_BYTES, Scenario, Sources, unknown_variables};
use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};
use tokio_util::sync::CancellationToken;

/// Does what the command line asks for, and returns the exit code.
pub async fn run(cli: &Cli) -> u8 {
    let scenarios = match read_all(cli) {
        Ok(scenarios) => scenarios,
        Err(code) => return code,
    };
    match cli.ask() {
        Ask::Check => {
            for scenario in &scenarios {
                print(&format!("{}: {} is well written\n", scenario.file, scenario.name()));
            }
            exit::MET
        }
        Ask::DryRun => {
            for scenario in &scenarios {
                print(&format!("{} ({})\n{}\n", scenario.name(), scenario.file, scenario.timeline()));
            }
            exit::MET
        }
        Ask::Play => play_all(cli, &scenarios).await,
    }
}

/// Writes to stdout. If the pipe is closed, the exit code still has the result.
fn print(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// Reads every scenario of the command line, or prints all errors and returns the exit code.
fn read_all(cli: &Cli) -> Result<Vec<Scenario>, u8> {
    let mut scenarios = Vec::new();
    let mut code = exit::MET;
    let variables = match cli.variables() {
        Ok(variables) => variables,
        Err(error) => {
            console::line(&format!("error: {error}"));
            return Err(exit::COMMAND_LINE);
        }
    };
    let sources = Sources { read: &read, variables: &variables };
    for path in &cli.scenarios {
        let name = path.display().to_string();
        let parsed = match read(path) {
            Ok(bytes) => Scenario::parse(&name, &bytes, &sources),
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
    if code != exit::MET {
        return Err(code);
    }
    let known = scenarios.iter().flat_map(|scenario| scenario.variables.iter().cloned()).collect();
    for message in unknown_variables(variables.keys().map(String::as_str), &known) {
        console::line(&format!("error: --var: {message}"));
        code = exit::COMMAND_LINE;
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
    if cli.run_id.is_some() && scenarios.len() > 1 {
        console::line("error: --run-id is for one scenario; name only one");
        return exit::COMMAND_LINE;
    }
    // Without questions, stdin is left to others: reading it would stop a run in the background.
    let has_questions = scenarios.iter().any(|scenario| scenario.questions() > 0);
    let options = cli.options(|| has_questions.then(Terminal::open).flatten());
    let mut console = Console::new();
    let mut code = exit::MET;
    for scenario in scenarios {
        if stop.is_cancelled() {
            code = exit::worse(code, exit::INTERRUPTED);
            break;
        }
        console.begin(scenario);
        let played =
            play(scenario, &cli.target, &options, &mut |progress| console.show(progress), &stop).await;
        console.end();
        print(&report(scenario, &played));
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
    // The terminal is closed.
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
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
    console::line(
        "\nstopping; the order service puts back what the run changed (press Ctrl-C again not to wait for it)",
    );
    stop.cancel();
}
