//! The header of a record batch: the fields before its records.
//!
//! The format is v2, of 2017: <https://kafka.apache.org/documentation/#recordbatch> (KIP-98). The checksum
//! covers what comes after it. The offset and the leader's epoch come before, so that a broker can write
//! those two without a new checksum.

use super::compression::Codec;
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// How many bytes come before the records.
pub(super) const HEADER_LEN: usize = 61;
/// How many bytes a batch's length field doesn't count: the base offset and the length field itself.
pub(super) const UNCOUNTED_LEN: usize = 12;
/// Where the part begins that the checksum covers: at the attributes.
pub(super) const CHECKSUM_START: usize = 21;

const CODEC_BITS: i16 = 0b0000_0111;
const LOG_APPEND_TIME_BIT: i16 = 0b0000_1000;
pub(super) const TRANSACTIONAL_BIT: i16 = 0b0001_0000;
pub(super) const CONTROL_BIT: i16 = 0b0010_0000;

/// The leader's epoch of every batch: with one node, leadership never changes.
pub(crate) const LEADER_EPOCH: i32 = 0;
/// The timestamp of a record without one.
pub(super) const NO_TIMESTAMP: i64 = -1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) base_offset: i64,
    /// The length of the whole batch in bytes, including this header.
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
    /// Reads the header at the start of `bytes`; `None` if they are too short.
    pub(super) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let base_offset = bytes.try_get_i64().ok()?;
        let length = usize::try_from(bytes.try_get_i32().ok()?).ok()?.checked_add(UNCOUNTED_LEN)?;
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

    /// Returns the batch: this header, with the length and checksum of `records`, and the records. `self.length` and
    /// `self.crc` are ignored.
    pub(super) fn seal(&self, records: &[u8]) -> BytesMut {
        let mut batch = BytesMut::with_capacity(HEADER_LEN + records.len());
        batch.put_i64(self.base_offset);
        // A batch that is too long for its length field is longer than any request.
        batch.put_i32(i32::try_from(HEADER_LEN - UNCOUNTED_LEN + records.len()).unwrap_or(i32::MAX));
        batch.put_i32(LEADER_EPOCH);
        batch.put_i8(self.magic);
        batch.put_u32(0);
        batch.put_i16(self.attributes);
        batch.put_i32(self.last_offset_delta);
        batch.put_i64(self.base_timestamp);
        batch.put_i64(self.max_timestamp);
        batch.put_i64(self.producer_id);
        batch.put_i16(self.producer_epoch);
        batch.put_i32(self.base_sequence);
        batch.put_i32(self.record_count);
        batch.put_slice(records);
        let crc = batch.get(CHECKSUM_START..).map(crc32c::crc32c).unwrap_or_default();
        if let Some(field) = batch.get_mut(CHECKSUM_START - 4..CHECKSUM_START) {
            field.copy_from_slice(&crc.to_be_bytes());
        }
        batch
    }

    /// Returns whether the checksum is right for `batch`, from which this header was read.
    pub(super) fn checksum_matches(&self, batch: &[u8]) -> bool {
        batch.get(CHECKSUM_START..).map(crc32c::crc32c) == Some(self.crc)
    }

    pub(super) fn codec(&self) -> Option<Codec> {
        Codec::from_bits(self.attributes & CODEC_BITS)
    }

    pub(super) fn with_codec(self, codec: Codec) -> Self {
        Self { attributes: self.attributes & !CODEC_BITS | codec as i16, ..self }
    }

    /// Returns whether every record has the broker's time, which is then the maximum timestamp.
    pub(super) fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME_BIT != 0
    }

    pub(super) fn with_log_append_time(self, time: i64) -> Self {
        Self { attributes: self.attributes | LOG_APPEND_TIME_BIT, max_timestamp: time, ..self }
    }

    /// The records keep their own times, of which `latest` is the latest.
    pub(super) fn with_create_time(self, latest: i64) -> Self {
        Self { attributes: self.attributes & !LOG_APPEND_TIME_BIT, max_timestamp: latest, ..self }
    }

    /// Returns the time of the record that is `delta` milliseconds after the batch's first.
    pub(super) fn timestamp(&self, delta: i64) -> i64 {
        if self.is_log_append_time() { self.max_timestamp } else { self.base_timestamp.saturating_add(delta) }
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Returns whether the batch is a marker that ends a transaction. Consumers never show it.
    pub(super) fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }
}

/// Returns the bytes behind the header.
pub(super) fn records(batch: &Bytes) -> &[u8] {
    batch.get(HEADER_LEN..).unwrap_or_default()
}
