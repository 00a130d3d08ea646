//! Administration: topics, configs, lists.

use crate::support::{PATIENCE, Raw, eventually, log, next, send, serve_on, start, start_with};
use dojo_broker::{Address, Broker, Config, TopicConfig, bind};
use kafka_protocol::{
    messages::{
        AlterConfigsRequest, ApiKey, CreateTopicsRequest, DescribeConfigsRequest,
        DescribeTopicPartitionsRequest, FindCoordinatorRequest, IncrementalAlterConfigsRequest,
        MetadataRequest, RequestKind, ResponseKind, TopicName, alter_configs_request,
        create_topics_request::CreatableTopic,
        describe_configs_request,
        describe_topic_partitions_request::{Cursor, TopicRequest},
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
    protocol::StrBytes,
};
use rdkafka::{
    Message,
    admin::{
        AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
    },
    consumer::{Consumer, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    producer::FutureRecord,
};

const OPTIONS: fn() -> AdminOptions = AdminOptions::new;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_created_once_seen_by_everyone_and_deleted() {
    let running = start().await;
    let admin = running.admin();
    let topic = || NewTopic::new("fresh", 2, TopicReplication::Fixed(1)).set("retention.ms", "1000");
    let create = async || admin.create_topics(&[topic()], &OPTIONS()).await.unwrap().remove(0);
    assert_eq!(create().await, Ok("fresh".into()));
    assert_eq!(create().await, Err(("fresh".into(), RDKafkaErrorCode::TopicAlreadyExists)));
    let reader = running.reader("fresh", 2);
    let metadata = reader.fetch_metadata(Some("fresh"), PATIENCE).unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 2);
    send(&running.producer(&[]), "fresh", 1, "hello").await;
    next(&reader).await;
    let delete = async || admin.delete_topics(&["fresh"], &OPTIONS()).await.unwrap().remove(0);
    assert_eq!(delete().await, Ok("fresh".into()));
    assert_eq!(delete().await, Err(("fresh".into(), RDKafkaErrorCode::UnknownTopicOrPartition)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_kafka_would_refuse_is_refused() {
    let running = start().await;
    let admin = running.admin();
    let plain = |name, partitions| NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (topic, code) in [
        (plain("a b", 1), RDKafkaErrorCode::InvalidTopic),
        (plain("thrice", 1).set("nonsense", "1"), RDKafkaErrorCode::InvalidConfig),
        (plain("soon", 1).set("retention.ms", "soon"), RDKafkaErrorCode::InvalidConfig),
        (NewTopic::new("far", 1, TopicReplication::Fixed(3)), RDKafkaErrorCode::InvalidReplicationFactor),
        (plain("many", 100_000), RDKafkaErrorCode::PolicyViolation),
    ] {
        let outcome = admin.create_topics(&[topic], &OPTIONS()).await.unwrap().remove(0);
        assert_eq!(outcome.unwrap_err().1, code);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_topic_is_created_because_a_client_asks_for_it() {
    let running = start().await;
    let consumer: StreamConsumer =
        running.client(&[("group.id", "g"), ("allow.auto.create.topics", "true")]).create().unwrap();
    consumer.fetch_metadata(Some("orders-typo"), PATIENCE).unwrap();
    let metadata = consumer.fetch_metadata(None, PATIENCE).unwrap();
    let names: Vec<&str> = metadata.topics().iter().map(|topic| topic.name()).collect();
    assert_eq!(names, ["orders"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_names_a_topic_that_is_asked_for_and_missing_once_and_says_how_to_create_it() {
    let running = start().await;
    let consumer: StreamConsumer = running.client(&[("group.id", "g")]).create().unwrap();
    for _ in 0..2 {
        consumer.fetch_metadata(Some("never-created"), PATIENCE).unwrap();
    }
    let lines = || log().lines().filter(|line| line.contains("`never-created`")).count();
    eventually("a line in the log", async || (lines() > 0).then_some(())).await;
    assert_eq!(lines(), 1);
    assert!(log().contains("--create --topic never-created"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_told_the_advertised_address_except_on_the_internal_port() {
    let advertised = Address { host: "kafka.example.com".to_owned(), port: 7777 };
    let mut listeners = [bind("127.0.0.1:0").await.unwrap(), bind("127.0.0.1:0").await.unwrap()];
    let ports = listeners.each_ref().map(|listeners| listeners[0].local_addr().unwrap().port());
    let config =
        Config { advertised: Some(advertised.clone()), internal_port: Some(ports[1]), ..Config::default() };
    let running =
        serve_on(Broker::new(config).unwrap(), listeners.iter_mut().flat_map(std::mem::take).collect());
    let internal = Address { host: "127.0.0.1".to_owned(), port: ports[1] };
    for (port, told) in ports.into_iter().zip([advertised, internal]) {
        let mut raw = Raw::connect(([127, 0, 0, 1], port).into()).await;
        let metadata = RequestKind::Metadata(MetadataRequest::default().with_topics(None));
        let ResponseKind::Metadata(metadata) = raw.call(ApiKey::Metadata, 12, metadata).await else {
            panic!("another answer");
        };
        let broker = &metadata.brokers[0];
        assert_eq!((&*broker.host, broker.port), (&*told.host, i32::from(told.port)));
        let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("group")]);
        let ResponseKind::FindCoordinator(found) =
            raw.call(ApiKey::FindCoordinator, 4, RequestKind::FindCoordinator(find)).await
        else {
            panic!("another answer");
        };
        let coordinator = &found.coordinators[0];
        assert_eq!((&*coordinator.host, coordinator.port), (&*told.host, i32::from(told.port)));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bound_on_a_partition_is_shown_as_its_retention_with_its_source() {
    let topics = [("orders", None), ("wide", Some("-1")), ("narrow", Some("5000"))].map(|(name, bytes)| {
        let config =
            bytes.map(|bytes| ("retention.bytes".to_owned(), bytes.to_owned())).into_iter().collect();
        TopicConfig { config, ..TopicConfig::new(name, 1) }
    });
    let config =
        Config { topics: topics.into(), retention_bytes_per_partition: 1 << 20, ..Config::default() };
    let running = start_with(config).await;
    let specifiers = ["orders", "wide", "narrow"].map(ResourceSpecifier::Topic);
    let found = running.admin().describe_configs(&specifiers, &OPTIONS()).await.unwrap();
    let shown: Vec<_> = found
        .iter()
        .map(|resource| {
            let entry = resource.as_ref().unwrap().get("retention.bytes").unwrap();
            (entry.value.as_deref().unwrap(), &entry.source)
        })
        .collect();
    let bound = ("1048576", &ConfigSource::StaticBroker);
    assert_eq!(shown, [bound, bound, ("5000", &ConfigSource::DynamicTopic)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_comes_from_the_start_where_it_differs_from_kafkas_default() {
    let running = start().await;
    let broker = running.admin().describe_configs(&[ResourceSpecifier::Broker(1)], &OPTIONS()).await;
    let broker = broker.unwrap().remove(0).unwrap();
    for (name, source) in [
        ("auto.create.topics.enable", ConfigSource::StaticBroker),
        ("group.max.size", ConfigSource::StaticBroker),
        ("log.retention.check.interval.ms", ConfigSource::Default),
        ("num.partitions", ConfigSource::Default),
    ] {
        assert_eq!(broker.get(name).unwrap().source, source, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_created_has_no_error_message() {
    let running = start().await;
    let topic = CreatableTopic::default()
        .with_name(TopicName(text("created")))
        .with_num_partitions(1)
        .with_replication_factor(1);
    let request = RequestKind::CreateTopics(CreateTopicsRequest::default().with_topics(vec![topic]));
    match running.raw().await.call(ApiKey::CreateTopics, 7, request).await {
        ResponseKind::CreateTopics(created) => {
            assert_eq!((created.topics[0].error_code, &created.topics[0].error_message), (0, &None));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configs_are_described_with_where_they_come_from() {
    let running = start().await;
    let admin = running.admin();
    let topic = NewTopic::new("kept", 1, TopicReplication::Fixed(1)).set("cleanup.policy", "compact");
    admin.create_topics(&[topic], &OPTIONS()).await.unwrap();
    let specifiers = [ResourceSpecifier::Topic("kept"), ResourceSpecifier::Broker(1)];
    let mut found = admin.describe_configs(&specifiers, &OPTIONS()).await.unwrap();
    let broker = found.remove(1).unwrap();
    let topic = found.remove(0).unwrap();
    let policy = topic.get("cleanup.policy").unwrap();
    assert_eq!((policy.value.as_deref(), &policy.source), (Some("compact"), &ConfigSource::DynamicTopic));
    let retention = topic.get("retention.ms").unwrap();
    assert_eq!((retention.value.as_deref(), &retention.source), (Some("604800000"), &ConfigSource::Default));
    assert_eq!(broker.get("auto.create.topics.enable").unwrap().value.as_deref(), Some("false"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_listed_with_their_members_and_deleted_when_empty() {
    let running = start().await;
    send(&running.producer(&[]), "orders", 0, "hello").await;
    let member = running.member("listed", &[("client.id", "notification-1")]);
    next(&member).await;
    let list = member.fetch_group_list(None, PATIENCE).unwrap();
    let group = list.groups().iter().find(|group| group.name() == "listed").unwrap();
    assert_eq!((group.state(), group.protocol_type()), ("Stable", "consumer"));
    assert_eq!(group.members()[0].client_id(), "notification-1");
    let admin = running.admin();
    let busy = admin.delete_groups(&["listed"], &OPTIONS()).await.unwrap().remove(0);
    assert_eq!(busy.unwrap_err().1, RDKafkaErrorCode::NonEmptyGroup);
    drop(member);
    let gone = admin.delete_groups(&["listed"], &OPTIONS()).await.unwrap().remove(0);
    assert_eq!(gone, Ok("listed".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_a_topic_notice_new_partitions() {
    let running = start().await;
    let member = running.member("wider", &[("topic.metadata.refresh.interval.ms", "100")]);
    let assigned = async |count: usize| {
        eventually(&format!("{count} partitions"), async || {
            let _ = tokio::time::timeout(std::time::Duration::from_millis(20), member.recv()).await;
            (member.assignment().unwrap().count() == count).then_some(())
        })
        .await;
    };
    assigned(3).await;
    let admin = running.admin();
    let create = async |topic, count| {
        admin.create_partitions(&[NewPartitions::new(topic, count)], &OPTIONS()).await.unwrap().remove(0)
    };
    assert_eq!(create("orders", 5).await, Ok("orders".into()));
    assigned(5).await;
    send(&running.producer(&[]), "orders", 4, "hello").await;
    assert_eq!(next(&member).await.partition(), 4);
    for (topic, count, code) in [
        ("orders", 5, RDKafkaErrorCode::InvalidPartitions),
        ("orders", 4, RDKafkaErrorCode::InvalidPartitions),
        ("orders", 100_000, RDKafkaErrorCode::PolicyViolation),
        ("missing", 5, RDKafkaErrorCode::UnknownTopicOrPartition),
    ] {
        assert_eq!(create(topic, count).await.unwrap_err().1, code, "{topic} {count}");
    }
    let only_checked = AdminOptions::new().validate_only(true);
    admin
        .create_partitions(&[NewPartitions::new("orders", 7)], &only_checked)
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(member.fetch_metadata(Some("orders"), PATIENCE).unwrap().topics()[0].partitions().len(), 5);
}

/// Returns two configs of `orders`, each with whether it was set for the topic.
async fn values(running: &crate::support::Running, names: [&str; 2]) -> [(String, bool); 2] {
    let topic = [ResourceSpecifier::Topic("orders")];
    let found = running.admin().describe_configs(&topic, &OPTIONS()).await.unwrap().remove(0).unwrap();
    names.map(|name| {
        let entry = found.get(name).unwrap();
        (entry.value.clone().unwrap(), entry.source == ConfigSource::DynamicTopic)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_configs_hold_at_once_and_what_is_not_named_is_taken_back() {
    let running = start().await;
    let producer = running.producer(&[]);
    let admin = running.admin();
    let alter = async |name, value| {
        let config = AlterConfig::new(ResourceSpecifier::Topic("orders")).set(name, value);
        admin.alter_configs(&[config], &OPTIONS()).await.unwrap();
    };
    alter("max.message.bytes", "200").await;
    let large = "x".repeat(300);
    let record = || FutureRecord::<str, str>::to("orders").partition(0).key("key").payload(&large);
    let refused = producer.send(record(), PATIENCE).await.unwrap_err().0;
    assert_eq!(refused, KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge));
    alter("retention.ms", "5000").await;
    producer.send(record(), PATIENCE).await.unwrap();
    let [size, retention] = values(&running, ["max.message.bytes", "retention.ms"]).await;
    assert_eq!(size, ("1048588".into(), false));
    assert_eq!(retention, ("5000".into(), true));
    // The binding doesn't return refusals, so they are read from the wire.
    let mut raw = running.raw().await;
    for (kind, resource, name, value, code) in [
        (2, "orders", "retention.ms", "soon", 40),
        (2, "orders", "retention", "5", 40),
        (2, "missing", "retention.ms", "5", 3),
        (2, "not a name", "retention.ms", "5", 17),
        (4, "1", "num.partitions", "5", 42),
        (99, "1", "what", "5", 42),
    ] {
        let config = alter_configs_request::AlterableConfig::default()
            .with_name(text(name))
            .with_value(Some(text(value)));
        let resource = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(resource))
            .with_configs(vec![config]);
        let request =
            RequestKind::AlterConfigs(AlterConfigsRequest::default().with_resources(vec![resource]));
        match raw.call(ApiKey::AlterConfigs, 2, request).await {
            ResponseKind::AlterConfigs(response) => {
                assert_eq!(response.responses[0].error_code, code, "{name}={value}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(values(&running, ["max.message.bytes", "retention.ms"]).await[1].0, "5000");
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Changes one config of `orders`: 0 sets, 1 deletes, 2 appends, 3 subtracts.
async fn change(raw: &mut Raw, name: &str, operation: i8, value: &str, validate_only: bool) -> (i16, String) {
    let config = AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(operation)
        .with_value((operation != 1).then(|| text(value)));
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("orders"))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default()
        .with_resources(vec![resource])
        .with_validate_only(validate_only);
    let request = RequestKind::IncrementalAlterConfigs(request);
    match raw.call(ApiKey::IncrementalAlterConfigs, 1, request).await {
        ResponseKind::IncrementalAlterConfigs(mut response) => {
            let answer = response.responses.remove(0);
            (answer.error_code, answer.error_message.unwrap_or_default().to_string())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_config_is_changed_and_a_list_is_added_to() {
    let running = start().await;
    let mut raw = running.raw().await;
    let done = (0, String::new());
    assert_eq!(change(&mut raw, "retention.ms", 0, "5000", false).await, done);
    assert_eq!(change(&mut raw, "cleanup.policy", 2, "compact", false).await, done);
    assert_eq!(change(&mut raw, "cleanup.policy", 0, "compact", true).await, done);
    let [policy, retention] = values(&running, ["cleanup.policy", "retention.ms"]).await;
    assert_eq!((policy.0.as_str(), retention.0.as_str()), ("delete,compact", "5000"));
    assert_eq!(change(&mut raw, "cleanup.policy", 3, "delete", false).await, done);
    assert_eq!(change(&mut raw, "retention.ms", 1, "", false).await, done);
    let [policy, retention] = values(&running, ["cleanup.policy", "retention.ms"]).await;
    assert_eq!((policy.0.as_str(), retention.1), ("compact", false));
    let (code, message) = change(&mut raw, "retention.ms", 2, "5", false).await;
    assert_eq!(
        (code, message.as_str()),
        (40, "Can't APPEND to key retention.ms because its type is not LIST.")
    );
    assert_eq!(change(&mut raw, "cleanup.policy", 2, "shred", false).await.0, 40);
    assert_eq!(change(&mut raw, "cleanup.policy", 9, "compact", false).await.0, 42);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_description_has_documentation_and_synonyms_if_the_client_asks() {
    let running = start().await;
    let mut raw = running.raw().await;
    change(&mut raw, "max.message.bytes", 0, "2000", false).await;
    let resource = describe_configs_request::DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("orders"))
        .with_configuration_keys(Some(vec![text("max.message.bytes"), text("unheard.of")]));
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true)
        .with_include_documentation(true);
    let mut result = match raw.call(ApiKey::DescribeConfigs, 4, RequestKind::DescribeConfigs(request)).await {
        ResponseKind::DescribeConfigs(mut response) => response.results.remove(0),
        other => panic!("{other:?}"),
    };
    assert_eq!(result.configs.len(), 1);
    let config = result.configs.remove(0);
    assert!(config.documentation.unwrap().contains("largest batch"));
    let synonyms: Vec<(&str, &str, i8)> = config
        .synonyms
        .iter()
        .map(|synonym| (synonym.name.as_str(), synonym.value.as_deref().unwrap(), synonym.source))
        .collect();
    assert_eq!(synonyms, [("max.message.bytes", "2000", 1), ("message.max.bytes", "1048588", 5)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_described_a_page_at_a_time() {
    let running = start().await;
    let topic = NewTopic::new("audit", 2, TopicReplication::Fixed(1));
    running.admin().create_topics(&[topic], &OPTIONS()).await.unwrap();
    let mut raw = running.raw().await;
    let mut page = async |topics: &[&str], limit, cursor: Option<(&str, i32)>| {
        let topics = topics.iter().map(|name| TopicRequest::default().with_name(TopicName(text(name))));
        let cursor = cursor.map(|(topic, partition)| {
            Cursor::default().with_topic_name(TopicName(text(topic))).with_partition_index(partition)
        });
        let request = DescribeTopicPartitionsRequest::default()
            .with_topics(topics.collect())
            .with_response_partition_limit(limit)
            .with_cursor(cursor);
        let request = RequestKind::DescribeTopicPartitions(request);
        let response = match raw.call(ApiKey::DescribeTopicPartitions, 0, request).await {
            ResponseKind::DescribeTopicPartitions(response) => response,
            other => panic!("{other:?}"),
        };
        let topics = response.topics.into_iter().map(|topic| {
            let partitions: Vec<i32> = topic.partitions.iter().map(|found| found.partition_index).collect();
            (topic.name.unwrap().to_string(), topic.error_code, partitions)
        });
        let next = response.next_cursor.map(|next| (next.topic_name.to_string(), next.partition_index));
        (topics.collect::<Vec<_>>(), next)
    };
    let found = |name: &str, partitions: &[i32]| (name.to_owned(), 0, partitions.to_vec());
    let at = |name: &str, partition| Some((name.to_owned(), partition));
    assert_eq!(
        page(&[], 2000, None).await,
        (vec![found("audit", &[0, 1]), found("orders", &[0, 1, 2])], None)
    );
    let first = (vec![found("audit", &[0, 1]), found("orders", &[0])], at("orders", 1));
    assert_eq!(page(&[], 3, None).await, first);
    assert_eq!(page(&[], 3, Some(("orders", 1))).await, (vec![found("orders", &[1, 2])], None));
    assert_eq!(page(&["orders", "audit"], 2, None).await, (vec![found("audit", &[0, 1])], at("orders", 0)));
    assert_eq!(page(&["orders"], -1, None).await, (vec![found("orders", &[0])], at("orders", 1)));
    let missing = (vec![("missing".into(), 3, Vec::new()), found("orders", &[0])], at("orders", 1));
    assert_eq!(page(&["orders", "missing"], 1, None).await, missing);
    let refused = (vec![("orders".into(), 42, Vec::new())], None);
    assert_eq!(page(&["orders"], 1, Some(("audit", 0))).await, refused);
    assert_eq!(page(&["orders"], 1, Some(("orders", -1))).await, refused);
}
