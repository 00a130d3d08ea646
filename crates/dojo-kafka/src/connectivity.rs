//! Whether Kafka answers at the moment, as far as is known.
//!
//! Two sources: librdkafka reports at once when the last connection is lost, and a probe asks every second, which
//! also notices a network that swallows packets, and Kafka's return. A probe that gets no answer says nothing where others
//! do: acknowledgements are answers, too.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Whether Kafka answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connectivity {
    /// Nothing was heard from Kafka yet.
    Unknown,
    /// It answered the last time it was asked.
    Up,
    /// It is known not to answer.
    Away {
        /// Since when.
        since: Instant,
        /// What was tried and how it failed.
        reason: String,
    },
}

impl fmt::Display for Connectivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("Kafka has not answered yet"),
            Self::Up => f.write_str("Kafka answers"),
            Self::Away { since, reason } => {
                write!(f, "Kafka has been away for {} s: {reason}", since.elapsed().as_secs())
            }
        }
    }
}

/// The sending side: what is known, and who wants to hear of it.
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

    /// A record was acknowledged.
    pub(crate) fn heard(&self) {
        self.heard.store(self.age(), Ordering::Relaxed);
    }

    /// Whether a record was acknowledged that shortly ago.
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
