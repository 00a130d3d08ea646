use super::{
    super::{
        compression::tests::ALL,
        header::{CHECKSUM_START, CONTROL_BIT},
        sample::Sample,
    },
    *,
};
use proptest::prelude::*;

const NOW: i64 = 1_700_000_000_000;

const RULES: Rules = Rules {
    max_bytes: 1_048_588,
    max_age_ms: i64::MAX,
    max_ahead_ms: 3_600_000,
    log_append_time: false,
    needs_keys: false,
    compression: None,
};

fn check(sample: &Sample) -> Result<Checked, Refused> {
    Checked::check(sample.bytes(), &RULES, NOW)
}

fn error(bytes: Bytes, rules: &Rules) -> ResponseError {
    Checked::check(bytes, rules, NOW).unwrap_err().refusal.error
}

/// Returns the indexes of the records that are named as faulty.
fn named(refused: &Refused) -> Vec<i32> {
    refused.records.iter().map(|fault| fault.index).collect()
}

#[test]
fn a_batch_is_stored_as_it_was_sent_but_for_offset_and_epoch() {
    for codec in ALL {
        let sent = Sample { codec, ..Sample::at(&[NOW, NOW + 5, NOW + 3]) }.bytes();
        let stored = Checked::check(sent.clone(), &RULES, NOW).unwrap().stored_at(1000);
        assert_eq!((stored.base_offset, stored.last_offset), (1000, 1002));
        assert_eq!((stored.max_timestamp, stored.max_timestamp_offset), (NOW + 5, 1001));
        assert_eq!(stored.data[..8], 1000_i64.to_be_bytes());
        assert_eq!(stored.data[8..12], sent[8..12]);
        assert_eq!(stored.data[12..16], LEADER_EPOCH.to_be_bytes());
        assert_eq!(stored.data[16..], sent[16..]);
    }
}

#[test]
fn the_first_record_at_a_time_is_found_within_a_batch_compressed_or_not() {
    for codec in ALL {
        let sample = Sample { codec, ..Sample::at(&[NOW, NOW + 5, NOW + 3, NOW + 9]) };
        let stored = check(&sample).unwrap().stored_at(100);
        assert_eq!(stored.first_at(0, 0), Some((100, NOW)), "{codec:?}");
        assert_eq!(stored.first_at(NOW + 2, 0), Some((101, NOW + 5)), "{codec:?}");
        assert_eq!(stored.first_at(NOW + 6, 0), Some((103, NOW + 9)), "{codec:?}");
        assert_eq!(stored.first_at(NOW + 10, 0), None, "{codec:?}");
    }
}

#[test]
fn the_latest_time_is_the_records_not_what_the_header_claims() {
    let liar = Sample { max_timestamp: Some(NOW + 1_000_000_000), ..Sample::at(&[NOW, NOW + 1]) };
    assert_eq!(check(&liar).unwrap().stored_at(0).max_timestamp, NOW + 1);
}

#[test]
fn with_log_append_time_every_record_has_the_brokers_time_and_the_checksum_still_holds() {
    let rules = Rules { log_append_time: true, ..RULES };
    let checked = Checked::check(Sample::at(&[5, 9]).bytes(), &rules, NOW).unwrap();
    assert_eq!(checked.log_append_time(), Some(NOW));
    let stored = checked.stored_at(40);
    let header = Header::parse(&stored.data).unwrap();
    assert!(header.is_log_append_time());
    assert_eq!(header.max_timestamp, NOW);
    assert_eq!(header.crc, crc32c::crc32c(&stored.data[CHECKSUM_START..]));
    assert_eq!(stored.first_at(NOW, 0), Some((40, NOW)));
    assert_eq!(stored.max_timestamp_offset, 40);
}

#[test]
fn a_wrong_maximum_in_the_header_is_put_right() {
    let liar = Sample { max_timestamp: Some(NOW + 1_000_000_000), ..Sample::at(&[NOW, NOW + 1]) };
    let stored = check(&liar).unwrap().stored_at(0);
    let header = stored.header().unwrap();
    assert_eq!(header.max_timestamp, NOW + 1);
    assert!(header.checksum_matches(&stored.data));
}

