//! Whether Kafka answers at the moment, as far as is known.
//!
//! There are two sources. librdkafka reports at once when the last connection is lost. A probe asks every second; it also
//! notices a network that swallows packets, and Kafka's return. A probe without an answer means nothing while records are
//! acknowledged, since acknowledgements are answers, too.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Whether Kafka answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connectivity {
    /// Kafka hasn't answered yet.
    Unknown,
    /// Kafka answered the last question.
    Up,
    /// Kafka is known not to answer.
    Away {
        /// Since when it hasn't answered.
        since: Instant,
        /// What was tried and how it failed.
        reason: String,
    },
}

impl fmt::Display for Connectivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("Kafka hasn't answered yet"),
            Self::Up => f.write_str("Kafka answers"),
            Self::Away { since, reason } => {
                write!(f, "Kafka has been away for {} s: {reason}", since.elapsed().as_secs())
            }
        }
    }
}

/// The connectivity of one producer, to be updated and watched.
#[derive(Debug)]
pub(crate) struct Watched {
    away: AtomicBool,
    begun: Instant,
    /// When the last record was acknowledged, in milliseconds since `begun`.
    heard: AtomicU64,
    state: watch::Sender<Connectivity>,
}

impl Default for Watched {
    fn default() -> Self {
        let state = watch::Sender::new(Connectivity::Unknown);
        Self { away: AtomicBool::new(false), begun: Instant::now(), heard: AtomicU64::new(0), state }
    }
}

impl Watched {
    pub(crate) fn up(&self) {
        self.away.store(false, Ordering::Relaxed);
        self.state.send_if_modified(|state| {
            let changed = *state != Connectivity::Up;
            if let Connectivity::Away { since, .. } = state {
                tracing::info!(seconds = since.elapsed().as_secs(), "Kafka is back");
            }
            *state = Connectivity::Up;
            changed
        });
    }

    pub(crate) fn away(&self, reason: &str) {
        self.away.store(true, Ordering::Relaxed);
        self.state.send_if_modified(|state| {
            if matches!(state, Connectivity::Away { .. }) {
                return false;
            }
            tracing::warn!(reason, "Kafka is away");
            *state = Connectivity::Away { since: Instant::now(), reason: reason.to_owned() };
            true
        });
    }

    /// Notes that a record was acknowledged.
    pub(crate) fn heard(&self) {
        self.heard.store(self.age(), Ordering::Relaxed);
    }

    /// Returns whether a record was acknowledged within the last `time`.
    pub(crate) fn was_heard_within(&self, time: Duration) -> bool {
        let heard = self.heard.load(Ordering::Relaxed);
        heard > 0 && u128::from(self.age().saturating_sub(heard)) <= time.as_millis()
    }

    fn age(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    pub(crate) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Connectivity> {
        self.state.subscribe()
    }
}
