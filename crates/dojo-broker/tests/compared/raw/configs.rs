//! DescribeConfigs, AlterConfigs, IncrementalAlterConfigs.

use super::{Raw, text};
use kafka_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest, alter_configs_request,
    describe_configs_request::DescribeConfigsResource,
    incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
};
use std::time::{Duration, Instant};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// The source of Kafka's defaults.
const DEFAULT_SOURCE: i8 = 5;

fn describe(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsRequest {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| text(key)).collect()));
    DescribeConfigsRequest::default().with_resources(vec![resource])
}

pub async fn play(raw: &mut Raw) {
    raw.make("raw-configs", 1, &[("retention.ms", "60000"), ("cleanup.policy", "delete")]).await;
    descriptions(raw).await;
    alterations(raw).await;
}

async fn descriptions(raw: &mut Raw) {
    let everything =
        describe(TOPIC, "raw-configs", None).with_include_synonyms(true).with_include_documentation(true);
    each(raw, &everything).await;
    broker(raw).await;
    let odd = [
        ("retention.ms", " +05 "),
        ("preallocate", "TRUE"),
        ("cleanup.policy", "delete , compact"),
        ("min.cleanable.dirty.ratio", ".25"),
    ];
    raw.make("raw-odd", 1, &odd).await;
    for (name, value) in odd {
        raw.ask(&format!("{name} set to `{value}`"), 4, describe(TOPIC, "raw-odd", Some(&[name]))).await;
    }
    for version in 1..=4 {
        let asked = describe(TOPIC, "raw-configs", Some(&["retention.ms"])).with_include_synonyms(true);
        raw.ask(&format!("one config, version {version}"), version, asked).await;
    }
    let several =
        describe(TOPIC, "raw-configs", Some(&["cleanup.policy", "no.such.config", "cleanup.policy"]));
    raw.ask("two known, one not", 4, several).await;
    let none = raw.call(4, &describe(TOPIC, "raw-configs", Some(&[]))).await.unwrap();
    raw.notes.note("DescribeConfigs: none of its configs", none.results[0].configs.len());
    for (what, kind, name) in [
        ("an unknown topic", TOPIC, "raw-nowhere"),
        ("a topic's name with a space", TOPIC, "a b"),
        ("a topic without a name", TOPIC, ""),
        ("another broker", BROKER, "7"),
        ("all brokers", BROKER, ""),
        ("a broker called one", BROKER, "one"),
        ("a logger of no broker", 8, "7"),
        ("an unknown kind", 99, "x"),
        ("no kind", 0, "x"),
    ] {
        raw.ask(what, 4, describe(kind, name, Some(&["no.such.config"]))).await;
    }
    raw.ask("nothing", 4, DescribeConfigsRequest::default()).await;
    let twice = describe(TOPIC, "raw-configs", Some(&["retention.ms"])).resources;
    let twice = [twice.clone(), twice].concat();
    raw.ask("the same topic twice", 4, DescribeConfigsRequest::default().with_resources(twice)).await;
}

/// Notes each config of a broker, and whether it is Kafka's default. Which of them can be changed differs.
async fn broker(raw: &mut Raw) {
    let answer = raw.call(4, &describe(BROKER, "1", None)).await.unwrap();
    for config in &answer.results[0].configs {
        let seen = format!(
            "{:?}, type {}, sensitive {}, default {}",
            config.value,
            config.config_type,
            config.is_sensitive,
            config.config_source == DEFAULT_SOURCE
        );
        raw.notes.note(format!("config of a broker: {}", config.name.as_str()), seen);
    }
}

/// Notes each config of a topic on its own.
async fn each(raw: &mut Raw, asked: &DescribeConfigsRequest) {
    let answer = raw.call(4, asked).await.unwrap();
    for config in &answer.results[0].configs {
        let synonyms: Vec<String> = config
            .synonyms
            .iter()
            .map(|synonym| format!("{}={:?} from {}", synonym.name.as_str(), synonym.value, synonym.source))
            .collect();
        let seen = format!(
            "{:?} from {}, type {}, read only {}, sensitive {}, synonyms [{}], documented {}",
            config.value,
            config.config_source,
            config.config_type,
            config.read_only,
            config.is_sensitive,
            synonyms.join(", "),
            config.documentation.is_some(),
        );
        raw.notes.note(format!("config of a topic: {}", config.name.as_str()), super::brief(&seen));
    }
}

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

fn change(kind: i8, name: &str, changes: &[(i8, &str, Option<&str>)]) -> IncrementalAlterConfigsRequest {
    let configs = changes.iter().map(|(operation, name, value)| {
        AlterableConfig::default()
            .with_config_operation(*operation)
            .with_name(text(name))
            .with_value(value.map(text))
    });
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(configs.collect());
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
}

