//! The requests that the broker speaks: each with its versions and its layout.
//!
//! A client asks for this list first and then uses, for each request, the newest version that both sides
//! know. A version is listed only if the request and its answer are handled in full.
//!
//! The layouts only say where a request has lists: [`check_layout`](crate::layout::check_layout) walks them
//! before a request is decoded. They follow the message definitions of Apache Kafka
//! (<https://kafka.apache.org/protocol#protocol_messages>).

use crate::layout::{
    Field, Layout,
    Layout::{Blob, Fixed, List, Maybe, Struct, Text},
    always, between, since, until,
};
use kafka_protocol::messages::ApiKey;
use std::ops::RangeInclusive;

/// The longest request, in bytes: Kafka's `socket.request.max.bytes`.
pub(crate) const MAX_REQUEST: usize = 100 << 20;

/// One kind of request.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) key: ApiKey,
    /// The versions that the broker handles.
    pub(crate) versions: RangeInclusive<i16>,
    /// The lowest version that the broker says it handles.
    pub(crate) advertised_min: i16,
    pub(crate) request: &'static [Field],
}

const fn api(key: ApiKey, versions: RangeInclusive<i16>, request: &'static [Field]) -> Api {
    let advertised_min = *versions.start();
    Api { key, versions, advertised_min, request }
}

/// Finds the request that a client's header names.
pub(crate) fn find(key: i16) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key as i16 == key)
}

const I8: Layout = Fixed(1);
const I16: Layout = Fixed(2);
const I32: Layout = Fixed(4);
const I64: Layout = Fixed(8);
const UUID: Layout = Fixed(16);

