//! Ends the process: a first signal lets everything stop in order, within a bound; a second one ends it at once.

use crate::exit::Interrupted;
use anyhow::Context as _;
use std::{future::Future, io::Read as _, time::Duration};
use tokio_util::sync::CancellationToken;

/// How long a service may drain: longer than it takes while Kafka answers, shorter than the time after which the
/// supervisor or a container engine kills it.
const DRAIN: Duration = Duration::from_secs(8);

/// Runs `work` with a token that is cancelled by Ctrl-C or SIGTERM and, where `supervised`, by the end of standard
/// input. A second signal drops the work where it stands; a supervisor's children are killed with it.
///
/// # Errors
/// The work failed, or a second signal ended it.
pub(crate) async fn until_signal<F: Future<Output = anyhow::Result<()>>>(
    supervised: bool,
    work: impl FnOnce(CancellationToken) -> F,
) -> anyhow::Result<()> {
    let (shutdown, at_once) = (CancellationToken::new(), CancellationToken::new());
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    tokio::spawn({
        let (shutdown, at_once) = (shutdown.clone(), at_once.clone());
        async move {
            signals.received().await;
            if !supervised {
                tracing::info!("ending; press Ctrl-C once more to end at once");
            }
            shutdown.cancel();
            signals.received().await;
            at_once.cancel();
        }
    });
    if supervised {
        end_with_standard_input(shutdown.clone())?;
    }
    tokio::select! {
        result = work(shutdown) => result,
        () = at_once.cancelled() => Err(Interrupted.into()),
    }
}

/// Cancels `shutdown` when standard input ends, because the supervisor holds its other end.
fn end_with_standard_input(shutdown: CancellationToken) -> anyhow::Result<()> {
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            // The supervisor writes nothing, so the read returns when the supervisor has gone.
            let _ = std::io::stdin().read(&mut [0]);
            shutdown.cancel();
        })
        .context("cannot watch standard input")?;
    Ok(())
}

/// Runs `service` to its end, but no longer than the bound after `shutdown`.
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
            tracing::warn!(seconds = DRAIN.as_secs(), "the service didn't stop in time; ending the process anyway");
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
