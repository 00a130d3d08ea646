//! Every request in every version that is advertised: it is answered, and the answer can be encoded and read back.
//!
//! A field that a version does not have makes encoding fail, which ends the client's connection; clients differ so much in the
//! versions they use that one of them working says nothing about the next.

use bytes::BytesMut;
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ApiKey, ApiVersionsRequest, CreateTopicsRequest,
    DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeConfigsRequest, DescribeGroupsRequest, DescribeLogDirsRequest, DescribeProducersRequest,
    DescribeTransactionsRequest, EndTxnRequest, FetchRequest, FindCoordinatorRequest, GroupId,
    HeartbeatRequest, InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest,
    ListOffsetsRequest, ListTransactionsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
    OffsetForLeaderEpochRequest, ProduceRequest, ProducerId, RequestKind, SyncGroupRequest, TransactionalId,
    TxnOffsetCommitRequest, add_partitions_to_txn_request, create_topics_request, delete_records_request,
    delete_topics_request, describe_configs_request, describe_log_dirs_request, describe_producers_request,
    fetch_request, join_group_request, leave_group_request, list_offsets_request, metadata_request,
    offset_commit_request, offset_fetch_request, offset_for_leader_epoch_request, produce_request,
    sync_group_request, txn_offset_commit_request,
};
use kafka_protocol::messages::{
    AlterConfigsRequest, CreatePartitionsRequest, DescribeTopicPartitionsRequest,
    IncrementalAlterConfigsRequest, OffsetDeleteRequest, alter_configs_request, create_partitions_request,
    describe_topic_partitions_request, incremental_alter_configs_request, offset_delete_request,
};
use uuid::Uuid;

use super::*;
use crate::api::APIS;
use crate::config::{Config, TopicConfig};
use crate::log::sample::Sample;
use crate::log::{Checked, Marker};
use crate::transaction::{Init, Producer};

/// The first that a broker gives out.
const PRODUCER: ProducerId = ProducerId(1);
const MISSING: Uuid = Uuid::from_u128(7);

fn node() -> Node {
    let config = Config { topics: vec![TopicConfig::new("orders", 8)], ..Config::default() };
    let node = Node::new(config).unwrap();
    let taken = node.transactions.with("taken", |taken| taken.init(1000, None, || 2, 0));
    assert_eq!(taken, Ok(Init::Granted(Producer { id: PRODUCER.0, epoch: 0 })));
    let topic = node.topics.get("orders").unwrap();
    let aborted = Sample::at(&[0]).in_transaction(PRODUCER.0, 0, 0).bytes();
    topic.partitions[0].append(Checked::check(aborted, topic.settings.rules(), 0).unwrap()).unwrap();
    let marker = Marker { producer_id: PRODUCER.0, epoch: 0, commit: false, now_ms: 0 };
    topic.partitions[0].end_transaction(&marker);
    node
}

fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

