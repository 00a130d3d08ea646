//! `cargo xtask watch`: a dojo that is built and started again whenever its Rust changes. What a container of the
//! development overlay runs.
//!
//! The sources are looked at, not listened to: a folder that is mounted from another machine tells nothing of its
//! changes. What cannot be built changes nothing, and the last that could goes on.

use crate::shell::{Cargo, End, root};
use anyhow::{Context as _, Result};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, SystemTime},
};
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A dojo that failed is started again, but not at once and for ever.
const START_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Longer than the dojo takes to drain.
const ENDS_WITHIN: Duration = Duration::from_secs(12);
/// What decides what is built.
const SOURCES: [&str; 4] = ["crates", "Cargo.toml", "Cargo.lock", ".cargo"];

/// Runs `dojo` with `args` until it has done its work, or somebody ends this.
pub(crate) fn watch(args: &[String]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the asynchronous runtime")?.block_on(run(args))
}

async fn run(args: &[String]) -> Result<()> {
    // From the beginning: as a container's first process, this is not ended by a signal that it does not handle.
    let mut end = End::new()?;
    let (mut seen, mut dojo, mut runs) = (BTreeMap::new(), None, None);
    loop {
        let now = sources();
        if now != seen {
            let saved = now.values().max().copied();
            seen = now;
            let built = tokio::select! {
                () = end.told() => break,
                built = build() => built?,
            };
            let program = fs::metadata(program()).and_then(|program| program.modified()).ok();
            if !built {
                println!("== not built; what was built last goes on, and the next save is tried");
            } else if program != runs {
                // Another of several that share a folder may have built it, and some saves change no program.
                stop(dojo.take()).await?;
                dojo = Some(start(args)?);
                let ago = saved.and_then(|saved| saved.elapsed().ok()).unwrap_or_default();
                if runs.is_some() {
                    println!("== built and started again {:.1} s after it was saved", ago.as_secs_f32());
                }
                runs = program;
            }
        }
        tokio::select! {
            () = end.told() => break,
            status = has_ended(&mut dojo) => {
                let status = status.context("cannot wait for the dojo")?;
                if status.success() {
                    return Ok(());
                }
                println!("== the dojo ended with {status}; it is started again");
                tokio::select! {
                    () = end.told() => break,
                    () = sleep(START_AGAIN_AFTER) => dojo = Some(start(args)?),
                }
            }
            () = sleep(LOOK_EVERY) => {}
        }
    }
    stop(dojo).await
}

/// Builds the dojo; whether it could be built.
async fn build() -> Result<bool> {
    let mut cargo = Command::from(Cargo::new(["build", "--locked", "--package", "dojo"]).into_command());
    Ok(cargo.kill_on_drop(true).status().await.context("cannot run cargo")?.success())
}

fn program() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("debug").join(format!("dojo{}", std::env::consts::EXE_SUFFIX))
}

fn start(args: &[String]) -> Result<Child> {
    let mut command = Command::new(program());
    command.args(args).kill_on_drop(true);
    command.spawn().with_context(|| format!("cannot start {}", program().display()))
}

async fn has_ended(dojo: &mut Option<Child>) -> io::Result<ExitStatus> {
    match dojo {
        Some(dojo) => dojo.wait().await,
        None => std::future::pending().await,
    }
}

/// Ends the dojo as an engine would: told to, and killed after the bound.
async fn stop(dojo: Option<Child>) -> Result<()> {
    let Some(mut dojo) = dojo else { return Ok(()) };
    if let Some(pid) = dojo.id() {
        // The shell's own: a slim image has no program of that name.
        let told = Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().await;
        told.context("cannot run sh")?;
    }
    if timeout(ENDS_WITHIN, dojo.wait()).await.is_err() {
        dojo.kill().await.context("cannot end the dojo")?;
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
            // Editors keep their own files beside what is edited.
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                collect(&entry.path(), found);
            }
        }
    } else if let Ok(changed) = metadata.modified() {
        found.insert(path.to_owned(), changed);
    }
}
