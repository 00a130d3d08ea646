//! The intended differences, each with its reason.
//!
//! A difference that is a fault is mended, not listed.

/// The clients that play scripts.
pub const CLIENTS: &[&str] = &[RAW, LIBRDKAFKA, "kcat", CONFLUENT, "kafka-python", KAFKAJS, TOOLS];

const RAW: &str = "raw requests";
const LIBRDKAFKA: &str = "librdkafka";
const CONFLUENT: &str = "confluent-kafka";
const KAFKAJS: &str = "kafkajs";
const TOOLS: &str = "Java tools";

/// Stands for an observation that only one of the brokers gave.
pub const NOTHING: &str = "(nothing)";

/// A row of the table. In all fields but `client` and `why`, `*` stands for any text.
#[derive(Debug)]
pub struct Difference {
    pub client: &'static str,
    /// Names of observations, each of which has to differ.
    pub what: &'static [&'static str],
    pub apache: &'static str,
    pub embedded: &'static str,
    pub why: &'static str,
}

const fn row(
    client: &'static str,
    what: &'static [&'static str],
    apache: &'static str,
    embedded: &'static str,
    why: &'static str,
) -> Difference {
    Difference { client, what, apache, embedded, why }
}

const NO_NEW_GROUPS: &str = "This broker doesn't have the consumer group protocol of KIP-848. Groups use the classic one, which every client knows and most still use by default.";
const NO_SHARE_GROUPS: &str =
    "This broker has no share groups (KIP-932), in which several consumers read one partition.";
const NO_STREAMS_GROUPS: &str =
    "This broker doesn't have the group protocol of Kafka Streams (KIP-1071). Streams uses the classic one.";
const NO_SECURITY: &str = "This broker has no users, quotas or tokens: every client may do everything.";
const BOUNDED: &str = "Records are kept in memory, so each partition has a bound (`BROKER_RETENTION_BYTES`), beyond which the oldest records go. It is shown as `retention.bytes`.";
const NO_METRICS: &str = "Nobody can subscribe to metrics of clients (KIP-714).";
const NO_QUORUM: &str = "This broker has no controller quorum (KRaft): it is one process.";
const NO_ELR: &str = "Apache Kafka 4 sets `min.insync.replicas` for the whole cluster, for its eligible leader replicas (KIP-966). One replica needs none.";
const FIXED_CONFIGS: &str =
    "This broker's configs are those it was started with. None can be changed while it runs.";
const MEMORY: &str = "This broker keeps groups and transactions in memory, not in internal topics.";
const SERVER_ERROR: &str = "Apache Kafka fails with `UNKNOWN_SERVER_ERROR`. This broker says what is wrong, or does what is possible.";
const NO_SESSIONS: &str = "This broker has no fetch sessions (KIP-227): each fetch names all its partitions, which every client then does.";
const WHOLE_BATCHES: &str = "Apache Kafka cuts off the last batch where the requested bytes end, and clients throw the piece away. This broker sends whole batches.";
const NO_LOGGERS: &str = "What is logged is set when the broker starts (`RUST_LOG`).";

