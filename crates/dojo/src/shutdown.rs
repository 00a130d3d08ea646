//! When to end, and by when: one token for the whole process.

use anyhow::Context as _;
use std::{future::Future, io::Read as _, time::Duration};
use tokio_util::sync::CancellationToken;

/// How long a service may drain: longer than it takes while Kafka answers, shorter than what the supervisor or a
/// container engine waits before it kills.
const DRAIN: Duration = Duration::from_secs(8);

/// A token that is cancelled by Ctrl-C or SIGTERM and, where `supervised`, by the end of standard input.
pub(crate) fn on_signal(supervised: bool) -> anyhow::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let signalled = shutdown.clone();
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    tokio::spawn(async move {
        signals.received().await;
        signalled.cancel();
    });
    if supervised {
        let orphaned = shutdown.clone();
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || {
                // Nothing is ever written there; a read returns when the supervisor is gone.
                let _ = std::io::stdin().read(&mut [0]);
                orphaned.cancel();
            })
            .context("cannot watch standard input")?;
    }
    Ok(shutdown)
}

/// Runs `service` to its end, but not longer than the bound after `shutdown`.
pub(crate) async fn within_bound<E>(
    service: impl Future<Output = Result<(), E>>,
    shutdown: CancellationToken,
) -> anyhow::Result<()>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        result = service => Ok(result?),
        () = late => {
            tracing::warn!(seconds = DRAIN.as_secs(), "did not drain in time; ending all the same");
            Ok(())
        }
    }
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn received(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
