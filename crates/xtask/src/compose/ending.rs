//! The end on Ctrl-C or SIGTERM: everything that was started is taken down.

use crate::shell::End;
use anyhow::{Context as _, Result, ensure};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// Whether a signal to end has come.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Fails once a signal to end has come, so that every wait stops and the stack is taken down.
pub(super) fn continue_unless_ending() -> Result<()> {
    ensure!(!ENDING.load(Ordering::Relaxed), "ended by a signal");
    Ok(())
}

/// Listens for signals to end. Otherwise Ctrl-C would end this process at once and leave containers behind.
pub(super) fn end_on_signal() -> Result<()> {
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
