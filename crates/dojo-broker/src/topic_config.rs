//! Kafka's topic configs: their names, their possible values, and their defaults.
//!
//! The list is that of Apache Kafka 4.x (<https://kafka.apache.org/documentation/#topicconfigs>), so that a
//! topic that can be created here can be created there, and the other way round. Most configs describe how
//! disks are used or how replicas are kept; this broker accepts, checks and shows them. The configs that it
//! acts on are in [`Rules`] and [`Policy`].

use crate::{
    log::{Codec, Compaction, Compression, Policy, Retention, Rules},
    refusal::Refusal,
};
use kafka_protocol::ResponseError;
use std::{collections::BTreeMap, fmt::Display};

/// The values that a config can have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Boolean,
    /// A whole number within these bounds; `i32` on the wire.
    Int(i64, i64),
    /// A whole number within these bounds, or -1; `i32` on the wire.
    IntOrDefault(i64, i64),
    /// A whole number, at least this; `i64` on the wire.
    Long(i64),
    /// A number from 0 to 1.
    Ratio,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any of these words, or none, separated by commas.
    List(&'static [&'static str]),
    /// Pairs of partition and broker, such as `0:1,1:1`, or `*` for all.
    Replicas,
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

/// Every config, by name.
pub(crate) const DEFINITIONS: &[Definition] = &[
    config("cleanup.policy", "log.cleanup.policy", "delete", Kind::List(&["compact", "delete"])),
    config("compression.gzip.level", "compression.gzip.level", "-1", Kind::IntOrDefault(1, 9)),
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
        Kind::Replicas,
    ),
    config("index.interval.bytes", "log.index.interval.bytes", "4096", Kind::Int(0, I32)),
    config(
        "leader.replication.throttled.replicas",
        "leader.replication.throttled.replicas",
        "",
        Kind::Replicas,
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
    config("retention.bytes", "log.retention.bytes", "-1", Kind::Long(i64::MIN)),
    config("retention.ms", "log.retention.ms", "604800000", Kind::Long(-1)),
    config("segment.bytes", "log.segment.bytes", "1073741824", Kind::Int(1 << 20, I32)),
    config("segment.index.bytes", "log.index.size.max.bytes", "10485760", Kind::Int(4, I32)),
    config("segment.jitter.ms", "log.roll.jitter.ms", "0", Kind::Long(0)),
    config("segment.ms", "log.roll.ms", "604800000", Kind::Long(1)),
    config("unclean.leader.election.enable", "unclean.leader.election.enable", "false", Kind::Boolean),
];

impl Definition {
    /// Returns a checked value as it is shown: numbers in their shortest form, lists without spaces.
    fn canonical(&self, value: &str) -> String {
        let trimmed = value.trim();
        match self.kind {
            Kind::Boolean => trimmed.to_ascii_lowercase(),
            Kind::Int(..) | Kind::IntOrDefault(..) | Kind::Long(_) => {
                trimmed.parse::<i64>().map_or_else(|_| trimmed.to_owned(), |number| number.to_string())
            }
            Kind::Ratio => {
                trimmed.parse::<f64>().map_or_else(|_| trimmed.to_owned(), |number| format!("{number:?}"))
            }
            Kind::Word(_) => value.to_owned(),
            Kind::List(_) | Kind::Replicas => {
                let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
                words.collect::<Vec<_>>().join(",")
            }
        }
    }

    /// # Errors
    /// `INVALID_CONFIG`, with what is wrong with `value`.
    fn check(&self, value: &str) -> Result<(), Refusal> {
        let invalid = |value: &str, fault: String| {
            Err(Refusal::new(
                ResponseError::InvalidConfig,
                format!("Invalid value {value} for configuration {}: {fault}", self.name),
            ))
        };
        let fault = match self.kind {
            Kind::Boolean => match value.trim().to_ascii_lowercase().as_str() {
                "true" | "false" => None,
                _ => Some("Expected value to be either true or false".to_owned()),
            },
            Kind::Int(least, most) => match value.trim().parse::<i32>() {
                Err(_) => Some("Not a number of type INT".to_owned()),
                Ok(number) => out_of_range(i64::from(number), least, most),
            },
            Kind::IntOrDefault(least, most) => match value.trim().parse::<i32>() {
                Err(_) => Some("Not a number of type INT".to_owned()),
                Ok(number) if number == -1 || (least..=most).contains(&i64::from(number)) => None,
                Ok(_) => Some(format!("Value must be between {least} and {most} or equal to -1")),
            },
            Kind::Long(least) => match value.trim().parse::<i64>() {
                Err(_) => Some("Not a number of type LONG".to_owned()),
                Ok(number) => out_of_range(number, least, i64::MAX),
            },
            Kind::Ratio => match value.trim().parse::<f64>() {
                Err(_) => Some("Not a number of type DOUBLE".to_owned()),
                Ok(number) => out_of_range(number, 0.0, 1.0),
            },
            Kind::Word(words) if words.contains(&value) => None,
            Kind::Word(words) => Some(one_of(words)),
            Kind::List(words) => {
                let mut listed = value.split(',').map(str::trim).filter(|word| !word.is_empty());
                return match listed.find(|word| !words.contains(word)) {
                    None => Ok(()),
                    Some(word) => invalid(word, one_of(words)),
                };
            }
            Kind::Replicas if value.trim() == "*" || value.split(',').all(is_replica) => None,
            Kind::Replicas => {
                let form = "must be the literal '*' or a list of replicas in the following format: \
                            [partitionId]:[brokerId],[partitionId]:[brokerId],...";
                return invalid(&format!("[{value}]"), format!("{} {form}", self.name));
            }
        };
        fault.map_or(Ok(()), |fault| invalid(value, fault))
    }
}

