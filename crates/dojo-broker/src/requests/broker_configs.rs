//! The configs of the broker itself: what was decided when it was started, what never changes, and the defaults of topics.
//!
//! None can be changed while it runs. They are shown under Kafka's names, so that tools and people find what they look for.

use std::time::Duration;

use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;

use super::configs::{
    BOOLEAN, DEFAULT_SOURCE, INT, LIST, LONG, SHORT, STARTUP_SOURCE, Wanted, describe_one, documentation,
    kind, synonyms,
};
use super::{Caller, NODE_ID, config_docs, group_offsets};
use crate::broker::Node;
use crate::connection::MAX_REQUEST;
use crate::group::{MAX_MEMBERS, OFFSETS_KEPT};
use crate::topic_config::{DEFINITIONS, Definition};
use crate::transaction::MAX_TIMEOUT_MS;

/// Topic configs for which a broker has no default of its own: they are replication quotas and remote storage.
const ONLY_OF_TOPICS: &[&str] = &[
    "follower.replication.throttled.replicas",
    "leader.replication.throttled.replicas",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
];
/// Defaults that a broker has in hours, and in milliseconds only where somebody set them so.
const IN_HOURS: &[&str] = &["log.flush.interval.ms", "log.retention.ms", "log.roll.jitter.ms", "log.roll.ms"];

/// Whether the topic config's default is a config of the broker that has a value.
pub(super) fn sets_default(definition: &Definition) -> bool {
    !ONLY_OF_TOPICS.contains(&definition.synonym) && !IN_HOURS.contains(&definition.synonym)
}

struct Config {
    name: &'static str,
    value: Option<String>,
    source: i8,
    kind: i8,
    sentence: &'static str,
}

/// Every config of the broker, by name.
pub(super) fn list(node: &Node, caller: &Caller, wanted: Wanted) -> Vec<DescribeConfigsResourceResult> {
    let mut configs = own(node, caller);
    for definition in DEFINITIONS.iter().filter(|known| !ONLY_OF_TOPICS.contains(&known.synonym)) {
        configs.push(Config {
            name: definition.synonym,
            value: sets_default(definition).then(|| definition.default.to_owned()),
            source: DEFAULT_SOURCE,
            kind: kind(&definition.kind),
            sentence: config_docs::sentence(definition.name).unwrap_or_default(),
        });
    }
    configs.sort_by_key(|config| config.name);
    let shown = configs.into_iter().map(|config| {
        let known = config.value.as_deref().map(|value| (config.name, value, config.source));
        let synonyms = synonyms(wanted, known.into_iter());
        describe_one(config.name, config.value.clone(), config.source, config.kind)
            .with_read_only(true)
            .with_synonyms(synonyms)
            .with_documentation(documentation(wanted, Some(config.sentence)))
    });
    shown.collect()
}

fn own(node: &Node, caller: &Caller) -> Vec<Config> {
    let given = |name, value: String, kind, sentence| Config {
        name,
        value: Some(value),
        source: STARTUP_SOURCE,
        kind,
        sentence,
    };
    let fixed = |name, value: String, kind, sentence| Config {
        name,
        value: Some(value),
        source: DEFAULT_SOURCE,
        kind,
        sentence,
    };
    let millis = |duration: Duration| duration.as_millis().to_string();
    let settings = &node.config;
    vec![
        given(
            "advertised.listeners",
            format!("PLAINTEXT://{}", caller.endpoint),
            LIST,
            "Where clients are told to find the broker.",
        ),
        fixed(
            "auto.create.topics.enable",
            "false".into(),
            BOOLEAN,
            "Whether a topic appears because somebody asks for it. Never here.",
        ),
        given("broker.id", NODE_ID.0.to_string(), INT, "The broker's number, by its older name."),
        given(
            "connections.max.idle.ms",
            millis(settings.max_idle),
            LONG,
            "After how long a connection on which nothing moves is closed.",
        ),
        fixed(
            "default.replication.factor",
            "1".into(),
            INT,
            "How many replicas a new topic's partitions have.",
        ),
        given(
            "group.initial.rebalance.delay.ms",
            millis(settings.initial_rebalance_delay),
            INT,
            "How long the first rebalance of an empty group waits for further members.",
        ),
        given(
            "group.max.session.timeout.ms",
            millis(settings.max_session_timeout),
            INT,
            "The longest session timeout a group member may ask for.",
        ),
        fixed("group.max.size", MAX_MEMBERS.to_string(), INT, "How many members a group may have."),
        given(
            "group.min.session.timeout.ms",
            millis(settings.min_session_timeout),
            INT,
            "The shortest session timeout a group member may ask for.",
        ),
        given(
            "log.retention.check.interval.ms",
            millis(settings.cleaning_interval),
            LONG,
            "How often partitions are looked at for records that are to go.",
        ),
        fixed(
            "log.retention.hours",
            "168".into(),
            INT,
            "How old records may grow where nobody says it for the topic.",
        ),
        fixed("log.roll.hours", "168".into(), INT, "After how long the next piece of a log is begun."),
        given("node.id", NODE_ID.0.to_string(), INT, "The broker's number."),
        fixed(
            "num.partitions",
            "1".into(),
            INT,
            "How many partitions a topic gets for whose creator it does not matter.",
        ),
        fixed(
            "offset.metadata.max.bytes",
            group_offsets::MAX_METADATA.to_string(),
            INT,
            "The longest text that may be committed beside an offset.",
        ),
        fixed(
            "offsets.retention.minutes",
            (OFFSETS_KEPT.as_secs() / 60).to_string(),
            INT,
            "For how long the offsets of a group without members are kept.",
        ),
        fixed(
            "offsets.topic.replication.factor",
            "1".into(),
            SHORT,
            "How many replicas committed offsets have.",
        ),
        fixed("socket.request.max.bytes", MAX_REQUEST.to_string(), INT, "The longest request."),
        fixed(
            "transaction.max.timeout.ms",
            MAX_TIMEOUT_MS.to_string(),
            INT,
            "The longest time that a transaction may ask for.",
        ),
    ]
}
