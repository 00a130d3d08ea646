//! Fetch: read from partitions, and wait if there is nothing to read yet.
//!
//! The answer has the batches as their producers sent them. A fetch that finds less than it asks for waits
//! until one of its partitions grows or its time is up, at most a minute. There are no incremental fetch
//! sessions (KIP-227): session id 0 tells clients so, and they name all of their partitions every time.

use super::{
    caller::Caller,
    leader_epochs::{NO_EPOCH, check_epoch},
};
use crate::{
    log::{Aborted, LEADER_EPOCH, Log, Read},
    node::Node,
    topics::Topic,
};
use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    ResponseError,
    messages::{
        BrokerId, FetchRequest, FetchResponse, ProducerId,
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// From this version on, topics are named by their ids.
const TOPIC_IDS: i16 = 13;
/// How many bytes one answer has at most, whatever the client asks for: Kafka's `fetch.max.bytes`.
const MAX_BYTES: usize = 55 << 20;
/// The longest wait, whatever the client asks for. Half a second is usual; a client that asked for days and
/// is gone, for example because its machine lost power, would otherwise be waited for.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// The isolation level of a consumer of committed records.
const READ_COMMITTED: i8 = 1;
const NO_OFFSET: i64 = -1;
/// The session epochs of fetches that name all their partitions: the first of a session, and those outside
/// any session.
const FIRST_EPOCH: i32 = 0;
const NO_SESSION: i32 = -1;

pub(super) async fn fetch(node: &Node, caller: &Caller, request: &FetchRequest) -> FetchResponse {
    // This broker gives out no sessions, so a fetch can't continue one.
    if !matches!(request.session_epoch, FIRST_EPOCH | NO_SESSION) {
        return FetchResponse::default().with_error_code(ResponseError::FetchSessionIdNotFound.code());
    }
    let wanted = Wanted { node, request, by_id: caller.version >= TOPIC_IDS };
    let found = wanted.look();
    if found.suffices {
        return found.response(request);
    }
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let until = Instant::now() + wait.min(MAX_WAIT);
    let wake = Arc::new(Notify::new());
    loop {
        // The fetch registers before it looks, so that it notices whatever comes in between.
        wanted.watch(&wake);
        let found = wanted.look();
        if found.suffices || timeout_at(until, wake.notified()).await.is_err() {
            return found.response(request);
        }
    }
}

/// A client's request.
struct Wanted<'a> {
    node: &'a Node,
    request: &'a FetchRequest,
    by_id: bool,
}

/// The records that were found.
struct Found {
    topics: Vec<Vec<Result<Read, ResponseError>>>,
    /// Whether the answer goes out at once: there is enough, or an error.
    suffices: bool,
}

