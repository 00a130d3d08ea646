//! Topics that clients ask for and that don't exist: the log names each of them, now and then.
//!
//! This broker creates no topic because a client asks for it, and most clients then wait without a word. The
//! log says what they wait for.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// A topic is named at most this often.
const EVERY: Duration = Duration::from_secs(60);
/// How many names are remembered. Further topics are not named until one of these was long ago, which bounds
/// the memory and the lines: 100 a minute.
const MAX_NAMES: usize = 100;

/// How much of a client's id goes into the log.
const MAX_CLIENT_ID: usize = 100;

/// When each missing topic was named last.
#[derive(Debug, Default)]
pub(crate) struct MissingTopics {
    named: Mutex<HashMap<String, Instant>>,
}

impl MissingTopics {
    /// Names the topic in the log, unless it was named lately.
    pub(crate) fn warn(&self, topic: &str, client_id: &str) {
        if self.is_due(topic, Instant::now()) {
            let client_id: String = client_id.chars().take(MAX_CLIENT_ID).collect();
            tracing::warn!(
                topic,
                client_id,
                "a client asks for topic `{topic}`, which doesn't exist, and this broker doesn't create topics by itself; \
                 create it: kafka-topics.sh --bootstrap-server HOST:PORT --create --topic {topic} --partitions 1"
            );
        }
    }

    fn is_due(&self, topic: &str, now: Instant) -> bool {
        let mut named = self.named.lock();
        let is_recent = |at: &Instant| now.duration_since(*at) < EVERY;
        if named.get(topic).is_some_and(is_recent) {
            return false;
        }
        if named.len() >= MAX_NAMES {
            named.retain(|_, at| is_recent(at));
        }
        let is_due = named.len() < MAX_NAMES;
        if is_due {
            named.insert(topic.to_owned(), now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_named_once_a_minute() {
        let (missing, begun) = (MissingTopics::default(), Instant::now());
        assert!(missing.is_due("orders", begun));
        assert!(!missing.is_due("orders", begun + EVERY / 2));
        assert!(missing.is_due("audit", begun + EVERY / 2));
        assert!(missing.is_due("orders", begun + EVERY));
    }

    #[test]
    fn names_and_lines_are_bounded_however_many_topics_are_asked_for() {
        let (missing, begun) = (MissingTopics::default(), Instant::now());
        let lines = (0..10_000).filter(|n| missing.is_due(&format!("topic-{n}"), begun)).count();
        assert_eq!((lines, missing.named.lock().len()), (MAX_NAMES, MAX_NAMES));
        assert!(missing.is_due("another", begun + EVERY), "the names of a minute ago make room");
        assert_eq!(missing.named.lock().len(), 1);
    }
}
