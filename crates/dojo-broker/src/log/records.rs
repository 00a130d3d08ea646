//! The records inside a batch, read without keeping them, or one by one where compaction has to choose among them.
//!
//! A record is a length and then varints and byte strings: <https://kafka.apache.org/documentation/#record>. The broker wants
//! its number, its time, and whether it has a key; the rest is stepped over, but every length is checked on the way, so that no
//! consumer ever stumbles on what a producer garbled. A compressed batch is decompressed on the fly, in constant memory.

use super::compression::Codec;
use std::{
    io::{self, BufRead},
    ops::ControlFlow,
};

/// What the broker looks at in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) offset_delta: i64,
    /// Milliseconds after the batch's base timestamp.
    pub(super) timestamp_delta: i64,
    pub(super) has_key: bool,
    pub(super) has_value: bool,
}

/// A record with what compaction looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole<'a> {
    /// All of it, its length included.
    pub(super) bytes: &'a [u8],
    pub(super) offset_delta: i64,
    pub(super) timestamp_delta: i64,
    pub(super) key: Option<&'a [u8]>,
    /// A record without one deletes its key.
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

/// Shows each of `count` records to `visit`, in order, until it breaks off. `payload` is a batch behind its header.
pub(super) fn walk(
    codec: Codec,
    payload: &[u8],
    count: i32,
    visit: impl FnMut(Record) -> ControlFlow<()>,
) -> Result<(), Garbled> {
    match codec {
        // Most batches come as they are; this way needs neither an allocation nor a call through a pointer.
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

/// Takes the next record off the front of records that are not compressed; `None` behind the last.
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

/// What is left of one record.
struct Fields<'a, R> {
    input: &'a mut R,
    left: u64,
}

impl<'a> Fields<'_, &'a [u8]> {
    /// A byte string, or none.
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
    /// Those of the next record, whose length and attributes are read.
    fn of_record(input: &'i mut R) -> Result<Self, Garbled> {
        // The length comes before what it counts.
        let mut fields = Self { input, left: 10 };
        let length = fields.number()?;
        fields.left = u64::try_from(length).map_err(|_| Garbled::Length)?;
        let _attributes = fields.byte()?;
        Ok(fields)
    }

    /// Steps over the headers, which end the record.
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

    /// A variable-length, zigzag-encoded number: seven bits a byte, the lowest first; even for positive, odd for negative.
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

    /// Steps over a byte string; says whether there was one (length -1: there was none).
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