/// Notes a config of the topic once the change has reached the broker: Apache Kafka answers a change before
/// that.
async fn settled(raw: &mut Raw, what: &str, name: &str, expected: &str) {
    let asked = describe(TOPIC, "raw-configs", Some(&[name]));
    let until = Instant::now() + Duration::from_secs(3);
    let seen = loop {
        let answer = raw.call(4, &asked).await.unwrap();
        let value = answer.results[0].configs[0].value.as_ref().map(ToString::to_string).unwrap_or_default();
        if value == expected || Instant::now() > until {
            break value;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    raw.notes.note(format!("configs changed: {what}"), seen);
}

async fn alterations(raw: &mut Raw) {
    let ours = |changes: &[(i8, &str, Option<&str>)]| change(TOPIC, "raw-configs", changes);
    raw.ask("set", 1, ours(&[(SET, "retention.ms", Some("70000"))])).await;
    settled(raw, "set", "retention.ms", "70000").await;
    raw.ask("append", 0, ours(&[(APPEND, "cleanup.policy", Some("compact"))])).await;
    settled(raw, "append", "cleanup.policy", "delete,compact").await;
    raw.ask("append what is there", 1, ours(&[(APPEND, "cleanup.policy", Some("compact"))])).await;
    raw.ask("subtract", 1, ours(&[(SUBTRACT, "cleanup.policy", Some("delete"))])).await;
    settled(raw, "subtract", "cleanup.policy", "compact").await;
    raw.ask("subtract what is not there", 1, ours(&[(SUBTRACT, "cleanup.policy", Some("delete"))])).await;
    raw.ask("delete", 1, ours(&[(DELETE, "cleanup.policy", None)])).await;
    settled(raw, "delete", "cleanup.policy", "delete").await;
    raw.ask("delete a default", 1, ours(&[(DELETE, "segment.bytes", None)])).await;
    let only_to_see = ours(&[(SET, "retention.ms", Some("80000"))]).with_validate_only(true);
    raw.ask("only to see", 1, only_to_see).await;
    raw.ask("only to see, wrong", 1, ours(&[(SET, "retention.ms", Some("x"))]).with_validate_only(true))
        .await;
    settled(raw, "only to see", "retention.ms", "70000").await;
    for (what, changes) in [
        ("an unknown config", &[(SET, "no.such.config", Some("1"))][..]),
        ("a bad value", &[(SET, "retention.ms", Some("x"))]),
        ("no value", &[(SET, "retention.ms", None)]),
        ("delete an unknown config", &[(DELETE, "no.such.config", None)]),
        ("delete with a value", &[(DELETE, "segment.ms", Some("1"))]),
        ("append to what is no list", &[(APPEND, "retention.ms", Some("1"))]),
        ("subtract from what is no list", &[(SUBTRACT, "retention.ms", Some("1"))]),
        ("append a bad value", &[(APPEND, "cleanup.policy", Some("x"))]),
        ("subtract everything", &[(SUBTRACT, "cleanup.policy", Some("delete"))]),
        ("an unknown operation", &[(9, "retention.ms", Some("1"))]),
        ("the same twice", &[(SET, "retention.ms", Some("1")), (DELETE, "retention.ms", None)]),
        ("one good, one bad", &[(SET, "retention.ms", Some("1")), (SET, "segment.ms", Some("x"))]),
        ("nothing", &[]),
    ] {
        raw.ask(what, 1, ours(changes)).await;
    }
    let set = [(SET, "retention.ms", Some("1"))];
    raw.ask("of an unknown topic", 1, change(TOPIC, "raw-nowhere", &set)).await;
    raw.ask("of a topic without a name", 1, change(TOPIC, "", &set)).await;
    raw.ask("of an unknown kind", 1, change(99, "x", &set)).await;
    raw.ask("of another broker", 1, change(BROKER, "7", &[(SET, "log.cleaner.threads", Some("2"))])).await;
    let unknown = change(BROKER, "1", &[(SET, "no.such.config", Some("2"))]).with_validate_only(true);
    raw.ask("of a broker: unknown", 1, unknown).await;
    raw.ask("of a broker: fixed at its start", 1, change(BROKER, "1", &[(SET, "log.dirs", Some("/x"))]))
        .await;
    let once = ours(&set).resources;
    let twice = [once.clone(), once].concat();
    raw.ask("of a topic twice", 1, IncrementalAlterConfigsRequest::default().with_resources(twice)).await;

    let replace = |configs: &[(&str, Option<&str>)]| {
        let configs = configs.iter().map(|(name, value)| {
            alter_configs_request::AlterableConfig::default()
                .with_name(text(name))
                .with_value(value.map(text))
        });
        let resource = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text("raw-configs"))
            .with_configs(configs.collect());
        AlterConfigsRequest::default().with_resources(vec![resource])
    };
    for version in 0..=2 {
        let value = format!("{version}000");
        let asked = replace(&[("segment.ms", Some("90000")), ("flush.ms", Some(&value))]);
        raw.ask(&format!("version {version}"), version, asked).await;
        settled(raw, &format!("replaced, version {version}"), "flush.ms", &value).await;
    }
    settled(raw, "what is not named is gone", "retention.ms", "604800000").await;
    raw.ask("a bad value", 2, replace(&[("segment.ms", Some("x"))])).await;
    raw.ask("an unknown config", 2, replace(&[("no.such.config", Some("x"))])).await;
    raw.ask("no value", 2, replace(&[("segment.ms", None)])).await;
    raw.ask("only to see", 2, replace(&[]).with_validate_only(true)).await;
    raw.ask("none", 2, replace(&[])).await;
    settled(raw, "all are gone", "segment.ms", "604800000").await;
}
