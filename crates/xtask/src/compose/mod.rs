//! `cargo xtask compose`: the container stack as its users have it, from end to end. The Dockerfile and docker-compose.yml are
//! used as they are, on a copy of the project, so that what is edited on the way is not yours.
//!
//! Where Docker answers, that is used; as root on Debian an engine of its own is installed and started, and ended
//! afterwards. Images that cannot be pulled are made here (`images.rs`), and told at the end.

mod docs;
mod engine;
mod images;
mod load;
mod parts;
mod stack;

use crate::shell::{End, step};
use anyhow::{Context as _, Result, ensure};
use engine::Engine;
use parts::PARTS;
use stack::Stack;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// Tries the parts whose names are given, or all of them.
pub(crate) fn compose(wanted: &[String]) -> Result<()> {
    let names = PARTS.map(|part| part.name);
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        anyhow::bail!("no part is called {unknown}; there are {}", names.join(", "));
    }
    take_everything_down_when_told_to_end()?;
    let engine = step("Docker", Engine::find_or_start)?;
    let stand_ins = step("images", || images::find_or_make(engine.docker()))?;
    let stack = Stack::copy(engine.docker())?;
    let mut parts =
        PARTS.iter().filter(|part| wanted.is_empty() || wanted.iter().any(|name| name == part.name));
    let tried = parts.try_for_each(|part| {
        go_on()?;
        step(&format!("{}: {}", part.name, part.what), || (part.run)(&stack))
    });
    if tried.is_err() {
        println!("{}", stack.logs());
    }
    let gone = step("take everything down", || {
        stack.take_down()?;
        stand_ins.forget(engine.docker())
    });
    tried?;
    gone?;
    println!("\nwith a stand-in for: {}", stand_ins.names());
    Ok(())
}

/// Whether this is to end.
static ENDING: AtomicBool = AtomicBool::new(false);

/// An error once this is to end: whoever waits gives up, and what was brought up is taken down.
fn go_on() -> Result<()> {
    ensure!(!ENDING.load(Ordering::Relaxed), "told to end");
    Ok(())
}

/// Without this, Ctrl-C would end this process at once and leave containers behind.
fn take_everything_down_when_told_to_end() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    thread::spawn(move || {
        runtime.block_on(async {
            let Ok(mut end) = End::new() else { return };
            loop {
                end.told().await;
                ENDING.store(true, Ordering::Relaxed);
            }
        });
    });
    Ok(())
}
