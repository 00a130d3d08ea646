//! The record batch: the unit in which records travel, are checked, stored and read.
//!
//! A producer sends one batch per partition and request. The broker checks it, writes the offset into its
//! header, and from then on only looks inside to find a point in time or to compact. So consumers read the
//! same bytes that a producer sent, still compressed, unless the topic asks for the broker's time or for
//! another compression.

use super::{
    compression::{Codec, Compression},
    header::{self, HEADER_LEN, Header, LEADER_EPOCH, NO_TIMESTAMP, UNCOUNTED_LEN},
    records::{self, Record},
    stored::Stored,
};
use crate::refusal::Refusal;
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use std::{io::Read, ops::ControlFlow};

/// What a topic asks of batches that are written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// `max.message.bytes`: the size of a batch as it is sent, compressed, and as it is stored.
    pub(crate) max_bytes: usize,
    /// `message.timestamp.before.max.ms`.
    pub(crate) max_age_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub(crate) max_ahead_ms: i64,
    /// `message.timestamp.type` is `LogAppendTime`.
    pub(crate) log_append_time: bool,
    /// `cleanup.policy` includes `compact`, so a record without a key could never be replaced.
    pub(crate) needs_keys: bool,
    /// `compression.type` and its level; `None` if the producer chooses.
    pub(crate) compression: Option<Compression>,
}

/// The producer of a batch, and the batch's place in the producer's sequence to this partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) first: i32,
    pub(crate) last: i32,
    /// Whether the batch belongs to a transaction.
    pub(crate) transactional: bool,
    /// When the batch arrived, by the broker's clock, in milliseconds since 1970.
    pub(crate) received_ms: i64,
}

/// A batch that has passed every check but has no place in a log yet.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The batch as it will be stored, except for its base offset. It is a copy, since a slice of the request
    /// would keep the whole request in memory.
    data: BytesMut,
    header: Header,
    max_timestamp: i64,
    /// The index of the record with the latest timestamp.
    max_timestamp_delta: i64,
    has_values: bool,
    /// The broker's time, if it replaces the records' own times.
    log_append_time: Option<i64>,
    received: i64,
}

/// Why a batch was refused, and for which of its records, if not for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    /// At most [`MAX_FAULTS`].
    pub(crate) records: Vec<RecordFault>,
    /// Whether the request had one whole batch, so that the answer includes the start of the log.
    pub(crate) by_log: bool,
}

/// What is wrong with one record of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordFault {
    /// The record's index in its batch.
    pub(crate) index: i32,
    pub(crate) message: String,
}

/// How many records of a batch are named. A compressed batch can have millions of records.
const MAX_FAULTS: usize = 10_000;

/// Refuses a request that isn't one whole batch.
pub(crate) fn refuse<T>(error: ResponseError, message: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { refusal: Refusal::new(error, message), records: Vec::new(), by_log: false })
}

/// Refuses one whole batch.
fn refuse_batch<T>(error: ResponseError, message: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { refusal: Refusal::new(error, message), records: Vec::new(), by_log: true })
}

/// Returns the codec that an unchecked batch claims.
pub(crate) fn codec(batch: &Bytes) -> Option<Codec> {
    Header::parse(batch).filter(|header| header.magic == 2)?.codec()
}

impl Checked {
    /// Checks what a producer sent for one partition, as Apache Kafka's `LogValidator` does: the length, the
    /// checksum, that the records are whole, counted and numbered from 0, their times, and their keys if the
    /// topic is compacted.
    ///
    /// `now_ms` is the broker's clock, in milliseconds since 1970.
    ///
    /// # Errors
    /// The code that Apache Kafka answers in the same case.
    pub(crate) fn check(bytes: Bytes, rules: &Rules, now_ms: i64) -> Result<Self, Refused> {
        let Some(header) = Header::parse(&bytes) else {
            return refuse(ResponseError::InvalidRecord, "the record batch is shorter than its header");
        };
        if !(0..=2).contains(&header.magic) {
            return refuse(
                ResponseError::CorruptMessage,
                format!("record batches have magic 2, not {}", header.magic),
            );
        }
        if header.magic != 2 {
            return refuse(
                ResponseError::InvalidRecord,
                format!(
                    "record batches have magic 2, not {}: message sets ended with Kafka 4.0",
                    header.magic
                ),
            );
        }
        if header.length < HEADER_LEN {
            return refuse(
                ResponseError::CorruptMessage,
                "the record batch says it is shorter than its header",
            );
        }
        if header.length < bytes.len() {
            return refuse(
                ResponseError::InvalidRecord,
                "a produce request has one record batch for a partition",
            );
        }
        if header.length > bytes.len() {
            return refuse(ResponseError::InvalidRecord, "the record batch is not as long as it says");
        }
        check_size(bytes.len(), rules)?;
        if !header.checksum_matches(&bytes) {
            return refuse(
                ResponseError::CorruptMessage,
                "the record batch does not have the checksum it says",
            );
        }
        check_header(&header)?;
        let noted = check_records(&bytes, &header, rules, now_ms)?;
        let log_append_time = rules.log_append_time.then_some(now_ms);
        let truth = match log_append_time {
            Some(time) => header.with_log_append_time(time),
            None => header.with_create_time(noted.max),
        };
        let data = match rules.compression.filter(|wanted| Some(wanted.codec) != header.codec()) {
            Some(wanted) => compress_anew(&bytes, &truth, wanted, rules)?,
            None if truth != header => truth.seal(header::records(&bytes)),
            None => copy(&bytes),
        };
        check_size(data.len(), rules)?;
        Ok(Self {
            data,
            header,
            max_timestamp: truth.max_timestamp,
            max_timestamp_delta: if rules.log_append_time { 0 } else { noted.max_delta },
            has_values: noted.has_values,
            log_append_time,
            received: now_ms,
        })
    }