fn out_of_range<N: PartialOrd + Display>(number: N, least: N, most: N) -> Option<String> {
    if number > most {
        Some(format!("Value must be no more than {most}"))
    } else if number >= least {
        None
    } else {
        Some(format!("Value must be at least {least}"))
    }
}

fn one_of(words: &[&str]) -> String {
    format!("String must be one of: {}", words.join(", "))
}

fn is_replica(pair: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let pair = pair.trim();
    pair.is_empty()
        || pair.split_once(':').is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
}

/// The configs of one topic.
#[derive(Debug, Clone)]
pub(crate) struct TopicSettings {
    set: BTreeMap<String, String>,
    rules: Rules,
    policy: Policy,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self::of(BTreeMap::new())
    }
}

/// One config of a topic.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) definition: &'static Definition,
    pub(crate) value: &'a str,
    /// Whether the config was set for this topic.
    pub(crate) is_set: bool,
}

impl TopicSettings {
    /// Checks the configs that were given for a topic.
    ///
    /// # Errors
    /// `INVALID_CONFIG`, with the name of the config that is wrong.
    pub(crate) fn new(mut set: BTreeMap<String, String>) -> Result<Self, Refusal> {
        for (name, value) in &mut set {
            let Some(definition) = DEFINITIONS.iter().find(|definition| definition.name == name) else {
                return Err(Refusal::new(
                    ResponseError::InvalidConfig,
                    format!("Unknown topic config name: {name}"),
                ));
            };
            definition.check(value)?;
            *value = definition.canonical(value);
        }
        Values(&set).check_together()?;
        Ok(Self::of(set))
    }

    fn of(set: BTreeMap<String, String>) -> Self {
        let read = Values(&set);
        let (rules, policy) = (read.rules(), read.policy());
        Self { set, rules, policy }
    }

    /// Returns the configs that were set for the topic, by name.
    pub(crate) fn set(&self) -> &BTreeMap<String, String> {
        &self.set
    }

    /// Returns what the topic asks of batches that are written to it.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Returns what the topic asks of its logs.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns every config, with its value for this topic.
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

/// Configs that were checked.
struct Values<'a>(&'a BTreeMap<String, String>);

impl Values<'_> {
    /// Returns the value that was set, or else the default.
    fn text(&self, name: &str) -> &str {
        let default = || DEFINITIONS.iter().find(|known| known.name == name).map(|known| known.default);
        self.0.get(name).map(String::as_str).or_else(default).unwrap_or_default().trim()
    }

    fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or_default()
    }

    /// Returns `None` for -1, which means no limit.
    fn limit(&self, name: &str) -> Option<i64> {
        Some(self.number(name)).filter(|limit| *limit >= 0)
    }

    fn size(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).unwrap_or(0)
    }

    fn cleans_by(&self, how: &str) -> bool {
        self.text("cleanup.policy").split(',').any(|word| word.trim() == how)
    }

    /// # Errors
    /// `INVALID_CONFIG` if values contradict each other, or ask for what this broker doesn't have.
    fn check_together(&self) -> Result<(), Refusal> {
        let (least, most) = (self.number("min.compaction.lag.ms"), self.number("max.compaction.lag.ms"));
        let invalid = |message: String| Err(Refusal::new(ResponseError::InvalidConfig, message));
        if least > most {
            return invalid(format!(
                "conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})"
            ));
        }
        if self.text("remote.storage.enable").eq_ignore_ascii_case("true") {
            return invalid(
                "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log \
                 storage."
                    .into(),
            );
        }
        Ok(())
    }

    /// Returns `None` if the producer chooses.
    fn codec(&self) -> Option<Codec> {
        match self.text("compression.type") {
            "uncompressed" => Some(Codec::None),
            "gzip" => Some(Codec::Gzip),
            "snappy" => Some(Codec::Snappy),
            "lz4" => Some(Codec::Lz4),
            "zstd" => Some(Codec::Zstd),
            _ => None,
        }
    }

    fn rules(&self) -> Rules {
        Rules {
            max_bytes: self.size("max.message.bytes"),
            max_age_ms: self.number("message.timestamp.before.max.ms"),
            max_ahead_ms: self.number("message.timestamp.after.max.ms"),
            log_append_time: self.text("message.timestamp.type") == "LogAppendTime",
            needs_keys: self.cleans_by("compact"),
            compression: self.codec().map(|codec| Compression {
                codec,
                gzip_level: self.text("compression.gzip.level").parse().unwrap_or(-1),
            }),
        }
    }

    fn policy(&self) -> Policy {
        Policy {
            segment_bytes: self.size("segment.bytes"),
            segment_ms: self.number("segment.ms"),
            retention: self.cleans_by("delete").then(|| Retention {
                ms: self.limit("retention.ms"),
                bytes: self.limit("retention.bytes").and_then(|limit| usize::try_from(limit).ok()),
            }),
            compaction: self.cleans_by("compact").then(|| Compaction {
                min_dirty_ratio: self.text("min.cleanable.dirty.ratio").parse().unwrap_or_default(),
                min_lag_ms: self.number("min.compaction.lag.ms"),
                max_lag_ms: self.number("max.compaction.lag.ms"),
                tombstone_ms: self.number("delete.retention.ms"),
            }),
        }
    }
}

#[cfg(test)]
#[path = "topic_config_tests.rs"]
mod tests;
