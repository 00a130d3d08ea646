//! What each topic config is for, in a sentence: what DescribeConfigs adds when it is asked for documentation (KIP-569).
//!
//! The sentences say what the config does on this broker; the last word on each is
//! <https://kafka.apache.org/documentation/#topicconfigs>.

/// A topic config's sentence.
pub(super) fn sentence(name: &str) -> Option<&'static str> {
    let index = SENTENCES.binary_search_by_key(&name, |(name, _)| name).ok()?;
    SENTENCES.get(index).map(|(_, sentence)| *sentence)
}

const NO_DISK: &str = "Says how a broker uses its disk; this one has none, and only keeps the value.";
const NO_REPLICAS: &str = "Says how replicas are kept; here, there is only one of each partition.";
const NO_TIERS: &str = "Says how old segments are moved to remote storage; here, there is none.";

/// By name.
const SENTENCES: &[(&str, &str)] = &[
    (
        "cleanup.policy",
        "What becomes of old records: `delete` drops them by age and size, `compact` keeps the latest of each key; both may be named, \
         or neither.",
    ),
    (
        "compression.gzip.level",
        "How hard gzip tries, where the broker compresses: 1 to 9, or -1 for its default.",
    ),
    ("compression.lz4.level", "How hard lz4 tries, where the broker compresses."),
    (
        "compression.type",
        "How batches are compressed in the log: by this codec, not at all (`uncompressed`), or as their producer chose (`producer`).",
    ),
    ("compression.zstd.level", "How hard zstd tries, where the broker compresses."),
    (
        "delete.retention.ms",
        "For how long a compacted topic keeps a tombstone, so that readers have the time to see that the key is gone.",
    ),
    ("file.delete.delay.ms", NO_DISK),
    ("flush.messages", NO_DISK),
    ("flush.ms", NO_DISK),
    ("follower.replication.throttled.replicas", NO_REPLICAS),
    ("index.interval.bytes", NO_DISK),
    ("leader.replication.throttled.replicas", NO_REPLICAS),
    ("local.retention.bytes", NO_TIERS),
    ("local.retention.ms", NO_TIERS),
    (
        "max.compaction.lag.ms",
        "After how long at the latest a record of a compacted topic may be compacted away.",
    ),
    ("max.message.bytes", "The largest batch that may be written, in bytes, as it is after compression."),
    ("message.timestamp.after.max.ms", "How far ahead of the broker's clock a record's timestamp may be."),
    ("message.timestamp.before.max.ms", "How far behind the broker's clock a record's timestamp may be."),
    (
        "message.timestamp.type",
        "Whose clock a record's timestamp is from: its producer's (`CreateTime`) or the broker's (`LogAppendTime`).",
    ),
    (
        "min.cleanable.dirty.ratio",
        "Which part of a log has to be new since it was last compacted before it is compacted again.",
    ),
    ("min.compaction.lag.ms", "For how long at least a record of a compacted topic is left alone."),
    ("min.insync.replicas", NO_REPLICAS),
    ("preallocate", NO_DISK),
    ("remote.log.copy.disable", NO_TIERS),
    ("remote.log.delete.on.disable", NO_TIERS),
    ("remote.storage.enable", NO_TIERS),
    (
        "retention.bytes",
        "How large a partition may grow before its oldest segments are dropped; -1 for no limit.",
    ),
    (
        "retention.ms",
        "How old a partition's records may grow before their segments are dropped; -1 for no limit.",
    ),
    (
        "segment.bytes",
        "How large a piece of the log may grow before the next one is begun. Records are dropped and compacted by whole pieces.",
    ),
    ("segment.index.bytes", NO_DISK),
    ("segment.jitter.ms", NO_DISK),
    ("segment.ms", "After how long the next piece of the log is begun even if the present one is not full."),
    ("unclean.leader.election.enable", NO_REPLICAS),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic_config::DEFINITIONS;

    #[test]
    fn every_topic_config_has_a_sentence() {
        assert!(SENTENCES.is_sorted_by_key(|(name, _)| name));
        let names = DEFINITIONS.iter().map(|definition| definition.name);
        assert!(names.eq(SENTENCES.iter().map(|(name, _)| *name)));
        assert!(sentence("retention.ms").unwrap().contains("-1"));
        assert_eq!(sentence("retention"), None);
    }
}
