//! The record batch: the unit in which records travel, are checked, stored and handed out.
//!
//! A producer sends one batch per partition and request; the broker checks it, writes the offset into its header, and from
//! then on never looks inside again except to find a point in time. Everything a client sent is thus stored, and read, as the
//! same bytes, still compressed. Format v2, of 2017: <https://kafka.apache.org/documentation/#recordbatch> (KIP-98).

use std::ops::ControlFlow;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;

use super::compression::Codec;
use super::records::{self, Record};
use crate::refusal::Refusal;

/// How many bytes come before the records.
const HEADER: usize = 61;
/// The base offset and the length field itself are not counted in a batch's length field.
const BEFORE_LENGTH: usize = 12;
/// Where the part begins that the checksum covers: from the attributes on.
const CHECKED: usize = 21;
/// Where the field after the maximum timestamp begins.
const AFTER_TIMESTAMPS: usize = 43;

const CODEC_BITS: i16 = 0b0000_0111;
const LOG_APPEND_TIME_BIT: i16 = 0b0000_1000;
const TRANSACTIONAL_BIT: i16 = 0b0001_0000;
const CONTROL_BIT: i16 = 0b0010_0000;

/// There is one node, so leadership never changes hands: every batch was written in the first epoch.
pub(crate) const LEADER_EPOCH: i32 = 0;
/// The timestamp of a record that has none.
const NO_TIMESTAMP: i64 = -1;

/// The fields in front of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) base_offset: i64,
    /// Of the whole batch, this header included, in bytes.
    pub(super) length: usize,
    pub(super) magic: i8,
    pub(super) crc: u32,
    pub(super) attributes: i16,
    pub(super) last_offset_delta: i32,
    pub(super) base_timestamp: i64,
    pub(super) max_timestamp: i64,
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) base_sequence: i32,
    pub(super) record_count: i32,
}

impl Header {
    /// Reads the header off the front; `None` where the bytes end too soon.
    fn parse(mut bytes: &[u8]) -> Option<Self> {
        let base_offset = bytes.try_get_i64().ok()?;
        let length = usize::try_from(bytes.try_get_i32().ok()?).ok()?.checked_add(BEFORE_LENGTH)?;
        let _leader_epoch = bytes.try_get_i32().ok()?;
        Some(Self {
            base_offset,
            length,
            magic: bytes.try_get_i8().ok()?,
            crc: bytes.try_get_u32().ok()?,
            attributes: bytes.try_get_i16().ok()?,
            last_offset_delta: bytes.try_get_i32().ok()?,
            base_timestamp: bytes.try_get_i64().ok()?,
            max_timestamp: bytes.try_get_i64().ok()?,
            producer_id: bytes.try_get_i64().ok()?,
            producer_epoch: bytes.try_get_i16().ok()?,
            base_sequence: bytes.try_get_i32().ok()?,
            record_count: bytes.try_get_i32().ok()?,
        })
    }

    fn codec(&self) -> Option<Codec> {
        Codec::from_bits(self.attributes & CODEC_BITS)
    }

    fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME_BIT != 0
    }
}

/// What a topic asks of the batches that are written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// `max.message.bytes`: of a batch as it was sent, compressed.
    pub(crate) max_bytes: usize,
    /// `message.timestamp.before.max.ms`.
    pub(crate) max_age_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub(crate) max_ahead_ms: i64,
    /// `message.timestamp.type` is `LogAppendTime`.
    pub(crate) log_append_time: bool,
    /// `cleanup.policy` has `compact` in it, so a record without a key could never be replaced.
    pub(crate) needs_keys: bool,
}

/// Who wrote a batch, and where it stands in that producer's sequence to this partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) first: i32,
    pub(crate) last: i32,
}

/// A batch that passed every check but has no place in a log yet.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    bytes: Bytes,
    header: Header,
    /// Exact, whatever the header said.
    max_timestamp: i64,
    /// Which record has it, counted from the first.
    max_timestamp_delta: i64,
    /// The broker's time that replaces the records' own.
    log_append_time: Option<i64>,
}