/// Requests with something in every list, for what there is and for what there is not.
pub(crate) fn samples(key: ApiKey, version: i16) -> Vec<RequestKind> {
    let since = |first: i16| version >= first;
    let optional = |first: i16, value: &str| since(first).then(|| text(value));
    let names = || [topic_name("orders"), topic_name("missing"), topic_name("not a name")].into_iter();
    match key {
        ApiKey::Produce => vec![0, 1, -1, 5]
            .into_iter()
            .map(|acks| {
                let partitions = [0, 1, 99].into_iter().map(|index| {
                    let batch = Sample::at(&[if index == 1 { i64::MAX >> 2 } else { 0 }]);
                    produce_request::PartitionProduceData::default()
                        .with_index(index)
                        .with_records(Some(batch.bytes()))
                });
                let empty = produce_request::PartitionProduceData::default().with_index(0);
                let data = names().map(|name| {
                    produce_request::TopicProduceData::default()
                        .with_name(name)
                        .with_partition_data(partitions.clone().chain([empty.clone()]).collect())
                });
                let id = (acks == 1).then(|| TransactionalId(text("transaction")));
                let request = ProduceRequest::default().with_acks(acks).with_topic_data(data.collect());
                RequestKind::Produce(request.with_transactional_id(id))
            })
            .collect(),
        ApiKey::Fetch => [0, 1]
            .into_iter()
            .map(|isolation_level| {
                let partitions = [(0, 0), (1, 50), (99, 0)].into_iter().map(|(index, offset)| {
                    fetch_request::FetchPartition::default()
                        .with_partition(index)
                        .with_fetch_offset(offset)
                        .with_partition_max_bytes(1 << 20)
                });
                let topics = names().map(|name| {
                    let topic =
                        fetch_request::FetchTopic::default().with_partitions(partitions.clone().collect());
                    if since(13) { topic.with_topic_id(MISSING) } else { topic.with_topic(name) }
                });
                let mut request = FetchRequest::default()
                    .with_isolation_level(isolation_level)
                    .with_max_bytes(1 << 20)
                    .with_topics(topics.collect());
                if since(7) {
                    let forgotten = fetch_request::ForgottenTopic::default().with_partitions(vec![1, 2]);
                    request = request
                        .with_forgotten_topics_data(vec![forgotten])
                        .with_session_id(isolation_level.into());
                }
                RequestKind::Fetch(request)
            })
            .collect(),
        ApiKey::ListOffsets => [0, 1]
            .into_iter()
            .map(|isolation_level| {
                let wanted = [-1, -2, -3, -4, -5, -6, 0, i64::MAX, i64::MAX];
                let partitions =
                    [0, 1, 2, 3, 4, 5, 6, 7, 7].into_iter().zip(wanted).map(|(index, timestamp)| {
                        list_offsets_request::ListOffsetsPartition::default()
                            .with_partition_index(index)
                            .with_timestamp(timestamp)
                    });
                let topics = names().map(|name| {
                    list_offsets_request::ListOffsetsTopic::default()
                        .with_name(name)
                        .with_partitions(partitions.clone().collect())
                });
                let isolation_level = if since(2) { isolation_level } else { 0 };
                let request = ListOffsetsRequest::default().with_isolation_level(isolation_level);
                RequestKind::ListOffsets(request.with_topics(topics.collect()))
            })
            .collect(),
        ApiKey::Metadata => {
            let all = if since(1) { None } else { Some(Vec::new()) };
            let mut some: Vec<_> = names()
                .map(|name| metadata_request::MetadataRequestTopic::default().with_name(Some(name)))
                .collect();
            if since(10) {
                some.push(
                    metadata_request::MetadataRequestTopic::default().with_name(None).with_topic_id(MISSING),
                );
            }
            [all, Some(some)]
                .map(|topics| RequestKind::Metadata(MetadataRequest::default().with_topics(topics)))
                .into()
        }
        ApiKey::OffsetCommit => {
            let partition = offset_commit_request::OffsetCommitRequestPartition::default()
                .with_committed_offset(3)
                .with_committed_metadata(Some(text("note")));
            let topics = names().map(|name| {
                offset_commit_request::OffsetCommitRequestTopic::default()
                    .with_name(name)
                    .with_partitions(vec![partition.clone()])
            });
            let request = OffsetCommitRequest::default().with_topics(topics.collect());
            [("g", -1), ("g", 4), ("", -1)]
                .map(|(id, generation)| {
                    let request = request.clone().with_group_id(group(id));
                    RequestKind::OffsetCommit(request.with_generation_id_or_member_epoch(generation))
                })
                .into()
        }
        ApiKey::OffsetFetch => {
            let all_or_some = [since(2), false].into_iter();
            let requests = all_or_some.map(|all| {
                if since(8) {
                    let topics = names().map(|name| {
                        offset_fetch_request::OffsetFetchRequestTopics::default()
                            .with_name(name)
                            .with_partition_indexes(vec![0, 1])
                    });
                    let topics = if all { None } else { Some(topics.collect()) };
                    let groups = ["g", "missing"].map(|id| {
                        offset_fetch_request::OffsetFetchRequestGroup::default()
                            .with_group_id(group(id))
                            .with_topics(topics.clone())
                    });
                    return RequestKind::OffsetFetch(
                        OffsetFetchRequest::default().with_groups(groups.into()),
                    );
                }
                let topics = names().map(|name| {
                    offset_fetch_request::OffsetFetchRequestTopic::default()
                        .with_name(name)
                        .with_partition_indexes(vec![0, 1])
                });
                let topics = if all { None } else { Some(topics.collect()) };
                let request = OffsetFetchRequest::default().with_group_id(group("g"));
                RequestKind::OffsetFetch(request.with_topics(topics))
            });
            requests.collect()
        }
        ApiKey::FindCoordinator => [0, 1, 2]
            .into_iter()
            .filter(|kind| *kind == 0 || since(1))
            .map(|kind| {
                let request = FindCoordinatorRequest::default().with_key_type(kind);
                RequestKind::FindCoordinator(if since(4) {
                    request.with_coordinator_keys(vec![text("g"), text("h")])
                } else {
                    request.with_key(text("g"))
                })
            })
            .collect(),
        ApiKey::JoinGroup => {
            let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
            let request = JoinGroupRequest::default()
                .with_group_id(group(&format!("g{version}")))
                .with_session_timeout_ms(6000)
                .with_protocol_type(text("consumer"))
                .with_protocols(vec![protocol]);
            let fixed = optional(5, "instance");
            vec![
                request.clone().with_group_instance_id(fixed),
                request.clone().with_member_id(text("nobody")),
                request.with_session_timeout_ms(1),
            ]
            .into_iter()
            .map(RequestKind::JoinGroup)
            .collect()
        }
        ApiKey::SyncGroup => {
            let assignment =
                sync_group_request::SyncGroupRequestAssignment::default().with_member_id(text("m"));
            vec![RequestKind::SyncGroup(
                SyncGroupRequest::default()
                    .with_group_id(group("g"))
                    .with_member_id(text("m"))
                    .with_protocol_type(optional(5, "consumer"))
                    .with_assignments(vec![assignment]),
            )]
        }
        ApiKey::Heartbeat => vec![RequestKind::Heartbeat(
            HeartbeatRequest::default()
                .with_group_id(group("g"))
                .with_group_instance_id(optional(3, "instance")),
        )],
        ApiKey::LeaveGroup => {
            let request = LeaveGroupRequest::default().with_group_id(group("g"));
            let member = || leave_group_request::MemberIdentity::default().with_member_id(text("m"));
            vec![RequestKind::LeaveGroup(if since(3) {
                request.with_members(vec![member(), member().with_group_instance_id(Some(text("instance")))])
            } else {
                request.with_member_id(text("m"))
            })]
        }
        ApiKey::DescribeGroups => vec![RequestKind::DescribeGroups(
            DescribeGroupsRequest::default().with_groups(vec![group("settled"), group("missing")]),
        )],
        ApiKey::ListGroups => {
            let mut request = ListGroupsRequest::default();
            if since(4) {
                request.states_filter = vec![text("Stable"), text("empty")];
            }
            if since(5) {
                request.types_filter = vec![text("Classic")];
            }
            vec![RequestKind::ListGroups(ListGroupsRequest::default()), RequestKind::ListGroups(request)]
        }
        ApiKey::ApiVersions => {
            let request = ApiVersionsRequest::default();
            vec![RequestKind::ApiVersions(if since(3) {
                request.with_client_software_name(text("sweep")).with_client_software_version(text("1"))
            } else {
                request
            })]
        }
        ApiKey::CreateTopics => {
            let config = create_topics_request::CreatableTopicConfig::default()
                .with_name(text("retention.ms"))
                .with_value(Some(text("1000")));
            let assignment = create_topics_request::CreatableReplicaAssignment::default()
                .with_partition_index(0)
                .with_broker_ids(vec![NODE_ID]);
            let topic = |name: &str| {
                create_topics_request::CreatableTopic::default()
                    .with_name(topic_name(name))
                    .with_num_partitions(1)
                    .with_replication_factor(1)
            };
            let topics = vec![
                topic(&format!("new-{version}")).with_configs(vec![config.clone()]),
                topic("orders"),
                topic("bad config").with_configs(vec![config.with_value(None)]),
                topic("assigned")
                    .with_num_partitions(-1)
                    .with_replication_factor(-1)
                    .with_assignments(vec![assignment]),
            ];
            [true, false]
                .map(|validate_only| {
                    let request = CreateTopicsRequest::default().with_topics(topics.clone());
                    RequestKind::CreateTopics(request.with_validate_only(validate_only))
                })
                .into()
        }
        ApiKey::DeleteTopics => {
            let request = DeleteTopicsRequest::default();
            let mut states: Vec<_> = names()
                .skip(1)
                .map(|name| delete_topics_request::DeleteTopicState::default().with_name(Some(name)))
                .collect();
            states.push(delete_topics_request::DeleteTopicState::default().with_topic_id(MISSING));
            vec![RequestKind::DeleteTopics(if since(6) {
                request.with_topics(states)
            } else {
                request.with_topic_names(names().skip(1).collect())
            })]
        }
        ApiKey::InitProducerId => {
            [None, Some(TransactionalId(text("taken-over"))), Some(TransactionalId(text("")))]
                .map(|id| {
                    RequestKind::InitProducerId(
                        InitProducerIdRequest::default()
                            .with_transactional_id(id)
                            .with_transaction_timeout_ms(1000),
                    )
                })
                .into()
        }
        ApiKey::AddPartitionsToTxn => ["taken", "nobody", ""]
            .into_iter()
            .flat_map(|id| [false, true].map(|verify_only| (id, verify_only)))
            .filter(|(_, verify_only)| !verify_only || since(4))
            .map(|(id, verify_only)| {
                let topic = |name| {
                    add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
                        .with_name(name)
                        .with_partitions(vec![0, 1])
                };
                let (id, topics) = (TransactionalId(text(id)), vec![topic(topic_name("orders"))]);
                let request = AddPartitionsToTxnRequest::default();
                RequestKind::AddPartitionsToTxn(if since(4) {
                    let transaction = |topics| {
                        add_partitions_to_txn_request::AddPartitionsToTxnTransaction::default()
                            .with_transactional_id(id.clone())
                            .with_producer_id(PRODUCER)
                            .with_verify_only(verify_only)
                            .with_topics(topics)
                    };
                    request.with_transactions(vec![
                        transaction(topics),
                        transaction(names().map(topic).collect()),
                    ])
                } else {
                    request
                        .with_v3_and_below_transactional_id(id)
                        .with_v3_and_below_producer_id(PRODUCER)
                        .with_v3_and_below_topics(topics)
                })
            })
            .collect(),
        ApiKey::AddOffsetsToTxn => vec![RequestKind::AddOffsetsToTxn(
            AddOffsetsToTxnRequest::default()
                .with_transactional_id(TransactionalId(text("taken")))
                .with_producer_id(PRODUCER)
                .with_group_id(group("g")),
        )],
        ApiKey::TxnOffsetCommit => {
            let partition = txn_offset_commit_request::TxnOffsetCommitRequestPartition::default()
                .with_committed_offset(3)
                .with_committed_metadata(Some(text("note")));
            let topics = names().map(|name| {
                txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
                    .with_name(name)
                    .with_partitions(vec![partition.clone()])
            });
            let request = TxnOffsetCommitRequest::default()
                .with_transactional_id(TransactionalId(text("taken")))
                .with_producer_id(PRODUCER)
                .with_topics(topics.collect());
            ["g", "new", ""]
                .map(|id| RequestKind::TxnOffsetCommit(request.clone().with_group_id(group(id))))
                .into()
        }
        ApiKey::EndTxn => ["taken", "nobody", ""]
            .map(|id| {
                RequestKind::EndTxn(
                    EndTxnRequest::default()
                        .with_transactional_id(TransactionalId(text(id)))
                        .with_producer_id(PRODUCER),
                )
            })
            .into(),
        ApiKey::DescribeProducers => {
            let topics = names().map(|name| {
                describe_producers_request::TopicRequest::default()
                    .with_name(name)
                    .with_partition_indexes(vec![0, 99])
            });
            vec![RequestKind::DescribeProducers(
                DescribeProducersRequest::default().with_topics(topics.collect()),
            )]
        }
        ApiKey::DescribeTransactions => {
            let ids = ["taken", "nobody", ""].map(|id| TransactionalId(text(id)));
            vec![RequestKind::DescribeTransactions(
                DescribeTransactionsRequest::default().with_transactional_ids(ids.into()),
            )]
        }
        ApiKey::ListTransactions => ["tak.*", "["]
            .into_iter()
            .map(|pattern| {
                let request = ListTransactionsRequest::default()
                    .with_state_filters(vec![text("Empty"), text("nonsense")])
                    .with_producer_id_filters(vec![PRODUCER]);
                let request = if since(1) { request.with_duration_filter(5) } else { request };
                RequestKind::ListTransactions(if since(2) {
                    request.with_transactional_id_pattern(Some(text(pattern)))
                } else {
                    request
                })
            })
            .collect(),
        ApiKey::OffsetForLeaderEpoch => {
            let partition = |index, epoch| {
                offset_for_leader_epoch_request::OffsetForLeaderPartition::default()
                    .with_partition(index)
                    .with_leader_epoch(epoch)
            };
            let topics = names().map(|name| {
                offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
                    .with_topic(name)
                    .with_partitions(vec![partition(0, 0), partition(1, 7), partition(99, 0)])
            });
            let request = OffsetForLeaderEpochRequest::default();
            vec![RequestKind::OffsetForLeaderEpoch(request.with_topics(topics.collect()))]
        }
        ApiKey::DescribeConfigs => {
            let resource = |kind, name: &str| {
                describe_configs_request::DescribeConfigsResource::default()
                    .with_resource_type(kind)
                    .with_resource_name(text(name))
            };
            let resources = vec![
                resource(2, "orders").with_configuration_keys(None),
                resource(2, "orders").with_configuration_keys(Some(vec![text("retention.ms")])),
                resource(2, "missing"),
                resource(4, "1").with_configuration_keys(None),
                resource(4, "2"),
                resource(16, "metrics"),
            ];
            let request =
                DescribeConfigsRequest::default().with_include_synonyms(true).with_resources(resources);
            vec![RequestKind::DescribeConfigs(request)]
        }
        ApiKey::DeleteRecords => {
            let partition = |index, offset| {
                delete_records_request::DeleteRecordsPartition::default()
                    .with_partition_index(index)
                    .with_offset(offset)
            };
            let topics =
                names().map(|name| {
                    delete_records_request::DeleteRecordsTopic::default()
                        .with_name(name)
                        .with_partitions(vec![partition(0, -1), partition(1, 7), partition(99, 0)])
                });
            vec![RequestKind::DeleteRecords(DeleteRecordsRequest::default().with_topics(topics.collect()))]
        }
        ApiKey::DescribeLogDirs => {
            let topics = names().map(|name| {
                describe_log_dirs_request::DescribableLogDirTopic::default()
                    .with_topic(name)
                    .with_partitions(vec![0, 1, 99])
            });
            [None, Some(topics.collect())]
                .map(|topics| {
                    RequestKind::DescribeLogDirs(DescribeLogDirsRequest::default().with_topics(topics))
                })
                .into()
        }
        ApiKey::AlterConfigs => {
            let resource = |kind, name: &str, config: &str, value: Option<&str>| {
                let config = alter_configs_request::AlterableConfig::default()
                    .with_name(text(config))
                    .with_value(value.map(text));
                alter_configs_request::AlterConfigsResource::default()
                    .with_resource_type(kind)
                    .with_resource_name(text(name))
                    .with_configs(vec![config])
            };
            let resources = vec![
                resource(2, "orders", "retention.ms", Some("604800000")),
                resource(2, "missing", "retention.ms", None),
                resource(2, "not a name", "retention.ms", Some("5")),
                resource(4, "1", "num.partitions", Some("5")),
                resource(99, "1", "what", Some("5")),
            ];
            vec![RequestKind::AlterConfigs(AlterConfigsRequest::default().with_resources(resources))]
        }
        ApiKey::IncrementalAlterConfigs => {
            let resource = |kind, name: &str, config: &str, operation| {
                let config = incremental_alter_configs_request::AlterableConfig::default()
                    .with_name(text(config))
                    .with_config_operation(operation)
                    .with_value((operation != 1).then(|| text("delete")));
                incremental_alter_configs_request::AlterConfigsResource::default()
                    .with_resource_type(kind)
                    .with_resource_name(text(name))
                    .with_configs(vec![config])
            };
            let resources = vec![
                resource(2, "orders", "cleanup.policy", 2),
                resource(2, "missing", "cleanup.policy", 0),
                resource(2, "", "cleanup.policy", 1),
                resource(4, "1", "num.partitions", 3),
                resource(8, "1", "kafka", 9),
            ];
            let request = IncrementalAlterConfigsRequest::default().with_validate_only(true);
            vec![RequestKind::IncrementalAlterConfigs(request.with_resources(resources))]
        }
        ApiKey::CreatePartitions => {
            let assignment = create_partitions_request::CreatePartitionsAssignment::default()
                .with_broker_ids(vec![NODE_ID, NODE_ID]);
            let topics = names().map(|name| {
                create_partitions_request::CreatePartitionsTopic::default()
                    .with_name(name)
                    .with_count(9)
                    .with_assignments(Some(vec![assignment.clone()]))
            });
            let plain = create_partitions_request::CreatePartitionsTopic::default()
                .with_name(topic_name("orders"))
                .with_count(9)
                .with_assignments(None);
            [topics.collect(), vec![plain]]
                .map(|topics| {
                    let request = CreatePartitionsRequest::default().with_validate_only(true);
                    RequestKind::CreatePartitions(request.with_topics(topics))
                })
                .into()
        }
        ApiKey::DescribeTopicPartitions => {
            let named = names()
                .map(|name| describe_topic_partitions_request::TopicRequest::default().with_name(name));
            let cursor = |index| {
                describe_topic_partitions_request::Cursor::default()
                    .with_topic_name(topic_name("orders"))
                    .with_partition_index(index)
            };
            let request = DescribeTopicPartitionsRequest::default().with_response_partition_limit(3);
            [(named.collect(), None), (Vec::new(), Some(cursor(7))), (Vec::new(), Some(cursor(-1)))]
                .map(|(topics, cursor)| {
                    let request = request.clone().with_topics(topics).with_cursor(cursor);
                    RequestKind::DescribeTopicPartitions(request)
                })
                .into()
        }
        ApiKey::OffsetDelete => {
            let partition = |index| {
                offset_delete_request::OffsetDeleteRequestPartition::default().with_partition_index(index)
            };
            let topics = names().map(|name| {
                offset_delete_request::OffsetDeleteRequestTopic::default()
                    .with_name(name)
                    .with_partitions(vec![partition(0), partition(99)])
            });
            let request = OffsetDeleteRequest::default().with_topics(topics.collect());
            ["g", "unknown", ""]
                .map(|id| RequestKind::OffsetDelete(request.clone().with_group_id(group(id))))
                .into()
        }
        ApiKey::DeleteGroups => vec![RequestKind::DeleteGroups(
            DeleteGroupsRequest::default().with_groups_names(vec![group("g"), group("missing")]),
        )],
        ApiKey::DescribeCluster => {
            let kinds = [1, 2].into_iter().filter(|kind| *kind == 1 || since(1));
            kinds
                .map(|kind| {
                    RequestKind::DescribeCluster(DescribeClusterRequest::default().with_endpoint_type(kind))
                })
                .collect()
        }
        other => panic!("no samples for {other:?}"),
    }
}

#[tokio::test]
async fn every_request_is_answered_in_every_version_that_is_advertised() {
    let node = node();
    for api in APIS {
        for version in api.versions.clone() {
            let caller = Caller {
                version,
                client_id: "sweep".into(),
                host: [127, 0, 0, 1].into(),
                endpoint: Address { host: "localhost".into(), port: 9092 },
            };
            for request in samples(api.key, version) {
                let shown = format!("{:?} v{version}: {request:?}", api.key);
                let response = match answer(&node, &caller, request).await {
                    Answer::Reply(response) => response,
                    Answer::HangUp(reason) => {
                        assert!(shown.contains("acks: 0"), "{shown}: {reason}");
                        continue;
                    }
                    Answer::Silence => panic!("{shown}: no answer"),
                };
                let mut encoded = BytesMut::new();
                response.encode(&mut encoded, version).unwrap_or_else(|error| panic!("{shown}: {error:#}"));
                let mut encoded = encoded.freeze();
                kafka_protocol::messages::ResponseKind::decode(api.key, &mut encoded, version)
                    .unwrap_or_else(|error| panic!("{shown}: {error:#}"));
                assert!(encoded.is_empty(), "{shown}: {} bytes left over", encoded.len());
            }
        }
    }
}
