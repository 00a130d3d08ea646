//! Reading dead letters from the log: a part of `orders-dlq`, once, as `GET /dlq` and a redrive do.
//!
//! `orders-dlq` has one partition; an offset names a dead letter. Only a few letters are in memory at a time, since one can
//! have 2 MiB: the reader waits while its caller is slower.

use dojo_contract::{header::Headers, topic};
use dojo_kafka::{Error, Isolation, KafkaConfig, Record, StartFrom, Tail, Tailed, tail};
use std::{collections::BTreeMap, ops::Range};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) const PARTITION: i32 = 0;
/// Letters on their way to the caller.
const BUFFER: usize = 8;

/// A record of `orders-dlq`.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) offset: i64,
    /// In milliseconds since 1970.
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Headers,
}

impl Letter {
    fn of(record: &Record<'_>) -> Self {
        Self {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.clone(),
        }
    }

    /// The letter as the record that was read.
    pub(crate) fn record(&self) -> Record<'_> {
        Record {
            topic: topic::ORDERS_DLQ,
            partition: PARTITION,
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: self.headers.clone(),
        }
    }
}

/// What a reading finds, in the log's order.
#[derive(Debug)]
pub(crate) enum Found {
    Letter(Letter),
    /// Retention has removed what stood before this offset.
    Gap(i64),
    /// Everything was read.
    End,
}

/// Reads dead letters.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetterLog {
    kafka: KafkaConfig,
    client_id: String,
    shutdown: CancellationToken,
}

/// A reading under way. It ends when dropped.
#[derive(Debug)]
pub(crate) struct Reading {
    found: mpsc::Receiver<Found>,
    _tail: Tail,
}

impl Reading {
    /// What is found next; `None` if the service ends. The caller bounds the wait.
    pub(crate) async fn next(&mut self) -> Option<Found> {
        self.found.recv().await
    }
}

impl DeadLetterLog {
    pub(crate) fn new(kafka: KafkaConfig, instance: &str, shutdown: CancellationToken) -> Self {
        Self { kafka, client_id: format!("{instance}-dlq"), shutdown }
    }

    /// Reads the committed letters at `offsets` that are `wanted`. The log reaches at least to the end of `offsets`.
    pub(crate) fn read(
        &self,
        offsets: Range<i64>,
        wanted: impl Fn(i64) -> bool + Send + 'static,
    ) -> Result<Reading, Error> {
        let (sender, found) = mpsc::channel(BUFFER);
        let mut sender = Some(sender);
        let end = offsets.end;
        let hand_over = move |tailed: Tailed<'_>| {
            let Some(open) = &sender else { return };
            let (found, is_end) = match tailed {
                Tailed::Record(record) => {
                    let found = record.offset < end && wanted(record.offset);
                    (found.then(|| Found::Letter(Letter::of(record))), record.offset.saturating_add(1) >= end)
                }
                Tailed::Gap { resumes, .. } => (Some(Found::Gap(resumes)), resumes >= end),
                Tailed::CaughtUp { .. } => (None, true),
                Tailed::Started { .. } => return,
            };
            // If the receiver is gone, the tail is about to be stopped.
            for found in found.into_iter().chain(is_end.then_some(Found::End)) {
                let _ = open.blocking_send(found);
            }
            if is_end {
                sender = None;
            }
        };
        let from = StartFrom::Offsets(BTreeMap::from([(PARTITION, offsets.start)]));
        let isolation = Isolation::ReadCommitted;
        let tail = tail(
            &self.kafka,
            &self.client_id,
            topic::ORDERS_DLQ,
            from,
            isolation,
            &self.shutdown,
            hand_over,
        )?;
        Ok(Reading { found, _tail: tail })
    }
}
