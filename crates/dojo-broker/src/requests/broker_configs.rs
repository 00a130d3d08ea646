//! The configs of the broker itself: its settings, its fixed limits, and the defaults of topics.
//!
//! None of them can be changed while the broker runs. They have Kafka's names, so that tools and people find
//! what they look for.

use super::{
    caller::Caller,
    config_docs,
    config_entries::{
        BOOLEAN, DEFAULT_SOURCE, INT, LIST, LONG, SHORT, STARTUP_SOURCE, Sourced, TOPIC_SOURCE, Wanted,
        documentation, entry, kind, synonyms,
    },
    fields::NODE_ID,
    group_offsets,
};
use crate::{
    api::MAX_REQUEST,
    group::{MAX_MEMBERS, OFFSETS_KEPT},
    node::Node,
    topic_config::{DEFINITIONS, Definition, Setting},
    transaction::MAX_TIMEOUT_MS,
};
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use std::time::Duration;

/// Topic configs for which a broker has no default: replication quotas and remote storage.
const ONLY_OF_TOPICS: &[&str] = &[
    "follower.replication.throttled.replicas",
    "leader.replication.throttled.replicas",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
];
/// Defaults that a broker has in hours. In milliseconds it has none unless someone sets it.
const IN_HOURS: &[&str] = &["log.flush.interval.ms", "log.retention.ms", "log.roll.jitter.ms", "log.roll.ms"];

/// Returns whether the topic config's default is a config of the broker that has a value.
pub(super) fn sets_default(definition: &Definition) -> bool {
    !ONLY_OF_TOPICS.contains(&definition.synonym) && !IN_HOURS.contains(&definition.synonym)
}

/// The broker's config that bounds every partition.
const RETENTION_BYTES: &str = "log.retention.bytes";

/// Returns the value of a topic that doesn't set the config.
pub(super) fn default_of(node: &Node, definition: &Definition) -> Sourced {
    if definition.synonym == RETENTION_BYTES {
        sourced(node.config.retention_bytes_per_partition.to_string(), definition.default)
    } else {
        Sourced::new(definition.default, DEFAULT_SOURCE)
    }
}

/// Returns the value that the broker acts on: a topic's partitions never exceed the broker's bound.
pub(super) fn in_force(node: &Node, setting: &Setting<'_>) -> Sourced {
    let default = default_of(node, setting.definition);
    let exceeds = |value: &str| {
        let bytes = value.parse::<i64>().ok().and_then(|bytes| usize::try_from(bytes).ok());
        bytes.is_none_or(|bytes| bytes > node.config.retention_bytes_per_partition)
    };
    if !setting.is_set || setting.definition.synonym == RETENTION_BYTES && exceeds(setting.value) {
        default
    } else {
        Sourced::new(setting.value, TOPIC_SOURCE)
    }
}

/// A value that differs from Kafka's default was chosen for this broker.
fn sourced(value: String, kafkas_default: &str) -> Sourced {
    let source = if value == kafkas_default { DEFAULT_SOURCE } else { STARTUP_SOURCE };
    Sourced { value, source }
}

struct Config {
    name: &'static str,
    sourced: Option<Sourced>,
    kind: i8,
    sentence: &'static str,
}

/// Lists every config of the broker, by name.
pub(super) fn list(node: &Node, caller: &Caller, wanted: Wanted) -> Vec<DescribeConfigsResourceResult> {
    let mut configs = own(node, caller);
    for definition in DEFINITIONS.iter().filter(|known| !ONLY_OF_TOPICS.contains(&known.synonym)) {
        configs.push(Config {
            name: definition.synonym,
            sourced: sets_default(definition).then(|| default_of(node, definition)),
            kind: kind(&definition.kind),
            sentence: config_docs::sentence(definition.name).unwrap_or_default(),
        });
    }
    configs.sort_by_key(|config| config.name);
    let shown = configs.into_iter().map(|Config { name, sourced, kind, sentence }| {
        let synonyms = synonyms(wanted, sourced.clone().map(|sourced| (name, sourced)));
        entry(name, sourced, kind)
            .with_read_only(true)
            .with_synonyms(synonyms)
            .with_documentation(documentation(wanted, Some(sentence)))
    });
    shown.collect()
}