impl Wanted<'_> {
    fn topic(&self, wanted: &FetchTopic) -> Option<Arc<Topic>> {
        if self.by_id {
            self.node.topics.by_id(&wanted.topic_id)
        } else {
            self.node.topics.get(&wanted.topic)
        }
    }

    fn watch(&self, wake: &Arc<Notify>) {
        for wanted in &self.request.topics {
            let Some(topic) = self.topic(wanted) else { continue };
            for partition in &wanted.partitions {
                if let Some(partition) = topic.partition(partition.partition) {
                    partition.watch(wake);
                }
            }
        }
    }

    fn look(&self) -> Found {
        let mut left = usize::try_from(self.request.max_bytes).unwrap_or(0).min(MAX_BYTES);
        let mut bytes = 0;
        let mut failed = false;
        let mut read = |topic: Option<&Topic>, wanted: &FetchPartition| {
            let outcome = self.read(topic, wanted, left, bytes == 0);
            match &outcome {
                Ok(read) => {
                    bytes += read.bytes;
                    left = left.saturating_sub(read.bytes);
                }
                Err(_) => failed = true,
            }
            outcome
        };
        let mut topics = Vec::with_capacity(self.request.topics.len());
        for wanted in &self.request.topics {
            let topic = self.topic(wanted);
            topics
                .push(wanted.partitions.iter().map(|partition| read(topic.as_deref(), partition)).collect());
        }
        let enough = bytes >= usize::try_from(self.request.min_bytes).unwrap_or(0);
        let nothing_wanted = self.request.topics.iter().all(|topic| topic.partitions.is_empty());
        Found { topics, suffices: enough || failed || nothing_wanted }
    }

    fn read(
        &self,
        topic: Option<&Topic>,
        wanted: &FetchPartition,
        left: usize,
        first: bool,
    ) -> Result<Read, ResponseError> {
        let unknown =
            if self.by_id { ResponseError::UnknownTopicId } else { ResponseError::UnknownTopicOrPartition };
        let topic = topic.ok_or(unknown)?;
        let partition = topic.partition(wanted.partition).ok_or(ResponseError::UnknownTopicOrPartition)?;
        if self.request.replica_id.0 >= 0 || self.request.replica_state.replica_id.0 >= 0 {
            // Another broker that believes it has a replica.
            return Err(ResponseError::NotLeaderOrFollower);
        }
        check_epoch(wanted.current_leader_epoch.max(NO_EPOCH))?;
        if wanted.last_fetched_epoch > LEADER_EPOCH {
            // This broker never had records of that epoch.
            return Err(ResponseError::OffsetOutOfRange);
        }
        let max_bytes = usize::try_from(wanted.partition_max_bytes).unwrap_or(0).min(left);
        let read =
            if self.request.isolation_level == READ_COMMITTED { Log::read_committed } else { Log::read };
        partition.look(|log| read(log, wanted.fetch_offset, max_bytes, first))
    }
}

impl Found {
    fn response(self, request: &FetchRequest) -> FetchResponse {
        let committed_only = request.isolation_level == READ_COMMITTED;
        let topics = request.topics.iter().zip(self.topics).map(|(wanted, found)| {
            let partitions = wanted.partitions.iter().zip(found);
            FetchableTopicResponse::default()
                .with_topic(wanted.topic.clone())
                .with_topic_id(wanted.topic_id)
                .with_partitions(
                    partitions.map(|(wanted, found)| describe(wanted, found, committed_only)).collect(),
                )
        });
        FetchResponse::default().with_responses(topics.collect())
    }
}

fn describe(
    wanted: &FetchPartition,
    found: Result<Read, ResponseError>,
    committed_only: bool,
) -> PartitionData {
    let data = PartitionData::default()
        .with_partition_index(wanted.partition)
        .with_preferred_read_replica(BrokerId(-1))
        .with_aborted_transactions(None);
    match found {
        Ok(read) => data
            .with_high_watermark(read.high_watermark)
            .with_last_stable_offset(read.last_stable_offset)
            .with_log_start_offset(read.log_start)
            .with_aborted_transactions(committed_only.then(|| read.aborted.iter().map(aborted).collect()))
            .with_records(Some(join(read))),
        Err(error) => data
            .with_error_code(error.code())
            .with_high_watermark(NO_OFFSET)
            .with_last_stable_offset(NO_OFFSET)
            .with_log_start_offset(NO_OFFSET)
            .with_aborted_transactions(is_unknown(error).then(Vec::new))
            .with_records(Some(Bytes::new())),
    }
}

/// For an unknown partition, Apache Kafka's answer differs in one more field.
fn is_unknown(error: ResponseError) -> bool {
    matches!(error, ResponseError::UnknownTopicOrPartition | ResponseError::UnknownTopicId)
}

fn aborted(aborted: &Aborted) -> AbortedTransaction {
    AbortedTransaction::default()
        .with_producer_id(ProducerId(aborted.producer_id))
        .with_first_offset(aborted.first_offset)
}

/// Joins the batches. A single batch, which a consumer at the end of the log mostly gets, isn't copied.
fn join(mut read: Read) -> Bytes {
    if read.batches.len() <= 1 {
        return read.batches.pop().unwrap_or_default();
    }
    let mut joined = BytesMut::with_capacity(read.bytes);
    read.batches.iter().for_each(|batch| joined.extend_from_slice(batch));
    joined.freeze()
}
