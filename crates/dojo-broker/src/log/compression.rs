//! The codecs of batches, in one reader and one writer.
//!
//! A broker mostly stores batches as they come. It decompresses them to check them and to find points in
//! time, and only compresses if a topic asks for another codec than the producer's, and what compaction
//! leaves of a batch. The output is bounded, since a few bytes of gzip can stand for a gigabyte.

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};

/// How many bytes the records of one batch can have once decompressed.
const MAX_DECOMPRESSED: u64 = 256 << 20;
/// Snappy emits at most 64 bytes for a tag, and never more than that for each byte of its input.
const MAX_SNAPPY_RATIO: usize = 64;

/// The codec of a batch (the lowest three bits of its attributes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    pub(super) fn from_bits(bits: i16) -> Option<Self> {
        match bits {
            0 => Some(Self::None),
            1 => Some(Self::Gzip),
            2 => Some(Self::Snappy),
            3 => Some(Self::Lz4),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Decompresses `compressed`. An error in it comes up while reading.
    pub(super) fn reader<'a>(self, compressed: &'a [u8]) -> io::Result<Box<dyn BufRead + 'a>> {
        Ok(match self {
            Self::None => Box::new(compressed),
            Self::Gzip => bounded(flate2::read::MultiGzDecoder::new(compressed)),
            Self::Snappy => bounded(SnappyBlocks::new(compressed)),
            Self::Lz4 => bounded(lz4_flex::frame::FrameDecoder::new(compressed)),
            Self::Zstd => bounded(
                ruzstd::decoding::StreamingDecoder::new(compressed)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?,
            ),
        })
    }
}

/// The codec and level that a batch is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compression {
    pub(crate) codec: Codec,
    /// From 1, the fastest, to 9, the smallest, or -1 for zlib's default. The other codecs have a single
    /// level here.
    pub(crate) gzip_level: i32,
}

impl Compression {
    /// Returns the codec at its default level.
    pub(super) fn plain(codec: Codec) -> Self {
        Self { codec, gzip_level: -1 }
    }

    /// # Errors
    /// If the result is longer than `limit`.
    pub(super) fn compress(self, records: &[u8], limit: usize) -> io::Result<Vec<u8>> {
        let compressed = match self.codec {
            Codec::None => records.to_vec(),
            Codec::Gzip => {
                let level = u32::try_from(self.gzip_level)
                    .map_or_else(|_| Default::default(), flate2::Compression::new);
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(records)?;
                encoder.finish()?
            }
            Codec::Snappy => {
                let mut out = [SNAPPY_MAGIC, &SNAPPY_WRITTEN].concat();
                for chunk in records.chunks(SNAPPY_BLOCK) {
                    let block = snap::raw::Encoder::new().compress_vec(chunk)?;
                    let length = u32::try_from(block.len()).map_err(|_| io::ErrorKind::InvalidData)?;
                    out.extend(length.to_be_bytes());
                    out.extend(block);
                }
                out
            }
            Codec::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(records)?;
                encoder.finish()?
            }
            Codec::Zstd => {
                ruzstd::encoding::compress_to_vec(records, ruzstd::encoding::CompressionLevel::Fastest)
            }
        };
        if compressed.len() > limit {
            return Err(io::Error::other(format!("{} bytes, where {limit} may be", compressed.len())));
        }
        Ok(compressed)
    }
}

fn bounded<'a>(decoder: impl Read + 'a) -> Box<dyn BufRead + 'a> {
    Box::new(BufReader::new(decoder.take(MAX_DECOMPRESSED)))
}

/// Snappy itself has no framing. Kafka's clients cut the records into blocks as the Java library does: a
/// magic word and two version numbers, then each block behind its length. Some clients send one bare block
/// instead. See <https://github.com/xerial/snappy-java#compatibility-notes>.
struct SnappyBlocks<'a> {
    left: &'a [u8],
    framed: bool,
    block: Cursor<Vec<u8>>,
}

const SNAPPY_MAGIC: &[u8] = b"\x82SNAPPY\0";
const SNAPPY_VERSIONS: usize = 8;
/// The version of the framing, and the oldest version that can read it.
const SNAPPY_WRITTEN: [u8; SNAPPY_VERSIONS] = [0, 0, 0, 1, 0, 0, 0, 1];
/// The size of a block before compression.
const SNAPPY_BLOCK: usize = 32 << 10;

impl<'a> SnappyBlocks<'a> {
    fn new(compressed: &'a [u8]) -> Self {
        let framed = compressed.strip_prefix(SNAPPY_MAGIC).and_then(|rest| rest.get(SNAPPY_VERSIONS..));
        Self { left: framed.unwrap_or(compressed), framed: framed.is_some(), block: Cursor::default() }
    }

    fn next_block(&mut self) -> io::Result<&'a [u8]> {
        if !self.framed {
            return Ok(std::mem::take(&mut self.left));
        }
        let (length, rest) = self.left.split_first_chunk::<4>().ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| io::ErrorKind::InvalidData)?;
        let (block, rest) = rest.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.left = rest;
        Ok(block)
    }
}

impl Read for SnappyBlocks<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.block.read(into)?;
            if read > 0 || self.left.is_empty() || into.is_empty() {
                return Ok(read);
            }
            let block = self.next_block()?;
            // The block claims a size; the claim is believed only if it is possible.
            if snap::raw::decompress_len(block)? > block.len().saturating_mul(MAX_SNAPPY_RATIO) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.block = Cursor::new(snap::raw::Decoder::new().decompress_vec(block)?);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Compresses as a client does.
    pub(in crate::log) fn compress(codec: Codec, plain: &[u8]) -> Vec<u8> {
        Compression::plain(codec).compress(plain, usize::MAX).unwrap()
    }

    pub(in crate::log) const ALL: [Codec; 5] =
        [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    #[test]
    fn every_codec_reads_back_what_was_written() {
        let plain: Vec<u8> = (0..200_000_u32).flat_map(|n| (n / 7).to_be_bytes()).collect();
        for codec in ALL {
            let compressed = compress(codec, &plain);
            let mut back = Vec::new();
            codec.reader(&compressed).unwrap().read_to_end(&mut back).unwrap();
            assert!(back == plain, "{codec:?}");
        }
    }

    #[test]
    fn a_bare_snappy_block_is_read_too() {
        let block = snap::raw::Encoder::new().compress_vec(b"no frame around it").unwrap();
        let mut back = Vec::new();
        Codec::Snappy.reader(&block).unwrap().read_to_end(&mut back).unwrap();
        assert_eq!(back, b"no frame around it");
    }

    #[test]
    fn garbage_is_an_error_and_takes_no_memory() {
        // A snappy block that claims to hold four gigabytes.
        let liar = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00];
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            for garbage in [&liar[..], b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff", &[7; 100]] {
                let outcome =
                    codec.reader(garbage).and_then(|mut reader| reader.read_to_end(&mut Vec::new()));
                assert!(outcome.is_err(), "{codec:?} {garbage:?}");
            }
        }
    }
}
