use super::*;

fn settings(set: &[(&str, &str)]) -> Result<TopicSettings, String> {
    let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    TopicSettings::new(set).map_err(|refusal| {
        assert_eq!(refusal.error, ResponseError::InvalidConfig);
        refusal.message
    })
}

#[test]
fn every_default_is_valid_and_the_list_is_sorted() {
    for definition in DEFINITIONS {
        assert!(definition.check(definition.default).is_ok(), "{}", definition.name);
    }
    assert!(DEFINITIONS.is_sorted_by_key(|definition| definition.name));
}

#[test]
fn the_configs_that_the_broker_acts_on_become_rules() {
    let topic = settings(&[
        ("cleanup.policy", "compact,delete"),
        ("max.message.bytes", "100"),
        ("message.timestamp.type", "LogAppendTime"),
        ("message.timestamp.after.max.ms", "60000"),
        ("compression.type", "gzip"),
        ("compression.gzip.level", "2"),
        ("retention.ms", "-1"),
        ("retention.bytes", "0"),
        ("min.cleanable.dirty.ratio", "0.1"),
    ])
    .unwrap();
    let expected = Rules {
        max_bytes: 100,
        max_age_ms: i64::MAX,
        max_ahead_ms: 60_000,
        log_append_time: true,
        needs_keys: true,
        compression: Some(Compression { codec: Codec::Gzip, gzip_level: 2 }),
    };
    assert_eq!(*topic.rules(), expected);
    assert_eq!(topic.policy().retention, Some(Retention { ms: None, bytes: Some(0) }));
    assert_eq!(topic.policy().compaction.unwrap().min_dirty_ratio, 0.1);
    assert_eq!(TopicSettings::default().policy().compaction, None);
}

#[test]
fn a_wrong_config_is_refused_with_its_name_and_what_it_may_be() {
    for (name, value, fault) in [
        ("retention", "1", "Unknown topic config name: retention"),
        (
            "retention.ms",
            "soon",
            "Invalid value soon for configuration retention.ms: Not a number of type LONG",
        ),
        (
            "segment.bytes",
            "1",
            "Invalid value 1 for configuration segment.bytes: Value must be at least 1048576",
        ),
        ("min.cleanable.dirty.ratio", "1.5", "Value must be no more than 1"),
        ("min.cleanable.dirty.ratio", "NaN", "Value must be at least 0"),
        (
            "cleanup.policy",
            "delete,shred",
            "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        ("compression.gzip.level", "0", "Value must be between 1 and 9 or equal to -1"),
        ("leader.replication.throttled.replicas", "0:1,x", "must be the literal '*' or a list"),
        ("remote.storage.enable", "true", "Tiered Storage functionality is disabled"),
        ("preallocate", "yes", "Expected value to be either true or false"),
        ("max.message.bytes", "99999999999", "Not a number of type INT"),
    ] {
        let message = settings(&[(name, value)]).unwrap_err();
        assert!(message.contains(fault), "{message}");
    }
}

#[test]
fn configs_that_contradict_each_other_are_refused() {
    let message = settings(&[("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")]).unwrap_err();
    assert!(message.contains("min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"), "{message}");
}

#[test]
fn what_kafka_takes_is_taken() {
    for (name, value) in [
        ("cleanup.policy", ""),
        ("cleanup.policy", " compact , delete "),
        ("compression.gzip.level", "-1"),
        ("retention.bytes", "-2"),
        ("leader.replication.throttled.replicas", "*"),
        ("follower.replication.throttled.replicas", "0:1,1:1"),
        ("preallocate", "TRUE"),
    ] {
        assert!(settings(&[(name, value)]).is_ok(), "{name}={value}");
    }
    let shown = settings(&[
        ("retention.ms", " +05 "),
        ("preallocate", "TRUE"),
        ("cleanup.policy", "delete , compact"),
    ]);
    let shown: Vec<String> = shown
        .unwrap()
        .all()
        .filter(|setting| setting.is_set)
        .map(|setting| setting.value.to_owned())
        .collect();
    assert_eq!(shown, ["delete,compact", "true", "5"]);
    let neither = settings(&[("cleanup.policy", "")]).unwrap();
    assert!(neither.policy().retention.is_none() && neither.policy().compaction.is_none());
}
