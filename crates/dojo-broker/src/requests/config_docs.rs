//! A sentence on each topic config, which DescribeConfigs adds if a client asks for documentation (KIP-569).
//!
//! The sentences say what the config does on this broker; the full documentation is
//! <https://kafka.apache.org/documentation/#topicconfigs>.

/// Returns the sentence on a topic config.
pub(super) fn sentence(name: &str) -> Option<&'static str> {
    let index = SENTENCES.binary_search_by_key(&name, |(name, _)| name).ok()?;
    SENTENCES.get(index).map(|(_, sentence)| *sentence)
}

const NO_DISK: &str = "Says how a broker uses its disk; this one has none, and only keeps the value.";
const NO_REPLICAS: &str = "Says how replicas are kept; here, each partition has one.";
const NO_TIERS: &str = "Says how old segments are moved to remote storage; this broker has none.";

/// Sorted by name.
const SENTENCES: &[(&str, &str)] = &[
    (
        "cleanup.policy",
        "How old records go: `delete` drops them by age and size, `compact` keeps the latest of each key; both can be named, \
         or neither.",
    ),
    ("compression.gzip.level", "The level of gzip, if the broker compresses: 1 to 9, or -1 for its default."),
    ("compression.lz4.level", "The level of lz4, if the broker compresses. It has one level here."),
    (
        "compression.type",
        "How batches are compressed in the log: by this codec, not at all (`uncompressed`), or as their producer chose (`producer`).",
    ),
    ("compression.zstd.level", "The level of zstd, if the broker compresses. It has one level here."),
    (
        "delete.retention.ms",
        "How long a compacted topic keeps a tombstone, so that readers have time to learn that the key is gone.",
    ),
    ("file.delete.delay.ms", NO_DISK),
    ("flush.messages", NO_DISK),
    ("flush.ms", NO_DISK),
    ("follower.replication.throttled.replicas", NO_REPLICAS),
    ("index.interval.bytes", NO_DISK),
    ("leader.replication.throttled.replicas", NO_REPLICAS),
    ("local.retention.bytes", NO_TIERS),
    ("local.retention.ms", NO_TIERS),
    ("max.compaction.lag.ms", "How long a record of a compacted topic waits for compaction at most."),
    ("max.message.bytes", "The largest batch that can be written, in bytes after compression."),
    ("message.timestamp.after.max.ms", "How far ahead of the broker's clock a record's timestamp can be."),
    ("message.timestamp.before.max.ms", "How far behind the broker's clock a record's timestamp can be."),
    (
        "message.timestamp.type",
        "Whose clock a record's timestamp is from: its producer's (`CreateTime`) or the broker's (`LogAppendTime`).",
    ),
    ("min.cleanable.dirty.ratio", "The part of a log that has to be new before it is compacted again."),
    ("min.compaction.lag.ms", "How long a record of a compacted topic stays at least."),
    ("min.insync.replicas", NO_REPLICAS),
    ("preallocate", NO_DISK),
    ("remote.log.copy.disable", NO_TIERS),
    ("remote.log.delete.on.disable", NO_TIERS),
    ("remote.storage.enable", NO_TIERS),
    (
        "retention.bytes",
        "How large a partition can grow before its oldest segments are dropped. The broker's own bound holds for every topic; a \
         topic that is only compacted refuses writes at that bound.",
    ),
    ("retention.ms", "How old records can become before their segments are dropped; -1 for no limit."),
    (
        "segment.bytes",
        "How large a segment can grow before the next one is begun. Records are dropped and compacted by whole segments.",
    ),
    ("segment.index.bytes", NO_DISK),
    ("segment.jitter.ms", NO_DISK),
    ("segment.ms", "How much time a segment can span before the next one is begun."),
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