/// Every request that the broker speaks.
pub(crate) const APIS: &[Api] = &[
    Api {
        // If the lowest version is above 0, older librdkafka (kcat 1.7 among others) concludes that the
        // broker can't take compressed batches, and sends them uncompressed. Apache Kafka 4 also says 0 and
        // takes 3 and above (KAFKA-18659).
        advertised_min: 0,
        ..api(
            ApiKey::Produce,
            3..=13,
            &[
                always(Text),
                always(I16),
                always(I32),
                always(List(&Struct(&[
                    until(12, Text),
                    since(13, UUID),
                    always(List(&Struct(&[always(I32), always(Blob)]))),
                ]))),
            ],
        )
    },
    api(
        ApiKey::Fetch,
        4..=18,
        &[
            until(14, I32),
            always(I32),
            always(I32),
            always(I32),
            always(I8),
            since(7, I32),
            since(7, I32),
            always(List(&Struct(&[
                until(12, Text),
                since(13, UUID),
                always(List(&Struct(&[
                    always(I32),
                    since(9, I32),
                    always(I64),
                    since(12, I32),
                    since(5, I64),
                    always(I32),
                ]))),
            ]))),
            since(7, List(&Struct(&[until(12, Text), since(13, UUID), always(List(&I32))]))),
            since(11, Text),
        ],
    ),
    api(
        ApiKey::ListOffsets,
        1..=10,
        &[
            always(I32),
            since(2, I8),
            always(List(&Struct(&[
                always(Text),
                always(List(&Struct(&[always(I32), since(4, I32), always(I64)]))),
            ]))),
            since(10, I32),
        ],
    ),
    api(
        ApiKey::Metadata,
        0..=13,
        &[
            always(List(&Struct(&[since(10, UUID), always(Text)]))),
            since(4, I8),
            between(8, 10, I8),
            since(8, I8),
        ],
    ),
    api(
        ApiKey::OffsetCommit,
        2..=9,
        &[
            always(Text),
            always(I32),
            always(Text),
            since(7, Text),
            until(4, I64),
            always(List(&Struct(&[
                always(Text),
                always(List(&Struct(&[always(I32), always(I64), since(6, I32), always(Text)]))),
            ]))),
        ],
    ),
    api(
        ApiKey::OffsetFetch,
        1..=9,
        &[
            until(7, Text),
            until(7, List(&Struct(&[always(Text), always(List(&I32))]))),
            since(
                8,
                List(&Struct(&[
                    always(Text),
                    since(9, Text),
                    since(9, I32),
                    always(List(&Struct(&[always(Text), always(List(&I32))]))),
                ])),
            ),
            since(7, I8),
        ],
    ),
    api(ApiKey::FindCoordinator, 0..=5, &[until(3, Text), since(1, I8), since(4, List(&Text))]),
    api(
        ApiKey::JoinGroup,
        0..=9,
        &[
            always(Text),
            always(I32),
            since(1, I32),
            always(Text),
            since(5, Text),
            always(Text),
            always(List(&Struct(&[always(Text), always(Blob)]))),
            since(8, Text),
        ],
    ),
    api(ApiKey::Heartbeat, 0..=4, &[always(Text), always(I32), always(Text), since(3, Text)]),
    api(
        ApiKey::LeaveGroup,
        0..=5,
        &[
            always(Text),
            until(2, Text),
            since(3, List(&Struct(&[always(Text), always(Text), since(5, Text)]))),
        ],
    ),
    api(
        ApiKey::SyncGroup,
        0..=5,
        &[
            always(Text),
            always(I32),
            always(Text),
            since(3, Text),
            since(5, Text),
            since(5, Text),
            always(List(&Struct(&[always(Text), always(Blob)]))),
        ],
    ),
    api(ApiKey::DescribeGroups, 0..=6, &[always(List(&Text)), since(3, I8)]),
    api(ApiKey::ListGroups, 0..=5, &[since(4, List(&Text)), since(5, List(&Text))]),
    api(ApiKey::ApiVersions, 0..=4, &[since(3, Text), since(3, Text)]),
    api(
        ApiKey::CreateTopics,
        2..=7,
        &[
            always(List(&Struct(&[
                always(Text),
                always(I32),
                always(I16),
                always(List(&Struct(&[always(I32), always(List(&I32))]))),
                always(List(&Struct(&[always(Text), always(Text)]))),
            ]))),
            always(I32),
            always(I8),
        ],
    ),
    api(
        ApiKey::DeleteTopics,
        1..=6,
        &[since(6, List(&Struct(&[always(Text), always(UUID)]))), until(5, List(&Text)), always(I32)],
    ),
    api(
        ApiKey::DeleteRecords,
        0..=2,
        &[
            always(List(&Struct(&[always(Text), always(List(&Struct(&[always(I32), always(I64)])))]))),
            always(I32),
        ],
    ),
    api(ApiKey::DescribeLogDirs, 1..=4, &[always(List(&Struct(&[always(Text), always(List(&I32))])))]),
    api(ApiKey::InitProducerId, 0..=5, &[always(Text), always(I32), since(3, I64), since(3, I16)]),
    api(
        ApiKey::AddPartitionsToTxn,
        0..=5,
        &[
            since(
                4,
                List(&Struct(&[
                    always(Text),
                    always(I64),
                    always(I16),
                    always(I8),
                    always(List(&Struct(&[always(Text), always(List(&I32))]))),
                ])),
            ),
            until(3, Text),
            until(3, I64),
            until(3, I16),
            until(3, List(&Struct(&[always(Text), always(List(&I32))]))),
        ],
    ),
    api(ApiKey::AddOffsetsToTxn, 0..=4, &[always(Text), always(I64), always(I16), always(Text)]),
    api(ApiKey::EndTxn, 0..=5, &[always(Text), always(I64), always(I16), always(I8)]),
    api(
        ApiKey::TxnOffsetCommit,
        0..=5,
        &[
            always(Text),
            always(Text),
            always(I64),
            always(I16),
            since(3, I32),
            since(3, Text),
            since(3, Text),
            always(List(&Struct(&[
                always(Text),
                always(List(&Struct(&[always(I32), always(I64), since(2, I32), always(Text)]))),
            ]))),
        ],
    ),
    api(ApiKey::DescribeProducers, 0..=0, &[always(List(&Struct(&[always(Text), always(List(&I32))])))]),
    api(ApiKey::DescribeTransactions, 0..=0, &[always(List(&Text))]),
    api(
        ApiKey::ListTransactions,
        0..=2,
        &[always(List(&Text)), always(List(&I64)), since(1, I64), since(2, Text)],
    ),
    api(
        ApiKey::OffsetForLeaderEpoch,
        2..=4,
        &[
            since(3, I32),
            always(List(&Struct(&[
                always(Text),
                always(List(&Struct(&[always(I32), always(I32), always(I32)]))),
            ]))),
        ],
    ),
    api(
        ApiKey::DescribeConfigs,
        1..=4,
        &[always(List(&Struct(&[always(I8), always(Text), always(List(&Text))]))), always(I8), since(3, I8)],
    ),
    api(
        ApiKey::AlterConfigs,
        0..=2,
        &[
            always(List(&Struct(&[
                always(I8),
                always(Text),
                always(List(&Struct(&[always(Text), always(Text)]))),
            ]))),
            always(I8),
        ],
    ),
    api(
        ApiKey::IncrementalAlterConfigs,
        0..=1,
        &[
            always(List(&Struct(&[
                always(I8),
                always(Text),
                always(List(&Struct(&[always(Text), always(I8), always(Text)]))),
            ]))),
            always(I8),
        ],
    ),
    api(
        ApiKey::CreatePartitions,
        0..=3,
        &[
            always(List(&Struct(&[always(Text), always(I32), always(List(&Struct(&[always(List(&I32))])))]))),
            always(I32),
            always(I8),
        ],
    ),
    api(
        ApiKey::DescribeTopicPartitions,
        0..=0,
        &[
            always(List(&Struct(&[always(Text)]))),
            always(I32),
            always(Maybe(&Struct(&[always(Text), always(I32)]))),
        ],
    ),
    api(
        ApiKey::OffsetDelete,
        0..=0,
        &[always(Text), always(List(&Struct(&[always(Text), always(List(&Struct(&[always(I32)])))])))],
    ),
    api(ApiKey::DeleteGroups, 0..=2, &[always(List(&Text))]),
    api(ApiKey::DescribeCluster, 0..=2, &[always(I8), since(1, I8), since(2, I8)]),
    api(ApiKey::ListConfigResources, 0..=1, &[since(1, List(&I8))]),
    api(
        ApiKey::ElectLeaders,
        0..=2,
        &[since(1, I8), always(List(&Struct(&[always(Text), always(List(&I32))]))), always(I32)],
    ),
    api(
        ApiKey::AlterPartitionReassignments,
        0..=1,
        &[
            always(I32),
            since(1, I8),
            always(List(&Struct(&[always(Text), always(List(&Struct(&[always(I32), always(List(&I32))])))]))),
        ],
    ),
    api(
        ApiKey::ListPartitionReassignments,
        0..=0,
        &[always(I32), always(List(&Struct(&[always(Text), always(List(&I32))])))],
    ),
    api(ApiKey::DescribeAcls, 1..=3, ACL),
    api(ApiKey::CreateAcls, 1..=3, &[always(List(&Struct(ACL)))]),
    api(ApiKey::DeleteAcls, 1..=3, &[always(List(&Struct(ACL)))]),
];

/// An entry of an access list, or a filter for entries.
const ACL: &[Field] =
    &[always(I8), always(Text), always(I8), always(Text), always(Text), always(I8), always(I8)];