#[test]
fn a_topics_own_compression_replaces_the_producers_and_keeps_every_record() {
    let timestamps: Vec<i64> = (0..500).map(|n| NOW + n % 50).collect();
    let plain = Sample { producer: (7, 3, 11), ..Sample::at(&timestamps) };
    let records = header::records(&plain.bytes()).to_vec();
    for sent in ALL {
        for codec in ALL {
            let compression = Some(Compression { codec, gzip_level: 9 });
            let rules = Rules { compression, ..RULES };
            let bytes = Sample { codec: sent, ..plain.clone() }.bytes();
            let stored = Checked::check(bytes.clone(), &rules, NOW).unwrap().stored_at(100);
            let header = stored.header().unwrap();
            assert!(header.checksum_matches(&stored.data) && header.length == stored.data.len());
            assert_eq!(header.codec(), Some(codec));
            let sender = (header.producer_id, header.producer_epoch, header.base_sequence);
            assert_eq!((sender, header.last_offset_delta, header.record_count), ((7, 3, 11), 499, 500));
            let mut back = Vec::new();
            let payload = header::records(&stored.data);
            codec.reader(payload).unwrap().read_to_end(&mut back).unwrap();
            assert!(back == records, "{sent:?} to {codec:?}");
            assert_eq!(sent == codec, stored.data[16..] == bytes[16..], "{sent:?} to {codec:?}");
        }
    }
}

#[test]
fn a_batch_that_is_too_large_once_it_is_stored_is_refused() {
    let bytes = Sample { codec: Codec::Gzip, ..Sample::at(&[NOW; 1000]) }.bytes();
    let compression = Some(Compression { codec: Codec::None, gzip_level: -1 });
    let rules = Rules { compression, max_bytes: 2 * bytes.len(), ..RULES };
    assert!(Checked::check(bytes.clone(), &Rules { compression: None, ..rules }, NOW).is_ok());
    assert_eq!(error(bytes, &rules), ResponseError::MessageTooLarge);
}

#[test]
fn what_apache_kafka_refuses_is_refused_with_its_code() {
    let good = Sample::at(&[NOW, NOW]);
    let refused = |sample: Sample| error(sample.bytes(), &RULES);
    assert_eq!(refused(Sample { magic: 1, ..good.clone() }), ResponseError::InvalidRecord);
    assert_eq!(refused(Sample { base_offset: 1, ..good.clone() }), ResponseError::InvalidRecord);
    assert_eq!(refused(Sample { attributes: CONTROL_BIT, ..good.clone() }), ResponseError::InvalidRecord);
    assert_eq!(refused(Sample { magic: 3, ..good.clone() }), ResponseError::CorruptMessage);
    assert_eq!(refused(Sample { producer: (1, -1, 0), ..good.clone() }), ResponseError::InvalidProducerEpoch);
    assert_eq!(refused(Sample { attributes: 7, ..good.clone() }), ResponseError::UnsupportedCompressionType);
    assert_eq!(refused(Sample { producer: (1, 0, -1), ..good.clone() }), ResponseError::InvalidRecord);
    for record_count in [-1, 0, 1, 3] {
        let record_count = Some(record_count);
        assert_eq!(refused(Sample { record_count, ..good.clone() }), ResponseError::InvalidRecord);
    }
    assert_eq!(refused(Sample::at(&[])), ResponseError::InvalidRecord);
    let bytes = good.bytes();
    assert_eq!(error(bytes.slice(..60), &RULES), ResponseError::InvalidRecord);
    assert_eq!(error(bytes.slice(..bytes.len() - 1), &RULES), ResponseError::InvalidRecord);
    assert_eq!(error([&bytes[..], &bytes].concat().into(), &RULES), ResponseError::InvalidRecord);
    assert_eq!(error(bytes, &Rules { max_bytes: 60, ..RULES }), ResponseError::MessageTooLarge);
}

#[test]
fn a_bit_that_fell_over_on_the_way_is_noticed() {
    let bytes = Sample::at(&[NOW]).bytes();
    for at in CHECKSUM_START..bytes.len() {
        let mut garbled = BytesMut::from(&bytes[..]);
        garbled[at] ^= 0x10;
        assert_eq!(error(garbled.freeze(), &RULES), ResponseError::CorruptMessage);
    }
}

