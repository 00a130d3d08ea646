//! Reads the records in a batch without keeping them, or one by one for compaction.
//!
//! A record is a length, followed by varints and byte strings:
//! <https://kafka.apache.org/documentation/#record>. The broker needs a record's number, its time, and
//! whether it has a key and a value. It skips the rest but checks every length, so that no consumer stumbles
//! over what a producer garbled. A compressed batch is decompressed on the fly, in constant memory.

use super::compression::Codec;
use std::{
    io::{self, BufRead},
    ops::ControlFlow,
};

/// The parts of a record that the broker reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) offset_delta: i64,
    /// Milliseconds after the batch's base timestamp.
    pub(super) timestamp_delta: i64,
    pub(super) has_key: bool,
    pub(super) has_value: bool,
}

/// The parts of a record that compaction reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole<'a> {
    /// The whole record, including its length.
    pub(super) bytes: &'a [u8],
    pub(super) offset_delta: i64,
    pub(super) timestamp_delta: i64,
    pub(super) key: Option<&'a [u8]>,
    /// A record without a value deletes its key.
    pub(super) has_value: bool,
}

/// Why the records could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Garbled {
    #[error("the records cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("a record has a field longer than itself")]
    Length,
    #[error("a record has a number of more than 64 bits")]
    Number,
    #[error("a record is longer than its fields")]
    Leftover,
    #[error("the batch has more records than it says")]
    MoreRecords,
}

/// Shows each of `count` records to `visit`, in order, until `visit` breaks off. `payload` is a batch without
/// its header.
pub(super) fn walk(
    codec: Codec,
    payload: &[u8],
    count: i32,
    visit: impl FnMut(Record) -> ControlFlow<()>,
) -> Result<(), Garbled> {
    match codec {
        // Most batches aren't compressed; this path needs no allocation and no dynamic call.
        Codec::None => walk_plain(payload, count, visit),
        _ => walk_plain(codec.reader(payload)?, count, visit),
    }
}

fn walk_plain(
    mut input: impl BufRead,
    count: i32,
    mut visit: impl FnMut(Record) -> ControlFlow<()>,
) -> Result<(), Garbled> {
    for _ in 0..count {
        if visit(read_record(&mut input)?).is_break() {
            return Ok(());
        }
    }
    if input.fill_buf()?.is_empty() { Ok(()) } else { Err(Garbled::MoreRecords) }
}

fn read_record(input: &mut impl BufRead) -> Result<Record, Garbled> {
    let mut fields = Fields::of_record(input)?;
    let timestamp_delta = fields.number()?;
    let offset_delta = fields.number()?;
    let has_key = fields.skip_bytes()?;
    let has_value = fields.skip_bytes()?;
    fields.skip_headers()?;
    Ok(Record { offset_delta, timestamp_delta, has_key, has_value })
}

/// Takes the next record off the front of decompressed records; `None` at the end.
pub(super) fn next<'a>(records: &mut &'a [u8]) -> Result<Option<Whole<'a>>, Garbled> {
    if records.is_empty() {
        return Ok(None);
    }
    let from = *records;
    let mut fields = Fields::of_record(records)?;
    let timestamp_delta = fields.number()?;
    let offset_delta = fields.number()?;
    let key = fields.bytes()?;
    let has_value = fields.skip_bytes()?;
    fields.skip_headers()?;
    let bytes = from.get(..from.len() - records.len()).unwrap_or_default();
    Ok(Some(Whole { bytes, offset_delta, timestamp_delta, key, has_value }))
}

/// The rest of one record.
struct Fields<'a, R> {
    input: &'a mut R,
    left: u64,
}

impl<'a> Fields<'_, &'a [u8]> {
    /// Reads a byte string or null.
    fn bytes(&mut self) -> Result<Option<&'a [u8]>, Garbled> {
        let length = self.number()?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| Garbled::Length)?;
        let (bytes, rest) = self.input.split_at_checked(length).ok_or(Garbled::Length)?;
        self.left = self.left.checked_sub(length as u64).ok_or(Garbled::Length)?;
        *self.input = rest;
        Ok(Some(bytes))
    }
}

impl<'i, R: BufRead> Fields<'i, R> {
    /// Reads the length and the attributes of the next record.
    fn of_record(input: &'i mut R) -> Result<Self, Garbled> {
        // The length itself can take ten bytes.
        let mut fields = Self { input, left: 10 };
        let length = fields.number()?;
        fields.left = u64::try_from(length).map_err(|_| Garbled::Length)?;
        let _attributes = fields.byte()?;
        Ok(fields)
    }

    /// Skips the headers, which end the record.
    fn skip_headers(&mut self) -> Result<(), Garbled> {
        let headers = self.number()?;
        if headers < 0 {
            return Err(Garbled::Length);
        }
        for _ in 0..headers {
            if !self.skip_bytes()? {
                return Err(Garbled::Length);
            }
            self.skip_bytes()?;
        }
        if self.left == 0 { Ok(()) } else { Err(Garbled::Leftover) }
    }

    fn byte(&mut self) -> Result<u8, Garbled> {
        self.left = self.left.checked_sub(1).ok_or(Garbled::Length)?;
        let byte =
            *self.input.fill_buf()?.first().ok_or(io::ErrorKind::UnexpectedEof).map_err(io::Error::from)?;
        self.input.consume(1);
        Ok(byte)
    }

    /// Reads a zigzag varint: seven bits a byte, the lowest first; even numbers are positive, odd ones
    /// negative.
    fn number(&mut self) -> Result<i64, Garbled> {
        let mut bits = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            bits |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
        }
        Err(Garbled::Number)
    }

    /// Skips a byte string. Returns `false` if it is null (length -1).
    fn skip_bytes(&mut self) -> Result<bool, Garbled> {
        let length = self.number()?;
        if length == -1 {
            return Ok(false);
        }
        let mut length = u64::try_from(length).map_err(|_| Garbled::Length)?;
        self.left = self.left.checked_sub(length).ok_or(Garbled::Length)?;
        while length > 0 {
            let here = self.input.fill_buf()?.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            if here == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            self.input.consume(here);
            length -= here as u64;
        }
        Ok(true)
    }
}
