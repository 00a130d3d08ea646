//! The topics that `GET /events` streams, and what each is called there.

use dojo_contract::topic;

/// A topic whose records go out as server-sent events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum StreamTopic {
    Orders,
    Audit,
    DeadLetters,
    Settings,
    Status,
    Runs,
}

impl StreamTopic {
    /// Every topic, in the order a cursor names them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Orders, Self::Audit, Self::DeadLetters, Self::Settings, Self::Status, Self::Runs];

    /// The name of the Kafka topic.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Orders => topic::ORDERS,
            Self::Audit => topic::AUDIT,
            Self::DeadLetters => topic::ORDERS_DLQ,
            Self::Settings => topic::SETTINGS,
            Self::Status => topic::STATUS,
            Self::Runs => topic::RUNS,
        }
    }

    /// The `event:` field of its records.
    pub(crate) fn event(self) -> &'static str {
        match self {
            Self::Orders => "order",
            Self::Audit => "audit",
            Self::DeadLetters => "dlq",
            Self::Settings => "settings",
            Self::Status => "status",
            Self::Runs => "run",
        }
    }

    /// The topic's letter in a cursor.
    pub(crate) fn letter(self) -> char {
        match self {
            Self::Orders => 'o',
            Self::Audit => 'a',
            Self::DeadLetters => 'd',
            Self::Settings => 's',
            Self::Status => 't',
            Self::Runs => 'r',
        }
    }

    /// Whether Kafka keeps only the last record of each key.
    pub(crate) fn is_compacted(self) -> bool {
        matches!(self, Self::Settings | Self::Status | Self::Runs)
    }

    pub(crate) fn of_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.letter() == letter)
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }
}
