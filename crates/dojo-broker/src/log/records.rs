//! The records inside a batch, read without keeping them.
//!
//! A record is a length and then varints and byte strings: <https://kafka.apache.org/documentation/#record>. The broker wants
//! its number, its time, and whether it has a key; the rest is stepped over, but every length is checked on the way, so that no
//! consumer ever stumbles on what a producer garbled. A compressed batch is decompressed on the fly, in constant memory.

use std::io::{self, BufRead};
use std::ops::ControlFlow;

use super::compression::Codec;

/// What the broker looks at in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) offset_delta: i64,
    /// Milliseconds after the batch's base timestamp.
    pub(super) timestamp_delta: i64,
    pub(super) has_key: bool,
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
    // The length comes before what it counts.
    let mut fields = Fields { input, left: 10 };
    let length = fields.number()?;
    fields.left = u64::try_from(length).map_err(|_| Garbled::Length)?;
    let _attributes = fields.byte()?;
    let timestamp_delta = fields.number()?;
    let offset_delta = fields.number()?;
    let has_key = fields.skip_bytes()?;
    let _has_value = fields.skip_bytes()?;
    let headers = fields.number()?;
    if headers < 0 {
        return Err(Garbled::Length);
    }
    for _ in 0..headers {
        if !fields.skip_bytes()? {
            return Err(Garbled::Length);
        }
        fields.skip_bytes()?;
    }
    if fields.left != 0 {
        return Err(Garbled::Leftover);
    }
    Ok(Record { offset_delta, timestamp_delta, has_key })
}

/// What is left of one record.
struct Fields<'a, R> {
    input: &'a mut R,
    left: u64,
}

impl<R: BufRead> Fields<'_, R> {
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
