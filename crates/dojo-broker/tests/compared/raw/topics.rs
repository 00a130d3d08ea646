//! CreateTopics, CreatePartitions, DeleteTopics, DeleteRecords.

use super::{Raw, batch::Batch, text, topic};
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic},
    create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig},
    delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
    delete_topics_request::DeleteTopicState,
};
use uuid::Uuid;

/// A partition and the brokers that it is assigned to.
type Assignment<'a> = (i32, &'a [i32]);

fn create(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(10_000)
}

fn new(name: &str) -> CreatableTopic {
    CreatableTopic::default().with_name(topic(name)).with_num_partitions(1).with_replication_factor(1)
}

fn with(name: &str, configs: &[(&str, Option<&str>)]) -> CreatableTopic {
    let configs = configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default().with_name(text(name)).with_value(value.map(text))
    });
    new(name).with_configs(configs.collect())
}

fn assigned(name: &str, partitions: &[Assignment<'_>]) -> CreatableTopic {
    let assignments = partitions.iter().map(|(index, brokers)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(*index)
            .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
    });
    new(name).with_num_partitions(-1).with_replication_factor(-1).with_assignments(assignments.collect())
}

pub async fn play(raw: &mut Raw) {
    creation(raw).await;
    partitions(raw).await;
    deletion(raw).await;
    records(raw).await;
}

async fn creation(raw: &mut Raw) {
    for version in 2..=7 {
        let asked = create(vec![with(&format!("raw-new-{version}"), &[("retention.ms", Some("1000"))])]);
        raw.ask(&format!("version {version}"), version, asked).await;
    }
    raw.known("raw-new-7", 1).await;
    raw.ask("one that exists", 7, create(vec![new("raw-new-7")])).await;
    raw.ask("one that exists, version 2", 2, create(vec![new("raw-new-7")])).await;
    raw.ask("only to see, one that exists", 7, create(vec![new("raw-new-7")]).with_validate_only(true)).await;
    raw.ask("only to see", 7, create(vec![new("raw-seen").with_num_partitions(2)]).with_validate_only(true))
        .await;
    raw.ask("no topics", 7, create(vec![])).await;
    raw.ask("the same twice", 7, create(vec![new("raw-twice"), new("raw-twice")])).await;
    raw.ask("one good, one bad", 7, create(vec![new("raw-good"), new("raw bad")])).await;
    for (what, name) in [
        ("empty", String::new()),
        ("a dot", ".".into()),
        ("two dots", "..".into()),
        ("with a space", "raw new".into()),
        ("with a slash", "raw/new".into()),
        ("with an umlaut", "räw".into()),
        ("of 249", "x".repeat(249)),
        ("of 250", "x".repeat(250)),
        ("of Kafka itself", "__raw".into()),
        ("of its offsets", "__consumer_offsets".into()),
    ] {
        raw.ask(&format!("a name {what}"), 7, create(vec![new(&name)]).with_validate_only(true)).await;
    }
    raw.make("raw.dotted", 1, &[]).await;
    raw.ask("a name that collides", 7, create(vec![new("raw_dotted")])).await;
    for partitions in [-2, -1, 0, 10_001] {
        let asked = create(vec![new("raw-count").with_num_partitions(partitions)]).with_validate_only(true);
        raw.ask(&format!("{partitions} partitions"), 7, asked).await;
    }
    for factor in [-2, -1, 0, 2] {
        let asked = create(vec![new("raw-copies").with_replication_factor(factor)]).with_validate_only(true);
        raw.ask(&format!("replication factor {factor}"), 7, asked).await;
    }
    let asked = create(vec![new("raw-late")]).with_timeout_ms(-1).with_validate_only(true);
    raw.ask("no time", 7, asked).await;
    let assignments: [(&str, &[Assignment]); 8] = [
        ("to the node", &[(0, &[1]), (1, &[1])]),
        ("to another node", &[(0, &[7])]),
        ("to a node twice", &[(0, &[1, 1])]),
        ("to nobody", &[(0, &[])]),
        ("with a gap", &[(0, &[1]), (2, &[1])]),
        ("from one on", &[(1, &[1])]),
        ("the same twice", &[(0, &[1]), (0, &[1])]),
        ("of unequal length", &[(0, &[1]), (1, &[1, 7])]),
    ];
    for (what, partitions) in assignments {
        let asked = create(vec![assigned("raw-assigned", partitions)]).with_validate_only(true);
        raw.ask(&format!("assigned {what}"), 7, asked).await;
    }
    let both = assigned("raw-assigned", &[(0, &[1])]).with_num_partitions(1);
    raw.ask("assigned and counted", 7, create(vec![both]).with_validate_only(true)).await;
    for (name, value) in CONFIGS {
        let asked = create(vec![with("raw-config", &[(name, *value)])]).with_validate_only(true);
        let what = value.map_or("null", |value| value);
        // The answer has all configs of the topic, which DescribeConfigs shows one by one.
        let answer = raw.call(7, &asked).await.unwrap();
        raw.notes.note(format!("CreateTopics: {name}={what}"), answer.topics[0].error_code);
    }
}

