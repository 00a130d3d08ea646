//! Fetch: read from some partitions, and wait where there is nothing to read yet.
//!
//! What is read goes out as the batches that came in. A fetch that finds less than it asks for waits for its partitions, and for
//! nothing else, until one of them grows or its time is up, a minute at the most. There are no incremental fetch sessions (KIP-227): clients are told
//! so by session id 0 and name all of their partitions every time.

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
/// The most that one answer holds, in bytes, whatever the client asks for: Kafka's `fetch.max.bytes`.
const MAX_BYTES: usize = 55 << 20;
/// The longest wait, whatever the client asks for: half a second is usual, and a client that asked for days and is gone, as
/// when its machine lost power, shall not be waited with for days.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// The isolation level of a consumer that wants only what committed transactions wrote.
const READ_COMMITTED: i8 = 1;
const NO_OFFSET: i64 = -1;
/// The epochs of fetches that name all they want: the first of a session, and those outside of any.
const FIRST_EPOCH: i32 = 0;
const NO_SESSION: i32 = -1;

pub(super) async fn fetch(node: &Node, caller: &Caller, request: &FetchRequest) -> FetchResponse {
    // A session, which this broker never gave to anybody, can be neither begun in the middle nor gone on with.
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
        // Watch first and look afterwards: what comes in between is then either seen or heard.
        wanted.watch(&wake);
        let found = wanted.look();
        if found.suffices || timeout_at(until, wake.notified()).await.is_err() {
            return found.response(request);
        }
    }
}

/// What a client wants to read.
struct Wanted<'a> {
    node: &'a Node,
    request: &'a FetchRequest,
    by_id: bool,
}

/// What there is to read.
struct Found {
    topics: Vec<Vec<Result<Read, ResponseError>>>,
    /// Enough, or an error: either has to go out at once.
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
            // Another broker that believes to have a replica.
            return Err(ResponseError::NotLeaderOrFollower);
        }
        check_epoch(wanted.current_leader_epoch.max(NO_EPOCH))?;
        if wanted.last_fetched_epoch > LEADER_EPOCH {
            // What was read there was never here.
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

/// Where there is no such partition, Apache Kafka's answer is another in one more field, too.
fn is_unknown(error: ResponseError) -> bool {
    matches!(error, ResponseError::UnknownTopicOrPartition | ResponseError::UnknownTopicId)
}

fn aborted(aborted: &Aborted) -> AbortedTransaction {
    AbortedTransaction::default()
        .with_producer_id(ProducerId(aborted.producer_id))
        .with_first_offset(aborted.first_offset)
}

/// The batches one after another. A single one, as a consumer at the end of the log mostly gets, is not copied.
fn join(mut read: Read) -> Bytes {
    if read.batches.len() <= 1 {
        return read.batches.pop().unwrap_or_default();
    }
    let mut joined = BytesMut::with_capacity(read.bytes);
    read.batches.iter().for_each(|batch| joined.extend_from_slice(batch));
    joined.freeze()
}