    /// Returns the batch's place in its producer's sequence, if the producer is idempotent.
    pub(crate) fn sequence(&self) -> Option<Sequence> {
        (self.header.producer_id >= 0).then(|| Sequence {
            producer_id: self.header.producer_id,
            epoch: self.header.producer_epoch,
            first: self.header.base_sequence,
            last: add_to_sequence(self.header.base_sequence, self.header.last_offset_delta),
            transactional: self.header.is_transactional(),
            received_ms: self.received,
        })
    }

    /// Returns whether every record deletes its key.
    pub(super) fn is_all_tombstones(&self) -> bool {
        !self.has_values
    }

    /// Returns whether the batch belongs to a transaction.
    pub(crate) fn is_transactional(&self) -> bool {
        self.header.is_transactional()
    }

    /// Returns the broker's time in the batch, in milliseconds since 1970; `None` if the records keep their
    /// own times.
    pub(crate) fn log_append_time(&self) -> Option<i64> {
        self.log_append_time
    }

    /// Returns the size of the batch as it will be stored.
    pub(super) fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Gives the batch its place in a log. This happens under the log's lock, so it neither copies nor reads
    /// the batch.
    pub(super) fn stored_at(mut self, base_offset: i64) -> Stored {
        if let Some(field) = self.data.first_chunk_mut() {
            *field = base_offset.to_be_bytes();
        }
        Stored {
            base_offset,
            last_offset: base_offset + i64::from(self.header.last_offset_delta),
            max_timestamp: self.max_timestamp,
            max_timestamp_offset: base_offset + self.max_timestamp_delta,
            received: self.received,
            delete_horizon: None,
            data: self.data.freeze(),
        }
    }
}

/// Sequence numbers wrap around to 0.
pub(super) fn add_to_sequence(sequence: i32, count: i32) -> i32 {
    sequence.wrapping_add(count) & i32::MAX
}

/// Copies the batch, with this leader's epoch.
fn copy(batch: &Bytes) -> BytesMut {
    let mut copy = BytesMut::with_capacity(batch.len());
    copy.put_slice(batch.get(..UNCOUNTED_LEN).unwrap_or_default());
    copy.put_i32(LEADER_EPOCH);
    copy.put_slice(batch.get(UNCOUNTED_LEN + 4..).unwrap_or_default());
    copy
}

/// Compresses the records as the topic asks.
fn compress_anew(
    batch: &Bytes,
    header: &Header,
    wanted: Compression,
    rules: &Rules,
) -> Result<BytesMut, Refused> {
    let mut plain = Vec::new();
    let read = |codec: Codec| codec.reader(header::records(batch))?.read_to_end(&mut plain);
    let compressed =
        header.codec().map_or(Ok(0), read).and_then(|_| wanted.compress(&plain, rules.max_bytes));
    match compressed {
        Ok(records) => Ok(header.with_codec(wanted.codec).seal(&records)),
        Err(error) => refuse(
            ResponseError::MessageTooLarge,
            format!("the batch cannot be stored with the topic's compression: {error}"),
        ),
    }
}

fn check_size(bytes: usize, rules: &Rules) -> Result<(), Refused> {
    if bytes <= rules.max_bytes {
        return Ok(());
    }
    refuse(
        ResponseError::MessageTooLarge,
        format!("a batch of {bytes} bytes exceeds max.message.bytes, {}", rules.max_bytes),
    )
}