/// Configs, most of them wrong.
const CONFIGS: &[(&str, Option<&str>)] = &[
    ("no.such.config", Some("1")),
    ("", Some("1")),
    ("retention.ms", None),
    ("retention.ms", Some("")),
    ("retention.ms", Some("soon")),
    ("retention.ms", Some("-1")),
    ("retention.ms", Some("-2")),
    ("retention.ms", Some("1.5")),
    ("retention.ms", Some(" 5 ")),
    ("retention.ms", Some("+5")),
    ("retention.ms", Some("9223372036854775808")),
    ("retention.bytes", Some("-5")),
    ("segment.bytes", Some("1")),
    ("segment.bytes", Some("1048576")),
    ("segment.bytes", Some("3000000000")),
    ("segment.ms", Some("0")),
    ("segment.jitter.ms", Some("-1")),
    ("max.message.bytes", Some("-1")),
    ("max.message.bytes", Some("0")),
    ("cleanup.policy", Some("compact")),
    ("cleanup.policy", Some("compact,delete")),
    ("cleanup.policy", Some("delete, compact")),
    ("cleanup.policy", Some("compact,compact")),
    ("cleanup.policy", Some("")),
    ("cleanup.policy", Some("none")),
    ("cleanup.policy", Some("Delete")),
    ("compression.type", Some("zip")),
    ("compression.type", Some("zstd")),
    ("compression.type", Some("none")),
    ("compression.type", Some("uncompressed")),
    ("compression.gzip.level", Some("10")),
    ("compression.lz4.level", Some("0")),
    ("compression.zstd.level", Some("100")),
    ("min.cleanable.dirty.ratio", Some("1.5")),
    ("min.cleanable.dirty.ratio", Some("half")),
    ("min.compaction.lag.ms", Some("-1")),
    ("max.compaction.lag.ms", Some("0")),
    ("delete.retention.ms", Some("-1")),
    ("file.delete.delay.ms", Some("-1")),
    ("flush.messages", Some("0")),
    ("flush.ms", Some("-1")),
    ("index.interval.bytes", Some("-1")),
    ("min.insync.replicas", Some("0")),
    ("min.insync.replicas", Some("2")),
    ("preallocate", Some("yes")),
    ("unclean.leader.election.enable", Some("TRUE")),
    ("message.timestamp.type", Some("append")),
    ("message.timestamp.type", Some("LogAppendTime")),
    ("message.timestamp.before.max.ms", Some("-1")),
    ("message.timestamp.after.max.ms", Some("-1")),
    ("message.timestamp.difference.max.ms", Some("1")),
    ("message.format.version", Some("2.0")),
    ("message.downconversion.enable", Some("true")),
    ("local.retention.ms", Some("-3")),
    ("remote.storage.enable", Some("true")),
    ("remote.log.copy.disable", Some("true")),
    ("follower.replication.throttled.replicas", Some("1:1")),
    ("follower.replication.throttled.replicas", Some("one")),
    ("follower.replication.throttled.replicas", Some("0:1, 1:1")),
    ("leader.replication.throttled.replicas", Some("")),
    ("leader.replication.throttled.replicas", Some("*")),
    ("segment.index.bytes", Some("3")),
];

