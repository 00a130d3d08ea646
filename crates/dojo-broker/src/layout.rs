//! Checks, before a request is decoded, that its lists fit into its bytes.
//!
//! A list begins with its length, and a decoder that believes it reserves that much memory: a request of
//! twenty bytes could ask for hundreds of gigabytes, upon which the operating system kills the process. So
//! the broker first walks over a request without reserving anything, and refuses it unless every item is
//! there.

use std::ops::RangeInclusive;

/// How many items all lists of one request may have together. Each becomes a structure of at most a few
/// hundred bytes.
const MAX_ITEMS: usize = 100_000;

/// The longest string, in bytes, as in Kafka. Newer requests could announce longer ones, which no name needs.
const MAX_TEXT: usize = i16::MAX as usize;

/// The layout of a piece of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layout {
    /// This number of bytes.
    Fixed(usize),
    /// A string or null.
    Text,
    /// Bytes or null.
    Blob,
    /// A list, or null, of pieces with this layout.
    List(&'static Layout),
    /// A structure that may be missing; a byte before it says whether it is there.
    Maybe(&'static Layout),
    /// Fields one after another.
    Struct(&'static [Field]),
}

/// A piece of a structure, and the versions that have it.
#[derive(Debug)]
pub(crate) struct Field {
    versions: RangeInclusive<i16>,
    layout: Layout,
}

/// A field of every version.
pub(crate) const fn always(layout: Layout) -> Field {
    between(0, i16::MAX, layout)
}

/// A field that came with `version`.
pub(crate) const fn since(version: i16, layout: Layout) -> Field {
    between(version, i16::MAX, layout)
}

/// A field that `version` was the last to have.
pub(crate) const fn until(version: i16, layout: Layout) -> Field {
    between(0, version, layout)
}

/// A field of the versions from `first` to `last`.
pub(crate) const fn between(first: i16, last: i16, layout: Layout) -> Field {
    Field { versions: first..=last, layout }
}

/// Why a request's layout is wrong.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Malformed {
    #[error("the request ends in the middle of a field")]
    Short,
    #[error("a field of the request has an impossible length")]
    Length,
    #[error("the request lists more than {MAX_ITEMS} things")]
    TooManyItems,
}

/// Walks over the body of a request. `flexible` requests (KIP-482) write lengths as varints and end every
/// structure with fields that may be unknown.
///
/// # Errors
/// If a field ends after the request does, or if there are too many items.
pub(crate) fn check_layout(
    body: &[u8],
    fields: &[Field],
    version: i16,
    flexible: bool,
) -> Result<(), Malformed> {
    walk(body, fields, version, flexible).map(|_| ())
}

/// Returns how many bytes are left after the last field.
fn walk(body: &[u8], fields: &[Field], version: i16, flexible: bool) -> Result<usize, Malformed> {
    let mut walker = Walker { left: body, version, flexible, items: 0 };
    walker.fields(fields)?;
    Ok(walker.left.len())
}

struct Walker<'a> {
    left: &'a [u8],
    version: i16,
    flexible: bool,
    items: usize,
}

impl Walker<'_> {
    fn fields(&mut self, fields: &[Field]) -> Result<(), Malformed> {
        for field in fields {
            if field.versions.contains(&self.version) {
                self.piece(&field.layout)?;
            }
        }
        if self.flexible { self.tagged_fields() } else { Ok(()) }
    }

    fn piece(&mut self, layout: &Layout) -> Result<(), Malformed> {
        match layout {
            Layout::Fixed(size) => self.skip(*size),
            Layout::Text => {
                let length = if self.flexible { self.compact_length()? } else { self.short_length()? };
                if length > MAX_TEXT {
                    return Err(Malformed::Length);
                }
                self.skip(length)
            }
            Layout::Blob => {
                let length = self.length()?;
                self.skip(length)
            }
            Layout::List(item) => {
                let items = self.length()?;
                self.items = self.items.saturating_add(items);
                if self.items > MAX_ITEMS {
                    return Err(Malformed::TooManyItems);
                }
                (0..items).try_for_each(|_| self.piece(item))
            }
            Layout::Maybe(item) => match i8::from_be_bytes(self.take()?) {
                -1 => Ok(()),
                1 => self.piece(item),
                _ => Err(Malformed::Length),
            },
            Layout::Struct(fields) => self.fields(fields),
        }
    }

    fn tagged_fields(&mut self) -> Result<(), Malformed> {
        for _ in 0..self.varint()? {
            let _tag = self.varint()?;
            let size = self.varint()?;
            self.skip(size)?;
        }
        Ok(())
    }

    fn skip(&mut self, count: usize) -> Result<(), Malformed> {
        self.left = self.left.get(count..).ok_or(Malformed::Short)?;
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.left.split_first_chunk().ok_or(Malformed::Short)?;
        self.left = rest;
        Ok(*bytes)
    }

    /// Reads the length of a list or of bytes; null counts as 0.
    fn length(&mut self) -> Result<usize, Malformed> {
        if self.flexible {
            return self.compact_length();
        }
        match i32::from_be_bytes(self.take()?) {
            -1 => Ok(0),
            length => usize::try_from(length).map_err(|_| Malformed::Length),
        }
    }

    fn short_length(&mut self) -> Result<usize, Malformed> {
        match i16::from_be_bytes(self.take()?) {
            -1 => Ok(0),
            length => usize::try_from(length).map_err(|_| Malformed::Length),
        }
    }

    /// Reads a length that is written as one more than it is; 0 stands for null.
    fn compact_length(&mut self) -> Result<usize, Malformed> {
        Ok(self.varint()?.saturating_sub(1))
    }

    fn varint(&mut self) -> Result<usize, Malformed> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let [byte] = self.take()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value)
                    .ok()
                    .and_then(|value| usize::try_from(value).ok())
                    .ok_or(Malformed::Length);
            }
        }
        Err(Malformed::Length)
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
