//! Kafka's topic configs: which there are, what each may be, and what it is where nobody set it.
//!
//! The list is that of Apache Kafka 4.x (<https://kafka.apache.org/documentation/#topicconfigs>), so that a topic created here
//! can be created there, and the other way round. Most only describe how a disk is used or how replicas are kept; this broker
//! accepts, checks and shows them. Those it acts on are in [`Rules`].

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;

use crate::log::Rules;
use crate::refusal::Refusal;

/// What a value has to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Boolean,
    /// A whole number between the two, both included; `i32` on the wire.
    Int(i64, i64),
    /// A whole number, at least that; `i64` on the wire.
    Long(i64),
    /// A number between 0 and 1.
    Ratio,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, separated by commas; anything, where there are none.
    List(&'static [&'static str]),
}

/// One config.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    /// The broker's config that sets the default.
    pub(crate) synonym: &'static str,
    pub(crate) default: &'static str,
    pub(crate) kind: Kind,
}

const fn config(name: &'static str, synonym: &'static str, default: &'static str, kind: Kind) -> Definition {
    Definition { name, synonym, default, kind }
}

const I32: i64 = i32::MAX as i64;
const FOREVER: &str = "9223372036854775807";

/// Every config there is, by name.
pub(crate) const DEFINITIONS: &[Definition] = &[
    config("cleanup.policy", "log.cleanup.policy", "delete", Kind::List(&["compact", "delete"])),
    config("compression.gzip.level", "compression.gzip.level", "-1", Kind::Int(-1, 9)),
    config("compression.lz4.level", "compression.lz4.level", "9", Kind::Int(1, 17)),
    config(
        "compression.type",
        "compression.type",
        "producer",
        Kind::Word(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
    ),
    config("compression.zstd.level", "compression.zstd.level", "3", Kind::Int(-131_072, 22)),
    config("delete.retention.ms", "log.cleaner.delete.retention.ms", "86400000", Kind::Long(0)),
    config("file.delete.delay.ms", "log.segment.delete.delay.ms", "60000", Kind::Long(0)),
    config("flush.messages", "log.flush.interval.messages", FOREVER, Kind::Long(1)),
    config("flush.ms", "log.flush.interval.ms", FOREVER, Kind::Long(0)),
    config(
        "follower.replication.throttled.replicas",
        "follower.replication.throttled.replicas",
        "",
        Kind::List(&[]),
    ),
    config("index.interval.bytes", "log.index.interval.bytes", "4096", Kind::Int(0, I32)),
    config(
        "leader.replication.throttled.replicas",
        "leader.replication.throttled.replicas",
        "",
        Kind::List(&[]),
    ),
    config("local.retention.bytes", "log.local.retention.bytes", "-2", Kind::Long(-2)),
    config("local.retention.ms", "log.local.retention.ms", "-2", Kind::Long(-2)),
    config("max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", FOREVER, Kind::Long(1)),
    config("max.message.bytes", "message.max.bytes", "1048588", Kind::Int(0, I32)),
    config("message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms", "3600000", Kind::Long(0)),
    config("message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms", FOREVER, Kind::Long(0)),
    config(
        "message.timestamp.type",
        "log.message.timestamp.type",
        "CreateTime",
        Kind::Word(&["CreateTime", "LogAppendTime"]),
    ),
    config("min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio", "0.5", Kind::Ratio),
    config("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms", "0", Kind::Long(0)),
    config("min.insync.replicas", "min.insync.replicas", "1", Kind::Int(1, I32)),
    config("preallocate", "log.preallocate", "false", Kind::Boolean),
    config("remote.log.copy.disable", "remote.log.copy.disable", "false", Kind::Boolean),
    config("remote.log.delete.on.disable", "remote.log.delete.on.disable", "false", Kind::Boolean),
    config("remote.storage.enable", "remote.storage.enable", "false", Kind::Boolean),
    config("retention.bytes", "log.retention.bytes", "-1", Kind::Long(-1)),
    config("retention.ms", "log.retention.ms", "604800000", Kind::Long(-1)),
    config("segment.bytes", "log.segment.bytes", "1073741824", Kind::Int(1 << 20, I32)),
    config("segment.index.bytes", "log.index.size.max.bytes", "10485760", Kind::Int(4, I32)),
    config("segment.jitter.ms", "log.roll.jitter.ms", "0", Kind::Long(0)),
    config("segment.ms", "log.roll.ms", "604800000", Kind::Long(1)),
    config("unclean.leader.election.enable", "unclean.leader.election.enable", "false", Kind::Boolean),
];

impl Definition {
    /// # Errors
    /// `INVALID_CONFIG`, with what is wrong about `value`.
    fn check(&self, value: &str) -> Result<(), Refusal> {
        let fault = match self.kind {
            Kind::Boolean => match value.trim().to_ascii_lowercase().as_str() {
                "true" | "false" => None,
                _ => Some("Expected value to be either true or false".to_owned()),
            },
            Kind::Int(least, most) => match value.trim().parse::<i32>() {
                Err(_) => Some("Not a number of type INT".to_owned()),
                Ok(number) => out_of_range(i64::from(number), least, most),
            },
            Kind::Long(least) => match value.trim().parse::<i64>() {
                Err(_) => Some("Not a number of type LONG".to_owned()),
                Ok(number) => out_of_range(number, least, i64::MAX),
            },
            Kind::Ratio => match value.trim().parse::<f64>() {
                Err(_) => Some("Not a number of type DOUBLE".to_owned()),
                Ok(number) if (0.0..=1.0).contains(&number) => None,
                Ok(_) => Some("Value must be between 0 and 1".to_owned()),
            },
            Kind::Word(words) => unknown_word(words, value),
            Kind::List([]) => None,
            Kind::List(words) => value.split(',').find_map(|word| unknown_word(words, word.trim())),
        };
        match fault {
            None => Ok(()),
            Some(fault) => Err(Refusal::new(
                ResponseError::InvalidConfig,
                format!("Invalid value {value} for configuration {}: {fault}", self.name),
            )),
        }
    }
}

fn out_of_range(number: i64, least: i64, most: i64) -> Option<String> {
    if number < least {
        Some(format!("Value must be at least {least}"))
    } else if number > most {
        Some(format!("Value must be no more than {most}"))
    } else {
        None
    }
}

fn unknown_word(words: &[&str], value: &str) -> Option<String> {
    (!words.contains(&value)).then(|| format!("String must be one of: {}", words.join(", ")))
}

/// The configs of one topic.
#[derive(Debug, Clone)]
pub(crate) struct TopicSettings {
    set: BTreeMap<String, String>,
    rules: Rules,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self { set: BTreeMap::new(), rules: rules(&BTreeMap::new()) }
    }
}

