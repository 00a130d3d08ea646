//! A consumer's metadata for its leader: the topics that it subscribes to.
//!
//! The broker only passes the metadata on, with one exception: before it deletes a group's offsets, it has to
//! know which topics are still read. The layout is that of Kafka's `ConsumerProtocolSubscription`, which
//! begins alike in every version: the version, then a list of names.

/// Returns the topics of a subscription, or `None` if the bytes are something else.
pub(super) fn topics(metadata: &[u8]) -> Option<Vec<&str>> {
    let (_version, mut left) = metadata.split_first_chunk::<2>()?;
    let count = i32::from_be_bytes(take(&mut left)?);
    let mut topics = Vec::new();
    // No memory is reserved for the count, which may be false.
    for _ in 0..count {
        let length = usize::try_from(i16::from_be_bytes(take(&mut left)?)).ok()?;
        let (name, rest) = left.split_at_checked(length)?;
        left = rest;
        topics.push(std::str::from_utf8(name).ok()?);
    }
    Some(topics)
}

fn take<const N: usize>(left: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = left.split_first_chunk()?;
    *left = rest;
    Some(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_and_what_follows_is_not_looked_at() {
        let two = b"\0\x03\0\0\0\x02\0\x06orders\0\x05audit and user data";
        assert_eq!(topics(two), Some(vec!["orders", "audit"]));
        assert_eq!(topics(&[0, 0, 0, 0, 0, 0]), Some(Vec::new()));
    }

    #[test]
    fn bytes_that_are_not_a_subscription_give_none() {
        let cut_off = b"\0\0\0\0\0\x01\0\x06order";
        for bytes in
            [&b""[..], b"orders", cut_off, &[0, 0, 0x7f, 0xff, 0xff, 0xff], &[0, 0, 0, 0, 0, 1, 0xff, 0xff]]
        {
            assert_eq!(topics(bytes), None, "{bytes:?}");
        }
    }
}