#[test]
fn a_producer_that_says_its_times_are_the_brokers_keeps_its_own() {
    let said = Sample { attributes: 8, ..Sample::at(&[NOW - 7, NOW - 5]) };
    let stored = Checked::check(said.bytes(), &RULES, NOW).unwrap().stored_at(0);
    assert_eq!(stored.max_timestamp, NOW - 5);
    assert!(!Header::parse(&stored.data).unwrap().is_log_append_time());
}

#[test]
fn a_record_out_of_time_is_named() {
    let late = Sample::at(&[NOW, NOW + 60_001]);
    let rules = Rules { max_ahead_ms: 60_000, ..RULES };
    let refused = Checked::check(late.bytes(), &rules, NOW).unwrap_err();
    assert_eq!((refused.refusal.error, named(&refused)), (ResponseError::InvalidTimestamp, vec![1]));
    let rules = Rules { max_age_ms: 1000, ..RULES };
    assert_eq!(error(Sample::at(&[NOW - 1001]).bytes(), &rules), ResponseError::InvalidTimestamp);
    assert!(Checked::check(Sample::at(&[NOW - 1000]).bytes(), &rules, NOW).is_ok());
    // The broker's own time is always in range.
    let rules = Rules { log_append_time: true, max_ahead_ms: 0, ..RULES };
    assert!(Checked::check(Sample::at(&[NOW + 5]).bytes(), &rules, NOW).is_ok());
}

#[test]
fn a_compacted_topic_names_each_record_without_a_key() {
    let mut sample = Sample::at(&[NOW; 5]);
    sample.records[2].1 = None;
    sample.records[4].1 = None;
    assert!(check(&sample).is_ok());
    let rules = Rules { needs_keys: true, ..RULES };
    let refused = Checked::check(sample.bytes(), &rules, NOW).unwrap_err();
    assert_eq!((refused.refusal.error, named(&refused)), (ResponseError::InvalidRecord, vec![2, 4]));
    sample.records[0].0 = NOW + 3_600_001;
    let refused = Checked::check(sample.bytes(), &rules, NOW).unwrap_err();
    assert_eq!((refused.refusal.error, named(&refused)), (ResponseError::InvalidTimestamp, vec![0, 2, 4]));
    assert!(refused.records[0].message.contains("out of range"), "{refused:?}");
}

#[test]
fn the_number_of_records_that_are_named_is_bounded() {
    let mut sample = Sample::at(&vec![NOW; MAX_FAULTS + 5]);
    sample.records.iter_mut().for_each(|record| record.1 = None);
    let refused = Checked::check(sample.bytes(), &Rules { needs_keys: true, ..RULES }, NOW).unwrap_err();
    assert_eq!(refused.records.len(), MAX_FAULTS);
    assert!(refused.refusal.message.starts_with("10005 records"), "{}", refused.refusal.message);
}

proptest! {
    /// A batch with a valid checksum and any content is either refused or can be read back.
    #[test]
    fn no_batch_makes_the_check_panic(
        codec in 0_usize..5,
        timestamps in prop::collection::vec(any::<i64>(), 0..20),
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let timestamps: Vec<i64> = timestamps.iter().map(|t| t >> 2).collect();
        let mut bytes = BytesMut::from(&Sample { codec: ALL[codec], ..Sample::at(&timestamps) }.bytes()[..]);
        for (at, with) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= with;
        }
        let whole = bytes.len();
        bytes.truncate(if cut.index(4) == 0 { cut.index(whole) } else { whole });
        if bytes.len() > CHECKSUM_START {
            let crc = crc32c::crc32c(&bytes[CHECKSUM_START..]).to_be_bytes();
            bytes[17..21].copy_from_slice(&crc);
        }
        let rules = Rules { max_ahead_ms: i64::MAX, ..RULES };
        if let Ok(checked) = Checked::check(bytes.freeze(), &rules, NOW) {
            let stored = checked.stored_at(7);
            prop_assert_eq!(
                stored.first_at(stored.max_timestamp, 0).map(|(offset, _)| offset),
                Some(stored.max_timestamp_offset)
            );
        }
    }
}