fn own(node: &Node, caller: &Caller) -> Vec<Config> {
    let config = |name, value: String, kafkas_default, kind, sentence| Config {
        name,
        sourced: Some(sourced(value, kafkas_default)),
        kind,
        sentence,
    };
    let millis = |duration: Duration| duration.as_millis().to_string();
    let settings = &node.config;
    vec![
        config(
            "advertised.listeners",
            format!("PLAINTEXT://{}", caller.endpoint),
            "",
            LIST,
            "The address that clients are told to connect to.",
        ),
        config(
            "auto.create.topics.enable",
            "false".into(),
            "true",
            BOOLEAN,
            "Whether a topic is created when a client asks for it. Never here.",
        ),
        config("broker.id", NODE_ID.0.to_string(), "-1", INT, "The broker's number, by its older name."),
        config(
            "connections.max.idle.ms",
            millis(settings.max_idle),
            "600000",
            LONG,
            "How long a connection may be idle before it is closed.",
        ),
        config(
            "default.replication.factor",
            "1".into(),
            "1",
            INT,
            "How many replicas a new topic's partitions have.",
        ),
        config(
            "group.initial.rebalance.delay.ms",
            millis(settings.initial_rebalance_delay),
            "3000",
            INT,
            "How long the first rebalance of an empty group waits for further members.",
        ),
        config(
            "group.max.session.timeout.ms",
            millis(settings.max_session_timeout),
            "1800000",
            INT,
            "The longest session timeout that a group member may ask for.",
        ),
        config(
            "group.max.size",
            MAX_MEMBERS.to_string(),
            "2147483647",
            INT,
            "How many members a group may have.",
        ),
        config(
            "group.min.session.timeout.ms",
            millis(settings.min_session_timeout),
            "6000",
            INT,
            "The shortest session timeout that a group member may ask for.",
        ),
        config(
            "log.cleaner.backoff.ms",
            millis(settings.compaction_interval),
            "15000",
            LONG,
            "How often compacted topics are checked for records to compact.",
        ),
        config(
            "log.retention.check.interval.ms",
            millis(settings.retention_check_interval),
            "300000",
            LONG,
            "How often partitions are checked for records that are too old or too many.",
        ),
        config(
            "log.retention.hours",
            "168".into(),
            "168",
            INT,
            "How old records may become in a topic that doesn't set it.",
        ),
        config("log.roll.hours", "168".into(), "168", INT, "How much time a segment can span, in hours."),
        config("node.id", NODE_ID.0.to_string(), "", INT, "The broker's number."),
        config(
            "num.partitions",
            "1".into(),
            "1",
            INT,
            "How many partitions a topic gets whose creator leaves it to the broker.",
        ),
        config(
            "offset.metadata.max.bytes",
            group_offsets::MAX_METADATA.to_string(),
            "4096",
            INT,
            "The longest text that may be committed with an offset.",
        ),
        config(
            "offsets.retention.minutes",
            (OFFSETS_KEPT.as_secs() / 60).to_string(),
            "10080",
            INT,
            "How long the offsets of a group without members are kept.",
        ),
        config(
            "offsets.topic.replication.factor",
            "1".into(),
            "3",
            SHORT,
            "How many replicas committed offsets have.",
        ),
        config("socket.request.max.bytes", MAX_REQUEST.to_string(), "104857600", INT, "The longest request."),
        config(
            "transaction.max.timeout.ms",
            MAX_TIMEOUT_MS.to_string(),
            "900000",
            INT,
            "The longest timeout that a transaction may ask for.",
        ),
    ]
}
