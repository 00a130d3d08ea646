//! The topics that this service follows, and what each is called on the stream of `GET /events`.

use dojo_contract::topic;

/// A topic as a source of server-sent events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Feed {
    Orders,
    Audit,
    DeadLetters,
    Settings,
    Status,
}

impl Feed {
    /// Every feed, in the order a cursor names them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Orders, Self::Audit, Self::DeadLetters, Self::Settings, Self::Status];

    /// The Kafka topic.
    pub(crate) fn topic(self) -> &'static str {
        match self {
            Self::Orders => topic::ORDERS,
            Self::Audit => topic::AUDIT,
            Self::DeadLetters => topic::ORDERS_DLQ,
            Self::Settings => topic::SETTINGS,
            Self::Status => topic::STATUS,
        }
    }

    /// The `event:` of its records.
    pub(crate) fn event(self) -> &'static str {
        match self {
            Self::Orders => "order",
            Self::Audit => "audit",
            Self::DeadLetters => "dlq",
            Self::Settings => "settings",
            Self::Status => "status",
        }
    }

    /// Its letter in a cursor.
    pub(crate) fn letter(self) -> char {
        match self {
            Self::Orders => 'o',
            Self::Audit => 'a',
            Self::DeadLetters => 'd',
            Self::Settings => 's',
            Self::Status => 't',
        }
    }

    /// Whether its topic keeps only the last record of each key.
    pub(crate) fn is_compacted(self) -> bool {
        matches!(self, Self::Settings | Self::Status)
    }

    pub(crate) fn of_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|feed| feed.letter() == letter)
    }

    pub(crate) fn of_topic(topic: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feed| feed.topic() == topic)
    }
}
