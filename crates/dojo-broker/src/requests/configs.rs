//! DescribeConfigs: the configs of a topic or of the broker, each with where its value comes from.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::{Caller, NODE_ID, broker_configs, config_docs, text};
use crate::broker::Node;
use crate::refusal::Refusal;
use crate::topic_config::{Kind, Setting};

/// Whose configs are meant: a topic's, a broker's, those of a broker's loggers.
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
pub(super) const BROKER_LOGGER: i8 = 8;

/// Where a value comes from: it was set for the topic,
pub(super) const TOPIC_SOURCE: i8 = 1;
/// it was given to the broker as it started,
pub(super) const STARTUP_SOURCE: i8 = 4;
/// or nobody set it.
pub(super) const DEFAULT_SOURCE: i8 = 5;

/// What a value is, for tools that check before they send.
pub(super) const BOOLEAN: i8 = 1;
pub(super) const STRING: i8 = 2;
pub(super) const INT: i8 = 3;
pub(super) const SHORT: i8 = 4;
pub(super) const LONG: i8 = 5;
pub(super) const DOUBLE: i8 = 6;
pub(super) const LIST: i8 = 7;

/// What a client wants to see beside the values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    synonyms: bool,
    documentation: bool,
}

pub(super) fn describe_configs(
    node: &Node,
    caller: &Caller,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let wanted = Wanted { synonyms: request.include_synonyms, documentation: request.include_documentation };
    let results = request.resources.into_iter().map(|resource| {
        let result = DescribeConfigsResult::default().with_resource_type(resource.resource_type);
        let result = match describe(node, caller, &resource, wanted) {
            Ok(mut configs) => {
                // No names at all, too, stand for everything.
                if let Some(names) = resource.configuration_keys.as_ref().filter(|names| !names.is_empty()) {
                    configs.retain(|config| names.contains(&config.name));
                }
                result.with_configs(configs).with_error_message(Some(text("")))
            }
            Err(refusal) => result.with_error_code(refusal.error.code()).with_error_message(refusal.text()),
        };
        result.with_resource_name(resource.resource_name)
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn describe(
    node: &Node,
    caller: &Caller,
    resource: &DescribeConfigsResource,
    wanted: Wanted,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let invalid = |message: String| Err(Refusal::new(ResponseError::InvalidRequest, message));
    let name = resource.resource_name.as_str();
    match resource.resource_type {
        TOPIC => {
            crate::topics::check_name(name)?;
            let topic = node
                .topics
                .get(name)
                .ok_or_else(|| Refusal::new(ResponseError::UnknownTopicOrPartition, ""))?;
            Ok(topic.settings.all().map(|setting| topic_config(&setting, wanted)).collect())
        }
        // An empty name stands for the defaults of all brokers, which nobody has set.
        BROKER if name.is_empty() => Ok(Vec::new()),
        BROKER => match name.parse::<i32>() {
            Ok(id) if NODE_ID.0 == id => Ok(broker_configs::list(node, caller, wanted)),
            Ok(id) => invalid(format!(
                "Unexpected broker id, expected {} or empty string, but received {id}",
                NODE_ID.0
            )),
            Err(_) => invalid(format!("Broker id must be an integer, but it is: {name}")),
        },
        BROKER_LOGGER => invalid("this broker has no loggers to set: start it with RUST_LOG instead".into()),
        other => invalid(format!("this broker has no configs of type {other}")),
    }
}

fn topic_config(setting: &Setting<'_>, wanted: Wanted) -> DescribeConfigsResourceResult {
    let definition = setting.definition;
    let own = setting.is_set.then_some((definition.name, setting.value, TOPIC_SOURCE));
    let default = broker_configs::sets_default(definition).then_some((
        definition.synonym,
        definition.default,
        DEFAULT_SOURCE,
    ));
    let source = if setting.is_set { TOPIC_SOURCE } else { DEFAULT_SOURCE };
    describe_one(definition.name, Some(setting.value.to_owned()), source, kind(&definition.kind))
        .with_synonyms(synonyms(wanted, own.into_iter().chain(default)))
        .with_documentation(documentation(wanted, config_docs::sentence(definition.name)))
}

pub(super) fn describe_one(
    name: &str,
    value: Option<String>,
    source: i8,
    kind: i8,
) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(text(name))
        .with_value(value.map(text))
        .with_config_source(source)
        .with_config_type(kind)
}

/// Under which names a value could be set, the one that counts first: name, value and source.
pub(super) fn synonyms<'a>(
    wanted: Wanted,
    known: impl Iterator<Item = (&'a str, &'a str, i8)>,
) -> Vec<DescribeConfigsSynonym> {
    let synonym = |(name, value, source): (&str, &str, i8)| {
        DescribeConfigsSynonym::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
            .with_source(source)
    };
    if wanted.synonyms { known.map(synonym).collect() } else { Vec::new() }
}

pub(super) fn documentation(
    wanted: Wanted,
    sentence: Option<&str>,
) -> Option<kafka_protocol::protocol::StrBytes> {
    sentence.filter(|_| wanted.documentation).map(text)
}

/// What a value is, by its number on the wire.
pub(super) fn kind(kind: &Kind) -> i8 {
    match kind {
        Kind::Boolean => BOOLEAN,
        Kind::Int(..) | Kind::IntOrDefault(..) => INT,
        Kind::Long(_) => LONG,
        Kind::Ratio => DOUBLE,
        Kind::Word(_) => STRING,
        Kind::List(_) | Kind::Replicas => LIST,
    }
}
