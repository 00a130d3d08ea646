//! Waiting for a condition, and never for luck.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

/// However slow the machine is, what has not come by then does not come.
pub const PATIENCE: Duration = Duration::from_secs(60);

const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until `condition` gives something, looking again and again. A test that waits in vain says what was seen last.
pub async fn eventually<T, E: Debug>(what: &str, mut condition: impl AsyncFnMut() -> Result<T, E>) -> T {
    let begun = Instant::now();
    loop {
        match condition().await {
            Ok(found) => return found,
            Err(seen) if begun.elapsed() > PATIENCE => {
                panic!("waited {PATIENCE:?} for {what}; last seen: {seen:?}")
            }
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// Waits until `condition` holds, looking again and again.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    eventually(what, async || if condition().await { Ok(()) } else { Err("not so") }).await;
}