/// Why a batch was refused: for all of it, or for one of its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    /// The record at fault, counted from 0.
    pub(crate) record: Option<i32>,
}

fn refuse<T>(error: ResponseError, message: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { refusal: Refusal::new(error, message), record: None })
}

impl Checked {
    /// Checks what a producer sent for one partition, as Apache Kafka's `LogValidator` does: length, checksum, that the records
    /// are whole, counted and numbered from 0, their times, and their keys where the topic is compacted.
    ///
    /// `now_ms` is the broker's clock, in milliseconds since 1970.
    ///
    /// # Errors
    /// The code that Apache Kafka answers in the same case.
    pub(crate) fn check(bytes: Bytes, rules: &Rules, now_ms: i64) -> Result<Self, Refused> {
        let Some(header) = Header::parse(&bytes) else {
            return refuse(ResponseError::CorruptMessage, "the record batch is shorter than its header");
        };
        if header.magic != 2 {
            return refuse(
                ResponseError::InvalidRecord,
                format!(
                    "record batches have magic 2, not {}: message sets ended with Kafka 4.0",
                    header.magic
                ),
            );
        }
        if header.length < bytes.len() && header.length >= HEADER {
            return refuse(
                ResponseError::InvalidRecord,
                "a produce request has one record batch for a partition",
            );
        }
        if header.length != bytes.len() {
            return refuse(ResponseError::CorruptMessage, "the record batch is not as long as it says");
        }
        if bytes.len() > rules.max_bytes {
            return refuse(
                ResponseError::MessageTooLarge,
                format!("a batch of {} bytes exceeds max.message.bytes, {}", bytes.len(), rules.max_bytes),
            );
        }
        if bytes.get(CHECKED..).map(crc32c::crc32c) != Some(header.crc) {
            return refuse(
                ResponseError::CorruptMessage,
                "the record batch does not have the checksum it says",
            );
        }
        check_header(&header)?;
        let times = check_records(&bytes, &header, rules, now_ms)?;
        let mut checked = Self {
            bytes,
            header,
            max_timestamp: times.max,
            max_timestamp_delta: times.max_delta,
            log_append_time: None,
        };
        if rules.log_append_time {
            checked.max_timestamp = now_ms;
            checked.max_timestamp_delta = 0;
            checked.log_append_time = Some(now_ms);
        }
        Ok(checked)
    }

    /// Set where the producer is idempotent.
    pub(crate) fn sequence(&self) -> Option<Sequence> {
        (self.header.producer_id >= 0).then(|| Sequence {
            producer_id: self.header.producer_id,
            epoch: self.header.producer_epoch,
            first: self.header.base_sequence,
            last: add_to_sequence(self.header.base_sequence, self.header.last_offset_delta),
        })
    }

    /// The broker's time that was written into the batch, milliseconds since 1970; `None` where the records keep their own.
    pub(crate) fn log_append_time(&self) -> Option<i64> {
        self.log_append_time
    }

    /// Gives the batch its place in a log. Copies it, once: what was sent is a piece of a larger request, and keeping the piece
    /// would keep all of that request in memory.
    pub(super) fn stored_at(&self, base_offset: i64) -> Stored {
        let mut data = BytesMut::with_capacity(self.bytes.len());
        data.put_i64(base_offset);
        data.put_slice(self.bytes.get(8..BEFORE_LENGTH).unwrap_or_default());
        data.put_i32(LEADER_EPOCH);
        match self.log_append_time {
            // The checksum starts behind the offset and the epoch, so that a broker can write both without a new one.
            None => data.put_slice(self.bytes.get(16..).unwrap_or_default()),
            Some(time) => {
                let mut checked = BytesMut::with_capacity(self.bytes.len());
                checked.put_i16(self.header.attributes | LOG_APPEND_TIME_BIT);
                checked.put_i32(self.header.last_offset_delta);
                checked.put_i64(self.header.base_timestamp);
                checked.put_i64(time);
                checked.put_slice(self.bytes.get(AFTER_TIMESTAMPS..).unwrap_or_default());
                data.put_i8(self.header.magic);
                data.put_u32(crc32c::crc32c(&checked));
                data.put_slice(&checked);
            }
        }
        Stored {
            base_offset,
            last_offset: base_offset + i64::from(self.header.last_offset_delta),
            max_timestamp: self.max_timestamp,
            max_timestamp_offset: base_offset + self.max_timestamp_delta,
            data: data.freeze(),
        }
    }
}