/// A config as a topic has it.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) definition: &'static Definition,
    pub(crate) value: &'a str,
    /// Whether it was set for this topic.
    pub(crate) is_set: bool,
}

impl TopicSettings {
    /// Checks the configs that were given for a topic.
    ///
    /// # Errors
    /// `INVALID_CONFIG`, with the name of the config at fault.
    pub(crate) fn new(set: BTreeMap<String, String>) -> Result<Self, Refusal> {
        for (name, value) in &set {
            let Some(definition) = DEFINITIONS.iter().find(|definition| definition.name == name) else {
                return Err(Refusal::new(
                    ResponseError::InvalidConfig,
                    format!("Unknown topic config name: {name}"),
                ));
            };
            definition.check(value)?;
        }
        let rules = rules(&set);
        Ok(Self { set, rules })
    }

    /// What batches written to the topic have to be like.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Every config there is, as it is for this topic.
    pub(crate) fn all(&self) -> impl Iterator<Item = Setting<'_>> {
        DEFINITIONS.iter().map(|definition| {
            let set = self.set.get(definition.name);
            Setting {
                definition,
                value: set.map_or(definition.default, String::as_str),
                is_set: set.is_some(),
            }
        })
    }
}

/// `set` was checked: what cannot be read is not there, and then the default holds.
fn rules(set: &BTreeMap<String, String>) -> Rules {
    let text = |name: &str| set.get(name).map(|value| value.trim());
    let number =
        |name: &str, default: i64| text(name).and_then(|value| value.parse().ok()).unwrap_or(default);
    Rules {
        max_bytes: usize::try_from(number("max.message.bytes", 1_048_588)).unwrap_or(0),
        max_age_ms: number("message.timestamp.before.max.ms", i64::MAX),
        max_ahead_ms: number("message.timestamp.after.max.ms", 3_600_000),
        log_append_time: text("message.timestamp.type") == Some("LogAppendTime"),
        needs_keys: text("cleanup.policy")
            .is_some_and(|policy| policy.split(',').any(|word| word.trim() == "compact")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(set: &[(&str, &str)]) -> Result<TopicSettings, String> {
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TopicSettings::new(set).map_err(|refusal| {
            assert_eq!(refusal.error, ResponseError::InvalidConfig);
            refusal.message
        })
    }

    #[test]
    fn every_default_is_valid_and_the_list_is_sorted() {
        for definition in DEFINITIONS {
            assert!(definition.check(definition.default).is_ok(), "{}", definition.name);
        }
        assert!(DEFINITIONS.is_sorted_by_key(|definition| definition.name));
    }

    #[test]
    fn the_rules_of_a_topic_without_configs_are_the_listed_defaults() {
        let defaults = DEFINITIONS.iter().map(|d| (d.name, d.default)).collect::<Vec<_>>();
        assert_eq!(settings(&defaults).unwrap().rules(), TopicSettings::default().rules());
    }

    #[test]
    fn the_configs_that_the_broker_acts_on_become_rules() {
        let topic = settings(&[
            ("cleanup.policy", "compact,delete"),
            ("max.message.bytes", "100"),
            ("message.timestamp.type", "LogAppendTime"),
            ("message.timestamp.after.max.ms", "60000"),
        ]);
        let expected = Rules {
            max_bytes: 100,
            max_age_ms: i64::MAX,
            max_ahead_ms: 60_000,
            log_append_time: true,
            needs_keys: true,
        };
        assert_eq!(*topic.unwrap().rules(), expected);
    }

    #[test]
    fn a_wrong_config_is_refused_with_its_name_and_what_it_may_be() {
        for (name, value, fault) in [
            ("retention", "1", "Unknown topic config name: retention"),
            (
                "retention.ms",
                "soon",
                "Invalid value soon for configuration retention.ms: Not a number of type LONG",
            ),
            (
                "segment.bytes",
                "1",
                "Invalid value 1 for configuration segment.bytes: Value must be at least 1048576",
            ),
            ("min.cleanable.dirty.ratio", "1.5", "Value must be between 0 and 1"),
            ("cleanup.policy", "delete,shred", "String must be one of: compact, delete"),
            ("preallocate", "yes", "Expected value to be either true or false"),
            ("max.message.bytes", "99999999999", "Not a number of type INT"),
        ] {
            let message = settings(&[(name, value)]).unwrap_err();
            assert!(message.contains(fault), "{message}");
        }
    }
}
