//! Metadata, DescribeCluster, FindCoordinator, DescribeTopicPartitions, DescribeLogDirs.

use super::{Raw, text, topic};
use kafka_protocol::messages::{
    DescribeClusterRequest, DescribeLogDirsRequest, DescribeTopicPartitionsRequest, FindCoordinatorRequest,
    MetadataRequest,
    describe_log_dirs_request::DescribableLogDirTopic,
    describe_topic_partitions_request::{Cursor, TopicRequest},
    metadata_request::MetadataRequestTopic,
};
use uuid::Uuid;

pub async fn play(raw: &mut Raw) {
    let id = raw.make("raw-known", 2, &[]).await;
    raw.make("raw-other", 1, &[]).await;
    metadata(raw, id).await;
    for (name, endpoint_type) in [("brokers", 1), ("controllers", 2), ("a type that does not exist", 9)] {
        let asked = DescribeClusterRequest::default()
            .with_endpoint_type(endpoint_type)
            .with_include_cluster_authorized_operations(true);
        raw.ask(name, 1, asked).await;
    }
    raw.ask("with fenced brokers", 2, DescribeClusterRequest::default().with_include_fenced_brokers(true))
        .await;
    coordinators(raw).await;
    topic_partitions(raw).await;
    log_dirs(raw).await;
}

async fn metadata(raw: &mut Raw, id: Uuid) {
    let named = |name: &str| MetadataRequestTopic::default().with_name(Some(topic(name)));
    let asked = |topics: Vec<MetadataRequestTopic>| {
        MetadataRequest::default().with_topics(Some(topics)).with_allow_auto_topic_creation(true)
    };
    for version in 0..=13 {
        let known = asked(vec![named("raw-known")]);
        raw.ask(&format!("a topic, version {version}"), version, known).await;
    }
    raw.ask("an unknown topic", 12, asked(vec![named("raw-nowhere")])).await;
    raw.ask(
        "an unknown topic without creation",
        12,
        asked(vec![named("raw-nowhere")]).with_allow_auto_topic_creation(false),
    )
    .await;
    raw.ask("a known and an unknown topic", 12, asked(vec![named("raw-known"), named("raw-nowhere")])).await;
    raw.ask("a topic twice", 12, asked(vec![named("raw-other"), named("raw-other")])).await;
    for (what, name) in
        [("with a space", "a b"), ("empty", ""), ("of dots", ".."), ("too long", &"x".repeat(250))]
    {
        raw.ask(&format!("a name {what}"), 12, asked(vec![named(name)])).await;
    }
    raw.ask("no topics", 12, asked(vec![])).await;
    let by_id = |id| MetadataRequestTopic::default().with_name(None).with_topic_id(id);
    raw.ask("a topic by id", 12, asked(vec![by_id(id)])).await;
    raw.ask("an unknown id", 12, asked(vec![by_id(Uuid::from_u128(7))])).await;
    raw.ask("neither name nor id", 12, asked(vec![by_id(Uuid::nil())])).await;
    let allowed = asked(vec![named("raw-known")]).with_include_topic_authorized_operations(true);
    raw.ask("what one may do with a topic", 12, allowed).await;
    let allowed = asked(vec![]).with_include_cluster_authorized_operations(true);
    raw.ask("what one may do with the cluster", 10, allowed).await;
    let named_twice = named("raw-known").with_topic_id(id);
    raw.ask("both name and id", 12, asked(vec![named_twice])).await;
}

async fn coordinators(raw: &mut Raw) {
    for (kind, number) in [("group", 0), ("transaction", 1), ("share group", 2), ("unknown kind", 9)] {
        for key in ["raw-group", ""] {
            let asked = FindCoordinatorRequest::default().with_key(text(key)).with_key_type(number);
            // A share group's key has three words; these versions know no share groups.
            raw.ask(&format!("{kind} `{key}`"), 3, asked).await;
        }
    }
    for version in [0, 1, 2] {
        let asked = FindCoordinatorRequest::default().with_key(text("raw-group"));
        raw.ask(&format!("version {version}"), version, asked).await;
    }
    let several = |keys: &[&str]| {
        FindCoordinatorRequest::default().with_coordinator_keys(keys.iter().map(|key| text(key)).collect())
    };
    raw.ask("several", 4, several(&["a", "b", ""])).await;
    raw.ask("none", 4, several(&[])).await;
    raw.ask("several, unknown kind", 5, several(&["a"]).with_key_type(9)).await;
}

async fn topic_partitions(raw: &mut Raw) {
    let asked = |names: &[&str]| {
        let topics = names.iter().map(|name| TopicRequest::default().with_name(topic(name))).collect();
        DescribeTopicPartitionsRequest::default().with_topics(topics).with_response_partition_limit(100)
    };
    raw.make("raw-paged-a", 3, &[]).await;
    raw.make("raw-paged-b", 3, &[]).await;
    let cursor =
        |name: &str, index| Some(Cursor::default().with_topic_name(topic(name)).with_partition_index(index));
    let both = asked(&["raw-paged-b", "raw-paged-a"]);
    raw.ask("two topics", 0, both.clone()).await;
    raw.ask("an unknown topic", 0, asked(&["raw-nowhere", "raw-paged-a"])).await;
    raw.ask("a name with a space", 0, asked(&["a b"])).await;
    raw.ask("two partitions", 0, both.clone().with_response_partition_limit(2)).await;
    raw.ask("no partition", 0, both.clone().with_response_partition_limit(0)).await;
    raw.ask("less than none", 0, both.clone().with_response_partition_limit(-1)).await;
    raw.ask("from a cursor", 0, both.clone().with_cursor(cursor("raw-paged-a", 2))).await;
    raw.ask(
        "from a cursor, bounded",
        0,
        both.clone().with_response_partition_limit(2).with_cursor(cursor("raw-paged-a", 2)),
    )
    .await;
    raw.ask("from the last partition", 0, both.clone().with_cursor(cursor("raw-paged-b", 2))).await;
    raw.ask("from beyond the end", 0, both.clone().with_cursor(cursor("raw-paged-z", 0))).await;
    raw.ask("from a negative partition", 0, both.with_cursor(cursor("raw-paged-a", -1))).await;
}

async fn log_dirs(raw: &mut Raw) {
    let asked = |name: &str, partitions: &[i32]| {
        let topic =
            DescribableLogDirTopic::default().with_topic(topic(name)).with_partitions(partitions.to_vec());
        DescribeLogDirsRequest::default().with_topics(Some(vec![topic]))
    };
    for version in [1, 2, 3, 4] {
        raw.ask(&format!("a topic, version {version}"), version, asked("raw-known", &[1])).await;
    }
    raw.ask("an unknown topic", 4, asked("raw-nowhere", &[0])).await;
    raw.ask("an unknown partition", 4, asked("raw-known", &[0, 9])).await;
    raw.ask("no topics", 4, DescribeLogDirsRequest::default().with_topics(Some(vec![]))).await;
}
