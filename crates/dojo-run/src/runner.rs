//! The whole of `dojo-run` and of `dojo run`: reads scenarios, does with them what the command line asks for, and returns the
//! gravest exit code.

use crate::{
    cli::{Ask, Cli},
    exit,
    files::Files,
    player::{Audience, Player},
    report::ReportFiles,
    selection::select,
    summary::Summary,
    terminal::{Terminal, line, one_line, print, printable},
    watch::watch,
};
use dojo_scenario::Scenario;
use std::io;
use tokio_util::sync::CancellationToken;

/// Does what the command line asks for, and returns the exit code.
pub async fn run(cli: &Cli) -> u8 {
    if cli.ask() == Ask::Watch {
        return match stop_on_signal() {
            Ok(stop) => watch(cli, &stop).await,
            Err(code) => code,
        };
    }
    let scenarios = match select(cli, &Files::default()) {
        Ok(scenarios) => scenarios,
        Err(refusal) => {
            refusal.errors.iter().for_each(line);
            return refusal.code;
        }
    };
    match cli.ask() {
        Ask::Check => {
            for scenario in &scenarios {
                let checked = format!("{}: {} is well written", scenario.file, scenario.name());
                print(&(one_line(&checked) + "\n"));
            }
            exit::MET
        }
        Ask::DryRun => {
            for scenario in &scenarios {
                let head = one_line(&format!("{} ({})", scenario.name(), scenario.file));
                print(&format!("{head}\n{}\n", printable(&scenario.timeline().to_string())));
            }
            exit::MET
        }
        Ask::Play | Ask::Watch => play_all(cli, &scenarios).await,
    }
}

async fn play_all(cli: &Cli, scenarios: &[Scenario]) -> u8 {
    let stop = match stop_on_signal() {
        Ok(stop) => stop,
        Err(code) => return code,
    };
    if cli.run_id.is_some() && (scenarios.len() > 1 || cli.repeat > 1) {
        line("error: --run-id is for one scenario; name only one");
        return exit::COMMAND_LINE;
    }
    let files = cli.report.as_ref().map(|folder| ReportFiles::create(folder, &cli.target)).transpose();
    let mut files = match files {
        Ok(files) => files,
        Err(error) => {
            line(format_args!("error: {error}"));
            return exit::COMMAND_LINE;
        }
    };
    let player = Player { target: &cli.target, options: cli.options(scenarios), fail_fast: cli.fail_fast };
    let (mut terminal, mut summary) = (Terminal::new(cli.detail(), stop.clone()), Summary::new());
    let mut audiences: Vec<&mut dyn Audience> = vec![&mut terminal, &mut summary];
    audiences.extend(files.as_mut().map(|files| files as &mut dyn Audience));
    let all = (0..cli.repeat).flat_map(|_| scenarios);
    let mut code = player.play(all, &mut audiences, &stop).await;
    summary.print();
    if let Some(files) = &mut files {
        files.finish(code);
    }
    if let Some(error) = files.as_ref().and_then(ReportFiles::error) {
        line(format_args!("error: {error}"));
        code = exit::worse(code, exit::COULD_NOT_RUN);
    }
    code
}

/// Returns a token that the first Ctrl-C cancels. The second one ends the process at once.
fn stop_on_signal() -> Result<CancellationToken, u8> {
    let stop = CancellationToken::new();
    match listen(stop.clone()) {
        Ok(()) => Ok(stop),
        Err(error) => {
            line(format_args!("error: cannot listen for signals: {error}"));
            Err(exit::COULD_NOT_RUN)
        }
    }
}

#[cfg(unix)]
fn listen(stop: CancellationToken) -> io::Result<()> {
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

#[cfg(not(unix))]
fn listen(stop: CancellationToken) -> io::Result<()> {
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
    stop.cancel();
}