async fn partitions(raw: &mut Raw) {
    raw.make("raw-grows", 2, &[]).await;
    let grow = |name: &str, count| {
        CreatePartitionsTopic::default().with_name(topic(name)).with_count(count).with_assignments(None)
    };
    let asked = |topics| CreatePartitionsRequest::default().with_topics(topics).with_timeout_ms(10_000);
    let to = |brokers: &[&[i32]]| {
        let one = |ids: &&[i32]| {
            CreatePartitionsAssignment::default()
                .with_broker_ids(ids.iter().map(|id| BrokerId(*id)).collect())
        };
        Some(brokers.iter().map(one).collect::<Vec<_>>())
    };
    for count in [-1, 0, 1, 2, 10_001] {
        raw.ask(&format!("{count}"), 3, asked(vec![grow("raw-grows", count)]).with_validate_only(true)).await;
    }
    raw.ask("unknown topic", 3, asked(vec![grow("raw-nowhere", 3)])).await;
    raw.ask("the same topic twice", 3, asked(vec![grow("raw-grows", 3), grow("raw-grows", 4)])).await;
    raw.ask("no topics", 3, asked(vec![])).await;
    let cases: [(&str, &[&[i32]]); 5] = [
        ("to the node", &[&[1]]),
        ("to another node", &[&[7]]),
        ("too many", &[&[1], &[1]]),
        ("too few", &[]),
        ("to a node twice", &[&[1, 1]]),
    ];
    for (what, brokers) in cases {
        let asked = asked(vec![grow("raw-grows", 3).with_assignments(to(brokers))]).with_validate_only(true);
        raw.ask(&format!("assigned {what}"), 3, asked).await;
    }
    for (version, count) in [(0, 3), (1, 4), (2, 5), (3, 6)] {
        raw.ask(&format!("version {version}"), version, asked(vec![grow("raw-grows", count)])).await;
        raw.known("raw-grows", count).await;
    }
}

async fn deletion(raw: &mut Raw) {
    let by_name = |name: &str| DeleteTopicState::default().with_name(Some(topic(name)));
    let by_id = |id| DeleteTopicState::default().with_name(None).with_topic_id(id);
    let asked = |topics| DeleteTopicsRequest::default().with_topics(topics).with_timeout_ms(10_000);
    let named = |name: &str| {
        DeleteTopicsRequest::default().with_topic_names(vec![topic(name)]).with_timeout_ms(10_000)
    };
    for version in 1..=5 {
        raw.make("raw-goes", 1, &[]).await;
        raw.ask(&format!("version {version}"), version, named("raw-goes")).await;
        raw.ask(&format!("one that is gone, version {version}"), version, named("raw-goes")).await;
    }
    let id = raw.make("raw-goes", 1, &[]).await;
    raw.ask("both name and id", 6, asked(vec![by_name("raw-goes").with_topic_id(id)])).await;
    raw.ask("the same twice", 6, asked(vec![by_name("raw-goes"), by_id(id)])).await;
    raw.ask("the same name twice", 6, asked(vec![by_name("raw-goes"), by_name("raw-goes")])).await;
    let id = raw.make("raw-goes", 1, &[]).await;
    raw.ask("by id", 6, asked(vec![by_id(id)])).await;
    raw.ask("an id that is gone", 6, asked(vec![by_id(id)])).await;
    raw.ask("an unknown id", 6, asked(vec![by_id(Uuid::from_u128(7))])).await;
    raw.ask("neither name nor id", 6, asked(vec![by_id(Uuid::nil())])).await;
    raw.ask("an unknown topic", 6, asked(vec![by_name("raw-nowhere")])).await;
    raw.ask("a name with a space", 6, asked(vec![by_name("a b")])).await;
    raw.ask("no topics", 6, asked(vec![])).await;
}

async fn records(raw: &mut Raw) {
    raw.make("raw-cut", 1, &[]).await;
    raw.make("raw-cut-compacted", 1, &[("cleanup.policy", "compact")]).await;
    for name in ["raw-cut", "raw-cut-compacted"] {
        for _ in 0..4 {
            raw.produce(name, Batch::of_all(&["a", "b"]).bytes()).await;
        }
    }
    let asked = |name: &str, offsets: &[(i32, i64)]| {
        let partitions = offsets.iter().map(|(partition, offset)| {
            DeleteRecordsPartition::default().with_partition_index(*partition).with_offset(*offset)
        });
        let topic =
            DeleteRecordsTopic::default().with_name(topic(name)).with_partitions(partitions.collect());
        DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000)
    };
    raw.ask("inside a batch", 2, asked("raw-cut", &[(0, 3)])).await;
    raw.ask("what is gone", 2, asked("raw-cut", &[(0, 1)])).await;
    raw.ask("beyond the end", 2, asked("raw-cut", &[(0, 9)])).await;
    raw.ask("a negative offset", 2, asked("raw-cut", &[(0, -2)])).await;
    raw.ask("everything", 2, asked("raw-cut", &[(0, -1)])).await;
    raw.ask("everything, again, version 0", 0, asked("raw-cut", &[(0, 8)])).await;
    raw.ask("an unknown partition", 2, asked("raw-cut", &[(5, 0)])).await;
    raw.ask("an unknown topic", 1, asked("raw-nowhere", &[(0, 0)])).await;
    raw.ask("of a compacted topic", 2, asked("raw-cut-compacted", &[(0, 1)])).await;
    raw.ask("of no topic", 2, DeleteRecordsRequest::default().with_timeout_ms(10_000)).await;
}
