//! The topics of the dojo, in the table from which they are created, and the groups that read them.

/// Events of orders, keyed by order id. Three partitions, so that three instances can share the work.
pub const ORDERS: &str = "orders";
/// Reports of every service about orders. One partition has one total order, which is easy to read.
pub const AUDIT: &str = "audit";
/// Events whose notification failed for the last time, and unreadable records of `orders`.
pub const ORDERS_DLQ: &str = "orders-dlq";
/// Settings by name; compacted, so that the last value of each is the state.
pub const SETTINGS: &str = "dojo-settings";
/// The last report of each instance; compacted by instance id.
pub const STATUS: &str = "dojo-status";
/// Scenario runs and their results; compacted by run id.
pub const RUNS: &str = "dojo-runs";

/// Consumer group of the notification service's instances.
pub const NOTIFICATION_GROUP: &str = "notification-group";
/// Consumer group of the fraud service.
pub const FRAUD_GROUP: &str = "fraud-group";
/// Consumer group of the audit service.
pub const AUDIT_GROUP: &str = "audit-group";
/// Consumer group through which the order service follows `audit` and `orders-dlq` for its SSE streams.
pub const SSE_RELAY_GROUP: &str = "sse-relay-group";

/// How a topic is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: &'static str,
    /// What is on it, for a person.
    pub about: &'static str,
    /// Number of partitions.
    pub partitions: i32,
    /// Topic configuration, by Kafka's own names
    /// (<https://kafka.apache.org/documentation/#topicconfigs>).
    pub config: &'static [(&'static str, &'static str)],
}

/// The largest record of `orders` in bytes: Kafka's default, stated because [`DLQ_MAX_MESSAGE_BYTES`] builds on it.
pub const ORDERS_MAX_MESSAGE_BYTES: usize = 1_048_588;
/// The largest record of `orders-dlq`: any record of `orders`, and the headers that say why it is there.
pub const DLQ_MAX_MESSAGE_BYTES: usize = 2_097_152;

/// How far ahead of the broker's clock a record of `orders` may be dated, in milliseconds.
pub const ORDERS_MAX_MILLIS_AHEAD: i64 = 60_000;

/// `cleanup.policy=compact` with small segments: only closed segments are compacted, and a workshop is short.
const COMPACTED: &[(&str, &str)] = &[
    ("cleanup.policy", "compact"),
    ("segment.ms", "60000"),
    ("segment.bytes", "1048576"),
    ("min.cleanable.dirty.ratio", "0.1"),
];

/// Every topic, in the order they are created.
pub const TOPICS: &[TopicSpec] = &[
    TopicSpec {
        name: ORDERS,
        about: "Events of orders. The events of one order are in one partition, in their order. A retry or a redrive is the \
                same event again; only its headers distinguish it from the original.",
        partitions: 3,
        // Otherwise an order dated far ahead would end every fraud window at once.
        config: &[
            ("cleanup.policy", "delete"),
            ("max.message.bytes", "1048588"),
            ("message.timestamp.after.max.ms", "60000"),
        ],
    },
    TopicSpec {
        name: AUDIT,
        about: "What every service did about orders.",
        partitions: 1,
        config: &[("cleanup.policy", "delete")],
    },
    TopicSpec {
        name: ORDERS_DLQ,
        about: "Events whose notification failed for the last time, and records of `orders` that can't be read.",
        partitions: 1,
        config: &[("cleanup.policy", "delete"), ("max.message.bytes", "2097152")],
    },
    TopicSpec {
        name: SETTINGS,
        about: "Settings, and what single instances are asked to do. The last record of each key counts; one \
                without a value removes its key.",
        partitions: 1,
        config: COMPACTED,
    },
    TopicSpec { name: STATUS, about: "The last report of each instance.", partitions: 1, config: COMPACTED },
    TopicSpec {
        name: RUNS,
        about: "Scenario runs: what each plays, what it has changed, and what was put back. The last record of each run counts.",
        partitions: 1,
        config: COMPACTED,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_limits_are_the_constants() {
        let limit = |name, key| {
            let spec = TOPICS.iter().find(|t| t.name == name).unwrap();
            spec.config.iter().find(|(k, _)| *k == key).unwrap().1.to_owned()
        };
        assert_eq!(limit(ORDERS, "max.message.bytes"), ORDERS_MAX_MESSAGE_BYTES.to_string());
        assert_eq!(limit(ORDERS_DLQ, "max.message.bytes"), DLQ_MAX_MESSAGE_BYTES.to_string());
        assert_eq!(limit(ORDERS, "message.timestamp.after.max.ms"), ORDERS_MAX_MILLIS_AHEAD.to_string());
    }
}
