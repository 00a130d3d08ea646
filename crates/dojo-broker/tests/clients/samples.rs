//! Sample requests of every kind in every version, with something in every list.
//!
//! The topic `orders` has eight partitions, and the transactional id `taken` belongs to the broker's first
//! producer. Nothing else that the requests name exists.

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AlterConfigsRequest,
        AlterPartitionReassignmentsRequest, ApiKey, ApiVersionsRequest, BrokerId, CreateAclsRequest,
        CreatePartitionsRequest, CreateTopicsRequest, DeleteAclsRequest, DeleteGroupsRequest,
        DeleteRecordsRequest, DeleteTopicsRequest, DescribeAclsRequest, DescribeClusterRequest,
        DescribeConfigsRequest, DescribeGroupsRequest, DescribeLogDirsRequest, DescribeProducersRequest,
        DescribeTopicPartitionsRequest, DescribeTransactionsRequest, ElectLeadersRequest, EndTxnRequest,
        FetchRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, IncrementalAlterConfigsRequest,
        InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest, ListConfigResourcesRequest,
        ListGroupsRequest, ListOffsetsRequest, ListPartitionReassignmentsRequest, ListTransactionsRequest,
        MetadataRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
        OffsetForLeaderEpochRequest, ProduceRequest, ProducerId, RequestKind, SyncGroupRequest, TopicName,
        TransactionalId, TxnOffsetCommitRequest, add_partitions_to_txn_request, alter_configs_request,
        alter_partition_reassignments_request, create_acls_request, create_partitions_request,
        create_topics_request, delete_acls_request, delete_records_request, delete_topics_request,
        describe_configs_request, describe_log_dirs_request, describe_producers_request,
        describe_topic_partitions_request, elect_leaders_request, fetch_request,
        incremental_alter_configs_request, join_group_request, leave_group_request, list_offsets_request,
        list_partition_reassignments_request, metadata_request, offset_commit_request, offset_delete_request,
        offset_fetch_request, offset_for_leader_epoch_request, produce_request, sync_group_request,
        txn_offset_commit_request,
    },
    protocol::StrBytes,
    records::{
        Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record,
        RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    },
};
use uuid::Uuid;

/// The only node of a broker.
const NODE_ID: BrokerId = BrokerId(1);
/// The first producer that a broker gives an id.
const PRODUCER: ProducerId = ProducerId(1);
const MISSING: Uuid = Uuid::from_u128(7);

fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// A batch of one record.
fn batch(timestamp: i64) -> Bytes {
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: NO_SEQUENCE,
        timestamp,
        key: Some(Bytes::from_static(b"key")),
        value: Some(Bytes::from_static(b"value")),
        headers: Default::default(),
    };
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    let mut batch = BytesMut::new();
    RecordBatchEncoder::encode(&mut batch, [&record], &options).unwrap();
    batch.freeze()
}

fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

/// Requests of one kind in one version: some for what exists, some for what doesn't.
pub fn samples(key: ApiKey, version: i16) -> Vec<RequestKind> {
    let since = |first: i16| version >= first;
    let optional = |first: i16, value: &str| since(first).then(|| text(value));
    let names = || [topic_name("orders"), topic_name("missing"), topic_name("not a name")].into_iter();
    match key {
        ApiKey::Produce => vec![0, 1, -1, 5]
            .into_iter()
            .map(|acks| {
                let partitions = [0, 1, 99].into_iter().map(|index| {
                    let timestamp = if index == 1 { i64::MAX >> 2 } else { 0 };
                    produce_request::PartitionProduceData::default()
                        .with_index(index)
                        .with_records(Some(batch(timestamp)))
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
        ApiKey::DescribeAcls => vec![RequestKind::DescribeAcls(
            DescribeAclsRequest::default()
                .with_resource_type_filter(2)
                .with_resource_name_filter(Some(text("orders"))),
        )],
        ApiKey::CreateAcls => {
            let creation = create_acls_request::AclCreation::default()
                .with_resource_name(text("orders"))
                .with_principal(text("User:ada"))
                .with_host(text("*"));
            vec![RequestKind::CreateAcls(
                CreateAclsRequest::default().with_creations(vec![creation.clone(), creation]),
            )]
        }
        ApiKey::DeleteAcls => {
            let filter = delete_acls_request::DeleteAclsFilter::default();
            vec![RequestKind::DeleteAcls(
                DeleteAclsRequest::default().with_filters(vec![filter.clone(), filter]),
            )]
        }
        ApiKey::ElectLeaders => {
            let topics = names().map(|name| {
                elect_leaders_request::TopicPartitions::default()
                    .with_topic(name)
                    .with_partitions(vec![0, 99])
            });
            [None, Some(topics.collect())]
                .map(|topics| {
                    RequestKind::ElectLeaders(ElectLeadersRequest::default().with_topic_partitions(topics))
                })
                .into()
        }
        ApiKey::AlterPartitionReassignments => {
            let partition = |index, replicas| {
                alter_partition_reassignments_request::ReassignablePartition::default()
                    .with_partition_index(index)
                    .with_replicas(replicas)
            };
            let topics = names().map(|name| {
                alter_partition_reassignments_request::ReassignableTopic::default()
                    .with_name(name)
                    .with_partitions(vec![
                        partition(0, None),
                        partition(1, Some(vec![NODE_ID])),
                        partition(2, Some(vec![BrokerId(7)])),
                        partition(99, None),
                    ])
            });
            vec![RequestKind::AlterPartitionReassignments(
                AlterPartitionReassignmentsRequest::default().with_topics(topics.collect()),
            )]
        }
        ApiKey::ListPartitionReassignments => {
            let topics = names().map(|name| {
                list_partition_reassignments_request::ListPartitionReassignmentsTopics::default()
                    .with_name(name)
                    .with_partition_indexes(vec![0, 99])
            });
            [None, Some(topics.collect())]
                .map(|topics| {
                    let request = ListPartitionReassignmentsRequest::default().with_topics(topics);
                    RequestKind::ListPartitionReassignments(request)
                })
                .into()
        }
        ApiKey::ListConfigResources => {
            let kinds = if since(1) { vec![vec![], vec![2, 4, 8, 16, 32], vec![99]] } else { vec![vec![]] };
            kinds
                .into_iter()
                .map(|kinds| {
                    let request = ListConfigResourcesRequest::default().with_resource_types(kinds);
                    RequestKind::ListConfigResources(request)
                })
                .collect()
        }
        other => panic!("no samples for {other:?}"),
    }
}