fn check_header(header: &Header) -> Result<(), Refused> {
    let invalid = |message: String| refuse_batch(ResponseError::InvalidRecord, message);
    if header.base_offset != 0 {
        return invalid(format!("a producer's batch has base offset 0, not {}", header.base_offset));
    }
    if header.is_control() {
        return invalid("control batches are for the broker alone to write".into());
    }
    if header.producer_id >= 0 && header.producer_epoch < 0 {
        return refuse_batch(
            ResponseError::InvalidProducerEpoch,
            format!("an idempotent producer's epoch is not {}", header.producer_epoch),
        );
    }
    if header.producer_id >= 0 && header.base_sequence < 0 {
        return invalid(format!(
            "an idempotent producer's batch has a sequence, not {}",
            header.base_sequence
        ));
    }
    if header.record_count <= 0 || i64::from(header.last_offset_delta) + 1 != i64::from(header.record_count) {
        return invalid(format!(
            "a batch of {} records cannot end at offset delta {}",
            header.record_count, header.last_offset_delta
        ));
    }
    Ok(())
}

/// Findings about the records of a batch.
struct Noted {
    max: i64,
    max_delta: i64,
    has_values: bool,
}

fn check_records(bytes: &Bytes, header: &Header, rules: &Rules, now_ms: i64) -> Result<Noted, Refused> {
    let Some(codec) = header.codec() else {
        return refuse_batch(
            ResponseError::UnsupportedCompressionType,
            "the batch is compressed in an unknown way",
        );
    };
    let mut noted = Noted { max: i64::MIN, max_delta: 0, has_values: false };
    let mut faults = Faults::default();
    let mut expected = 0;
    let walked = records::walk(codec, header::records(bytes), header.record_count, |record| {
        if record.offset_delta != expected {
            faults.misnumbered = Some((expected, record.offset_delta));
            return ControlFlow::Break(());
        }
        noted.has_values |= record.has_value;
        match check_record(&record, header, rules, now_ms) {
            Ok(timestamp) if timestamp > noted.max => {
                (noted.max, noted.max_delta) = (timestamp, expected);
            }
            Ok(_) => {}
            Err(refusal) => faults.add(expected, refusal),
        }
        expected += 1;
        ControlFlow::Continue(())
    });
    if let Err(error) = walked {
        return refuse_batch(ResponseError::InvalidRecord, error.to_string());
    }
    faults.outcome().map(|()| noted)
}

/// What is wrong with the records of a batch.
#[derive(Debug, Default)]
struct Faults {
    /// The offset delta that was due, and the one that the record has. The rest of the batch isn't read.
    misnumbered: Option<(i64, i64)>,
    /// The number of records that are at fault, and the fault of the first.
    count: usize,
    first: Option<Refusal>,
    /// Whether a timestamp is out of range; this error code wins over that of a missing key.
    untimely: bool,
    named: Vec<RecordFault>,
}

impl Faults {
    fn add(&mut self, index: i64, refusal: Refusal) {
        self.count += 1;
        self.untimely |= refusal.error == ResponseError::InvalidTimestamp;
        if self.named.len() < MAX_FAULTS
            && let Ok(index) = i32::try_from(index)
        {
            self.named.push(RecordFault { index, message: refusal.message.clone() });
        }
        self.first.get_or_insert(refusal);
    }

    fn outcome(self) -> Result<(), Refused> {
        if let Some((due, is)) = self.misnumbered {
            let message = format!("record {due} of the batch has offset delta {is}");
            let fault =
                RecordFault { index: i32::try_from(due).unwrap_or(i32::MAX), message: message.clone() };
            let refusal = Refusal::new(ResponseError::InvalidRecord, message);
            return Err(Refused { refusal, records: vec![fault], by_log: true });
        }
        let Some(first) = self.first else { return Ok(()) };
        let message = match self.count {
            1 => first.message,
            count => format!("{count} records of the batch are refused; the first: {}", first.message),
        };
        let error =
            if self.untimely { ResponseError::InvalidTimestamp } else { ResponseError::InvalidRecord };
        Err(Refused { refusal: Refusal::new(error, message), records: self.named, by_log: true })
    }
}

/// Returns the record's timestamp.
fn check_record(record: &Record, header: &Header, rules: &Rules, now_ms: i64) -> Result<i64, Refusal> {
    if rules.needs_keys && !record.has_key {
        return Err(Refusal::new(
            ResponseError::InvalidRecord,
            "a compacted topic takes no record without a key",
        ));
    }
    let timestamp = header.base_timestamp.saturating_add(record.timestamp_delta);
    if !rules.log_append_time && timestamp != NO_TIMESTAMP {
        let age = now_ms.saturating_sub(timestamp);
        if age > rules.max_age_ms || age.saturating_neg() > rules.max_ahead_ms {
            return Err(Refusal::new(
                ResponseError::InvalidTimestamp,
                format!(
                    "timestamp {timestamp} is out of range: the topic takes {} to {}",
                    now_ms.saturating_sub(rules.max_age_ms),
                    now_ms.saturating_add(rules.max_ahead_ms)
                ),
            ));
        }
    }
    Ok(timestamp)
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
