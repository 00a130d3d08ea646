//! Record batches, valid and invalid.

use bytes::{BufMut, Bytes, BytesMut};

/// A batch to build: change its fields, then call [`Batch::bytes`].
#[derive(Debug, Clone)]
pub struct Batch {
    pub base_offset: i64,
    pub leader_epoch: i32,
    pub magic: i8,
    pub attributes: i16,
    pub timestamp: i64,
    /// Producer id, epoch and first sequence number.
    pub producer: (i64, i16, i32),
    /// Each record's key and value.
    pub records: Vec<(Option<&'static str>, Option<String>)>,
    /// False values for the header.
    pub count: Option<i32>,
    pub last_offset_delta: Option<i32>,
    pub max_timestamp: Option<i64>,
    /// An error of the checksum.
    pub crc_off_by: u32,
}

impl Batch {
    /// Returns a valid batch of one record.
    pub fn of(value: &str) -> Self {
        Self::of_all(&[value])
    }

    pub fn of_all(values: &[&str]) -> Self {
        Self {
            base_offset: 0,
            leader_epoch: -1,
            magic: 2,
            attributes: 0,
            timestamp: now(),
            producer: (-1, -1, -1),
            records: values.iter().map(|value| (Some("key"), Some((*value).to_owned()))).collect(),
            count: None,
            last_offset_delta: None,
            max_timestamp: None,
            crc_off_by: 0,
        }
    }

    pub fn bytes(&self) -> Bytes {
        let mut checked = BytesMut::new();
        let count = i32::try_from(self.records.len()).unwrap();
        checked.put_i16(self.attributes);
        checked.put_i32(self.last_offset_delta.unwrap_or(count - 1));
        checked.put_i64(self.timestamp);
        checked.put_i64(self.max_timestamp.unwrap_or(self.timestamp));
        checked.put_i64(self.producer.0);
        checked.put_i16(self.producer.1);
        checked.put_i32(self.producer.2);
        checked.put_i32(self.count.unwrap_or(count));
        for (delta, (key, value)) in (0..).zip(&self.records) {
            let mut record = BytesMut::new();
            record.put_u8(0);
            number(&mut record, 0);
            number(&mut record, delta);
            bytes(&mut record, *key);
            bytes(&mut record, value.as_deref());
            number(&mut record, 0);
            number(&mut checked, i64::try_from(record.len()).unwrap());
            checked.put_slice(&record);
        }
        let mut batch = BytesMut::new();
        batch.put_i64(self.base_offset);
        batch.put_i32(i32::try_from(checked.len()).unwrap() + 9);
        batch.put_i32(self.leader_epoch);
        batch.put_i8(self.magic);
        batch.put_u32(crc32c::crc32c(&checked).wrapping_add(self.crc_off_by));
        batch.put_slice(&checked);
        batch.freeze()
    }
}

/// Returns the time in milliseconds since 1970.
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn bytes(out: &mut BytesMut, bytes: Option<&str>) {
    number(out, bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap()));
    out.put_slice(bytes.unwrap_or_default().as_bytes());
}

/// Writes a zigzag varint.
fn number(out: &mut BytesMut, number: i64) {
    let mut bits = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while bits >= 0x80 {
        out.put_u8(u8::try_from(bits & 0x7f).unwrap() | 0x80);
        bits >>= 7;
    }
    out.put_u8(u8::try_from(bits).unwrap());
}