pub const DIFFERENCES: &[Difference] = &[
    row(
        RAW,
        &["spoken: ConsumerGroupHeartbeat", "spoken: ConsumerGroupDescribe"],
        "0 to 1",
        NOTHING,
        NO_NEW_GROUPS,
    ),
    row(RAW, &["spoken: OffsetCommit"], "2 to 10", "2 to 9", NO_NEW_GROUPS),
    row(RAW, &["spoken: OffsetFetch"], "1 to 10", "1 to 9", NO_NEW_GROUPS),
    row(
        RAW,
        &["feature supported: group.version", "feature in force: group.version"],
        "*-1",
        NOTHING,
        NO_NEW_GROUPS,
    ),
    row(
        RAW,
        &["spoken: Share*", "spoken: *ShareGroupOffsets", "spoken: *ShareGroupState*"],
        "*",
        NOTHING,
        NO_SHARE_GROUPS,
    ),
    row(RAW, &["spoken: FindCoordinator"], "0 to 6", "0 to 5", NO_SHARE_GROUPS),
    row(
        RAW,
        &["feature supported: share.version", "feature in force: share.version"],
        "*-1",
        NOTHING,
        NO_SHARE_GROUPS,
    ),
    row(RAW, &["spoken: request 88", "spoken: request 89"], "0 to 0", NOTHING, NO_STREAMS_GROUPS),
    row(
        RAW,
        &["feature supported: streams.version", "feature in force: streams.version"],
        "*-1",
        NOTHING,
        NO_STREAMS_GROUPS,
    ),
    row(
        RAW,
        &[
            "spoken: Sasl*",
            "spoken: *DelegationToken",
            "spoken: *ClientQuotas",
            "spoken: *UserScramCredentials",
        ],
        "*",
        NOTHING,
        NO_SECURITY,
    ),
    row(
        RAW,
        &["spoken: AlterReplicaLogDirs"],
        "*",
        NOTHING,
        "This broker has no disks between which a replica could move.",
    ),
    row(
        RAW,
        &[
            "spoken: DescribeQuorum",
            "spoken: *RaftVoter",
            "spoken: UnregisterBroker",
            "spoken: UpdateFeatures",
        ],
        "*",
        NOTHING,
        NO_QUORUM,
    ),
    row(RAW, &["feature supported: kraft.version", "feature *: metadata.version"], "*", NOTHING, NO_QUORUM),
    row(RAW, &["feature *: eligible.leader.replicas.version"], "*", NOTHING, NO_ELR),
    row(
        RAW,
        &["spoken: WriteTxnMarkers"],
        "*",
        NOTHING,
        "Brokers use it to tell each other that a transaction has ended. There is no other broker.",
    ),
    row(
        RAW,
        &["spoken: ListOffsets"],
        "1 to 11",
        "1 to 10",
        "The newest version is about remote storage, which this broker doesn't have.",
    ),
    row(
        RAW,
        &["spoken: DescribeLogDirs"],
        "1 to 5",
        "1 to 4",
        "The newest version is about disks that are being emptied. This broker has no disk.",
    ),
    row(RAW, &["config of a topic: min.insync.replicas"], "*from 3*", "*from 5*", NO_ELR),
    row(RAW, &["config of a broker: min.insync.replicas"], "*default false", "*default true", NO_ELR),
    row(
        RAW,
        &["ElectLeaders: of all partitions"],
        "*topic: \"raw-still\", partition_result: []*",
        "*replica_election_results: [] }",
        "No partition gets another leader. Apache Kafka then names every topic without a partition.",
    ),
    row(
        RAW,
        &["config of a broker: *"],
        "*",
        NOTHING,
        "This broker has no configs for what it doesn't have: disks, replicas, security, quotas and remote storage.",
    ),
    row(
        RAW,
        &["config of a broker: log.cleaner.backoff.ms"],
        "Some(\"15000\")*",
        "Some(\"1000\")*",
        "Compacted topics are checked every second, so that a workshop sees compaction happen.",
    ),
    row(RAW, &["config of a broker: log.retention.bytes"], "Some(\"-1\")*", "Some(\"16777216\")*", BOUNDED),
    row(
        RAW,
        &["config of a topic: retention.bytes"],
        "Some(\"-1\") from 5*",
        "Some(\"16777216\") from 4*",
        BOUNDED,
    ),
    row(RAW, &["20 MB in a partition: delete"], "*: 0*: true", "*: 0*: false", BOUNDED),
    row(
        RAW,
        &["20 MB in a partition: compact"],
        "*: 0*: true",
        "*: 44*: true",
        "A full partition that is only compacted never drops the last record of a key: it refuses writes with `POLICY_VIOLATION`.",
    ),
    row(
        RAW,
        &["config of a broker: group.max.size"],
        "Some(\"2147483647\")*",
        "Some(\"1000\")*",
        "Members take memory, so a group has a bound.",
    ),
    row(
        RAW,
        &["IncrementalAlterConfigs: of a broker: unknown"],
        "*error_code: 0*",
        "*error_code: 42*",
        FIXED_CONFIGS,
    ),
    row(RAW, &["CreateTopics: a name of its offsets"], "*error_code: 36*", "*error_code: 0*", MEMORY),
    row(RAW, &["Produce: to a topic of Kafka itself"], "*error_code: 17*", "*error_code: 3*", MEMORY),
    row(
        RAW,
        &["CreateTopics: no time"],
        "*error_code: 7*",
        "*error_code: 0*",
        "This broker does everything at once, so it is never late.",
    ),
    row(
        RAW,
        &["CreatePartitions: 10001"],
        "*error_code: 0*",
        "*error_code: 44*",
        "Partitions take memory, so a topic has at most 10,000.",
    ),
    row(
        RAW,
        &["DeleteTopics: the same twice"],
        "*error_code: 42*",
        "*error_code: 0*error_code: 100*",
        "A topic that one request names by its name and by its id is deleted once, and then unknown.",
    ),
    row(RAW, &["Produce: unknown compression"], "*error_code: -1*", "*error_code: 76*", SERVER_ERROR),
    row(
        RAW,
        &[
            "Produce: gzip that is none",
            "Produce: snappy that is none",
            "Produce: lz4 that is none",
            "Produce: zstd that is none",
        ],
        "*error_code: -1*",
        "*error_code: 87*",
        SERVER_ERROR,
    ),
    row(
        RAW,
        &[
            "Fetch: less than no bytes of the partition",
            "Fetch: less than no bytes",
            "Fetch: an isolation that does not exist",
        ],
        "*error_code: -1*",
        "FetchResponse { error_code: 0,*error_code: 0,*",
        SERVER_ERROR,
    ),
    row(
        RAW,
        &["Metadata: neither name nor id"],
        "*error_code: -1*",
        "*topics: []*error_code: 0*",
        SERVER_ERROR,
    ),
    row(
        RAW,
        &["IncrementalAlterConfigs: an unknown operation"],
        "*error_code: -1*",
        "*error_code: 42*",
        SERVER_ERROR,
    ),
    row(
        RAW,
        &["Produce: the same partition twice"],
        "*base_offset: 0*",
        "*base_offset: 0*base_offset: 1*",
        "Apache Kafka keeps one of two batches for the same partition. This broker writes both.",
    ),
    row(
        RAW,
        &["Produce: a batch and a half"],
        "*error_code: 0*",
        "*error_code: 87*",
        "Apache Kafka ignores bytes behind a batch. This broker refuses a batch with more bytes behind it.",
    ),
    row(
        RAW,
        &["Produce: the same again", "Produce: the first again"],
        "*log_append_time_ms: TIME*",
        "*log_append_time_ms: -1*",
        "For a repeated batch, Apache Kafka answers the log's newest timestamp as if the broker had set it.",
    ),
    row(
        RAW,
        &["Fetch: few bytes of the partition", "Fetch: few bytes"],
        "FetchResponse { error_code: 0,*",
        "FetchResponse { error_code: 0,*",
        WHOLE_BATCHES,
    ),
    row(RAW, &["Fetch: a session is given"], "true", "false", NO_SESSIONS),
    row(
        RAW,
        &[
            "Fetch: nothing new in a session",
            "Fetch: something * in a session",
            "Fetch: a session's epoch *",
            "Fetch: something forgotten",
            "Fetch: the end of a session",
        ],
        "*",
        NOTHING,
        NO_SESSIONS,
    ),
    row(LIBRDKAFKA, &["configs of a group"], "Ok(*)", "Ok(0)", NO_NEW_GROUPS),
    row(CONFLUENT, &["group, KIP-848: a record"], "a record", "null", NO_NEW_GROUPS),
    row(
        CONFLUENT,
        &["configs: broker"],
        "*\"message.max.bytes\":[\"1048588\",5,false*",
        "*\"message.max.bytes\":[\"1048588\",5,true*",
        FIXED_CONFIGS,
    ),
    row(CONFLUENT, &["users: described"], "*", "*_UNSUPPORTED_FEATURE*", NO_SECURITY),
    row(
        TOOLS,
        &["configs: of clients"],
        "exit 0*",
        "exit 1*does not support DESCRIBE_CLIENT_QUOTAS*",
        NO_SECURITY,
    ),
    row(TOOLS, &["configs: of groups"], "exit 0*", "exit 1*has no configs of type 32*", NO_NEW_GROUPS),
    row(TOOLS, &["configs: of loggers"], "exit 0*", "exit 1*", NO_LOGGERS),
    row(TOOLS, &["quorum"], "exit 0*", "exit 1*", NO_QUORUM),
    row(TOOLS, &["client metrics: change"], "exit 0*", "exit 1*", NO_METRICS),
];
