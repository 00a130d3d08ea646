//! Batches as a producer sends them, for tests.

use super::compression::{Codec, tests::compress};
use bytes::{BufMut, Bytes, BytesMut};

/// A batch to build: change its fields, then call [`Sample::bytes`].
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(super) codec: Codec,
    pub(super) magic: i8,
    pub(super) base_offset: i64,
    pub(super) attributes: i16,
    pub(super) producer: (i64, i16, i32),
    pub(super) base_timestamp: i64,
    /// The timestamp, key and value of each record.
    pub(super) records: Vec<(i64, Option<&'static str>, Option<&'static str>)>,
    /// A false count for the header.
    pub(super) record_count: Option<i32>,
    pub(super) max_timestamp: Option<i64>,
}

impl Sample {
    /// A batch of records with these timestamps.
    pub(crate) fn at(timestamps: &[i64]) -> Self {
        Self {
            codec: Codec::None,
            magic: 2,
            base_offset: 0,
            attributes: 0,
            producer: (-1, -1, -1),
            base_timestamp: timestamps.first().copied().unwrap_or(0),
            records: timestamps.iter().map(|timestamp| (*timestamp, Some("key"), Some("value"))).collect(),
            record_count: None,
            max_timestamp: None,
        }
    }

    /// The same batch, compressed.
    pub(crate) fn compressed(self, codec: Codec) -> Self {
        Self { codec, ..self }
    }

    /// The same batch in a transaction.
    pub(crate) fn in_transaction(self, producer_id: i64, epoch: i16, sequence: i32) -> Self {
        Self { attributes: 0x10, producer: (producer_id, epoch, sequence), ..self }
    }

    pub(crate) fn bytes(&self) -> Bytes {
        let mut records = BytesMut::new();
        for (delta, (timestamp, key, value)) in (0..).zip(&self.records) {
            record(&mut records, timestamp - self.base_timestamp, delta, *key, *value);
        }
        let count = i32::try_from(self.records.len()).unwrap();
        let mut checked = BytesMut::new();
        checked.put_i16(self.attributes | self.codec as i16);
        checked.put_i32(self.record_count.unwrap_or(count) - 1);
        checked.put_i64(self.base_timestamp);
        let max = self.records.iter().map(|(timestamp, ..)| *timestamp).max();
        checked.put_i64(self.max_timestamp.or(max).unwrap_or(-1));
        checked.put_i64(self.producer.0);
        checked.put_i16(self.producer.1);
        checked.put_i32(self.producer.2);
        checked.put_i32(self.record_count.unwrap_or(count));
        checked.put_slice(&compress(self.codec, &records));
        let mut batch = BytesMut::new();
        batch.put_i64(self.base_offset);
        batch.put_i32(i32::try_from(checked.len()).unwrap() + 9);
        batch.put_i32(-1);
        batch.put_i8(self.magic);
        batch.put_u32(crc32c::crc32c(&checked));
        batch.put_slice(&checked);
        batch.freeze()
    }
}

fn record(
    out: &mut BytesMut,
    timestamp_delta: i64,
    offset_delta: i64,
    key: Option<&str>,
    value: Option<&str>,
) {
    let mut body = BytesMut::new();
    body.put_u8(0);
    number(&mut body, timestamp_delta);
    number(&mut body, offset_delta);
    string(&mut body, key);
    string(&mut body, value);
    number(&mut body, 2);
    for value in [Some("h"), None] {
        string(&mut body, Some("header"));
        string(&mut body, value);
    }
    number(out, i64::try_from(body.len()).unwrap());
    out.put_slice(&body);
}

fn string(out: &mut BytesMut, text: Option<&str>) {
    number(out, text.map_or(-1, |text| i64::try_from(text.len()).unwrap()));
    out.put_slice(text.unwrap_or_default().as_bytes());
}

fn number(out: &mut BytesMut, number: i64) {
    let mut bits = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while bits >= 0x80 {
        out.put_u8(u8::try_from(bits & 0x7f).unwrap() | 0x80);
        bits >>= 7;
    }
    out.put_u8(u8::try_from(bits).unwrap());
}
