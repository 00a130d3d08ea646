//! `cargo xtask watch`: a dojo that is built and started again whenever its Rust changes. What a container of the
//! development overlay runs.
//!
//! The sources are looked at, not listened to: a folder that is mounted from another machine tells nothing of its
//! changes. What cannot be built changes nothing, and the last that could goes on.

use crate::shell::{Cargo, root};
use anyhow::{Context as _, Result, ensure};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant, SystemTime},
};
use tokio::process::{Child, Command};

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Longer than the dojo takes to drain.
const ENDS_WITHIN: Duration = Duration::from_secs(12);
/// What decides what is built.
const SOURCES: [&str; 4] = ["crates", "Cargo.toml", "Cargo.lock", ".cargo"];

/// Runs `dojo` with `args` until it ends by itself, or somebody ends this; answers how it ended.
pub(crate) fn watch(args: &[String]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the asynchronous runtime")?.block_on(run(args))
}

async fn run(args: &[String]) -> Result<()> {
    let mut seen = sources();
    let mut dojo = match build() {
        Some(_) => Some(start(args)?),
        None => None,
    };
    let mut ended = std::pin::pin!(told_to_end());
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            told = &mut ended => {
                told?;
                return stop(dojo).await;
            }
            status = has_ended(&mut dojo) => {
                let status = status.context("cannot wait for the dojo")?;
                ensure!(status.success(), "the dojo ended with {status}");
                return Ok(());
            }
            _ = look.tick() => {}
        }
        let now = sources();
        if now == seen {
            continue;
        }
        seen = now;
        let saved = Instant::now();
        if build().is_some() {
            stop(dojo.take()).await?;
            dojo = Some(start(args)?);
            println!("== built and started again {:.1} s after it was saved", saved.elapsed().as_secs_f32());
        } else {
            println!("== not built; what was built last goes on, and the next save is tried");
        }
    }
}

/// Builds the dojo and says how long it took; nothing, where it cannot be built.
fn build() -> Option<Duration> {
    let begun = Instant::now();
    Cargo::new(["build", "--locked", "--package", "dojo"]).run().ok()?;
    println!("== built in {:.1} s", begun.elapsed().as_secs_f32());
    Some(begun.elapsed())
}

fn start(args: &[String]) -> Result<Child> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let program = target.join("debug").join(format!("dojo{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(&program);
    command.args(args).kill_on_drop(true);
    command.spawn().with_context(|| format!("cannot start {}", program.display()))
}

async fn has_ended(dojo: &mut Option<Child>) -> std::io::Result<ExitStatus> {
    match dojo {
        Some(dojo) => dojo.wait().await,
        None => std::future::pending().await,
    }
}

/// Ends the dojo as an engine would: told to, and killed after the bound.
async fn stop(dojo: Option<Child>) -> Result<()> {
    let Some(mut dojo) = dojo else { return Ok(()) };
    if let Some(pid) = dojo.id() {
        let told = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await;
        told.context("cannot run kill")?;
    }
    if tokio::time::timeout(ENDS_WITHIN, dojo.wait()).await.is_err() {
        dojo.kill().await.context("cannot end the dojo")?;
    }
    Ok(())
}

async fn told_to_end() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// When each source was changed last.
fn sources() -> BTreeMap<PathBuf, SystemTime> {
    let mut found = BTreeMap::new();
    for source in SOURCES {
        collect(&root().join(source), &mut found);
    }
    found
}

/// What cannot be read is not there: it is looked for again.
fn collect(path: &Path, found: &mut BTreeMap<PathBuf, SystemTime>) {
    let Ok(metadata) = fs::metadata(path) else { return };
    if metadata.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            collect(&entry.path(), found);
        }
    } else if let Ok(changed) = metadata.modified() {
        found.insert(path.to_owned(), changed);
    }
}