/// Sequence numbers start again at 0 after the largest.
pub(super) fn add_to_sequence(sequence: i32, count: i32) -> i32 {
    sequence.wrapping_add(count) & i32::MAX
}

fn check_header(header: &Header) -> Result<(), Refused> {
    let invalid = |message: String| refuse(ResponseError::InvalidRecord, message);
    if header.base_offset != 0 {
        return invalid(format!("a producer's batch has base offset 0, not {}", header.base_offset));
    }
    if header.attributes & CONTROL_BIT != 0 {
        return invalid("control batches are for the broker alone to write".into());
    }
    if header.attributes & TRANSACTIONAL_BIT != 0 {
        return refuse(
            ResponseError::TransactionalIdAuthorizationFailed,
            "this broker has no transactions: produce without a transactional.id",
        );
    }
    if header.producer_id >= 0 && (header.producer_epoch < 0 || header.base_sequence < 0) {
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

struct Times {
    max: i64,
    max_delta: i64,
}

fn check_records(bytes: &Bytes, header: &Header, rules: &Rules, now_ms: i64) -> Result<Times, Refused> {
    let Some(codec) = header.codec() else {
        return refuse(
            ResponseError::UnsupportedCompressionType,
            "the batch is compressed in an unknown way",
        );
    };
    let mut times = Times { max: i64::MIN, max_delta: 0 };
    let mut fault = None;
    let mut expected = 0;
    let walked =
        records::walk(codec, bytes.get(HEADER..).unwrap_or_default(), header.record_count, |record| {
            match check_record(&record, expected, header, rules, now_ms) {
                Ok(timestamp) => {
                    if timestamp > times.max {
                        times = Times { max: timestamp, max_delta: expected };
                    }
                    expected += 1;
                    ControlFlow::Continue(())
                }
                Err(refusal) => {
                    fault = Some(Refused { refusal, record: i32::try_from(expected).ok() });
                    ControlFlow::Break(())
                }
            }
        });
    match (fault, walked) {
        (Some(refused), _) => Err(refused),
        (None, Err(error)) => refuse(ResponseError::InvalidRecord, error.to_string()),
        (None, Ok(())) => Ok(times),
    }
}

/// The record's timestamp, where nothing is wrong with it.
fn check_record(
    record: &Record,
    expected: i64,
    header: &Header,
    rules: &Rules,
    now_ms: i64,
) -> Result<i64, Refusal> {
    if record.offset_delta != expected {
        return Err(Refusal::new(
            ResponseError::InvalidRecord,
            format!("record {expected} of the batch has offset delta {}", record.offset_delta),
        ));
    }
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

/// A batch in its place in a log.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(super) base_offset: i64,
    pub(super) last_offset: i64,
    pub(super) max_timestamp: i64,
    pub(super) max_timestamp_offset: i64,
    pub(super) data: Bytes,
}

impl Stored {
    /// The first record at or after `timestamp` (milliseconds since 1970), as offset and timestamp. Reads the records, so it
    /// belongs outside of the log's lock.
    pub(crate) fn first_at(&self, timestamp: i64) -> Option<(i64, i64)> {
        let header = Header::parse(&self.data)?;
        if header.is_log_append_time() {
            return (header.max_timestamp >= timestamp).then_some((self.base_offset, header.max_timestamp));
        }
        let mut found = None;
        let payload = self.data.get(HEADER..)?;
        // What is in a log was walked before without an error.
        let _ = records::walk(header.codec()?, payload, header.record_count, |record| {
            let time = header.base_timestamp.saturating_add(record.timestamp_delta);
            if time < timestamp {
                return ControlFlow::Continue(());
            }
            found = Some((self.base_offset + record.offset_delta, time));
            ControlFlow::Break(())
        });
        found
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
