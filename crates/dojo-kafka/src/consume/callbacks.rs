//! librdkafka's reports to the loop: rebalances, failed commits, and statistics.
//!
//! The callbacks run inside `poll`, on the loop's own thread. They only take notes; the loop acts on them at its next
//! turn.

use crate::{Prefix, Progress, producer::log};
use dojo_contract::PartitionStatus;
use metrics::gauge;
use parking_lot::{Mutex, MutexGuard};
use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, KafkaResult},
    types::{RDKafkaErrorCode, RDKafkaRespErr},
};
use serde::Deserialize;
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::atomic::{AtomicBool, Ordering},
};

/// A change of this member's partitions that the loop has not acted on yet.
pub(super) enum Rebalance {
    Assign(TopicPartitionList),
    Revoke,
}

pub(super) struct Callbacks {
    pub(super) group: String,
    pub(super) prefix: Prefix,
    pub(super) progress: Progress,
    rebalances: Mutex<VecDeque<Rebalance>>,
    unfetched: Mutex<BTreeSet<i32>>,
    closing: AtomicBool,
    commit_failed: AtomicBool,
}

impl Callbacks {
    pub(super) fn new(group: &str, prefix: &Prefix, progress: &Progress) -> Self {
        Self {
            group: group.to_owned(),
            prefix: prefix.clone(),
            progress: progress.clone(),
            rebalances: Mutex::default(),
            unfetched: Mutex::default(),
            closing: AtomicBool::new(false),
            commit_failed: AtomicBool::new(false),
        }
    }

    /// Returns the rebalances that the loop hasn't acted on, oldest first.
    pub(super) fn rebalances(&self) -> MutexGuard<'_, VecDeque<Rebalance>> {
        self.rebalances.lock()
    }

    /// Returns the partitions that librdkafka hasn't fetched since the loop paused them. The statistics don't know their ends.
    pub(super) fn unfetched(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.unfetched.lock()
    }

    /// Notes that the loop has ended and acts on no further rebalance.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    pub(super) fn note_failed_commit(&self) {
        self.commit_failed.store(true, Ordering::Relaxed);
    }

    /// Returns whether a commit failed since the last call.
    pub(super) fn take_failed_commit(&self) -> bool {
        self.commit_failed.swap(false, Ordering::Relaxed)
    }

    pub(super) fn report_lag(&self, topic: &str, partition: i32, records: i64) {
        let Some(records) = known_lag(records) else { return };
        let labels = [
            ("group", self.group.clone()),
            ("topic", topic.to_owned()),
            ("partition", partition.to_string()),
        ];
        gauge!("dojo_consumer_lag_records", &labels).set(records);
    }
}

impl ClientContext for Callbacks {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka consumer");
    }

    fn stats_raw(&self, statistics: &[u8]) {
        let Ok(statistics) = serde_json::from_slice::<Statistics<'_>>(statistics) else { return };
        let unfetched = self.unfetched().clone();
        for (topic, of) in statistics.topics {
            let ends = of.partitions.into_iter().filter_map(|(p, s)| Some((p, s.end()?)));
            let known = ends.filter(|(p, _)| *p >= 0 && !unfetched.contains(p));
            self.progress.ends(self.prefix.in_contract(topic), known);
        }
        for PartitionStatus { topic, partition, lag, .. } in self.progress.partitions() {
            self.report_lag(&topic, partition, lag);
        }
    }
}

impl ConsumerContext for Callbacks {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        if self.closing.load(Ordering::Relaxed) {
            // The loop has ended, and the consumer waits for this to close.
            let _ = consumer.unassign();
            return;
        }
        self.rebalances().push_back(match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assign(partitions.clone()),
            _ => Rebalance::Revoke,
        });
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        match result {
            Err(error) if error.rdkafka_error_code() != Some(RDKafkaErrorCode::NoOffset) => {
                tracing::debug!(%error, "offsets not committed; trying again");
                self.note_failed_commit();
            }
            _ => {}
        }
    }
}

/// The part of librdkafka's statistics that the loop uses.
/// <https://github.com/confluentinc/librdkafka/blob/master/STATISTICS.md>
#[derive(Deserialize)]
struct Statistics<'a> {
    #[serde(borrow)]
    topics: HashMap<&'a str, TopicStatistics>,
}

#[derive(Deserialize)]
struct TopicStatistics {
    partitions: HashMap<i32, PartitionStatistics>,
}

#[derive(Deserialize)]
struct PartitionStatistics {
    /// The high watermark: the offset after the last record.
    hi_offset: i64,
    /// The last stable offset: below it no transaction is open. A consumer that reads committed records ends there.
    ls_offset: i64,
}

impl PartitionStatistics {
    /// Returns where this partition ends for a consumer that reads committed records; `None` while that isn't known.
    fn end(&self) -> Option<i64> {
        [self.ls_offset, self.hi_offset].into_iter().find(|end| *end >= 0)
    }
}

/// Returns a lag as a number for a gauge; `None` if the lag isn't known, since 0 would mean that nothing is left.
fn known_lag(records: i64) -> Option<f64> {
    (records >= 0).then_some(records as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_lag_is_reported_however_large() {
        assert_eq!(known_lag(-1), None);
        assert_eq!(known_lag(0), Some(0.0));
        assert_eq!(known_lag(5_000_000_000), Some(5e9));
    }

    #[test]
    fn a_partition_ends_at_its_last_stable_offset() {
        let end = |ls_offset, hi_offset| PartitionStatistics { hi_offset, ls_offset }.end();
        assert_eq!((end(7, 9), end(-1, 9), end(-1, -1)), (Some(7), Some(9), None));
    }
}
