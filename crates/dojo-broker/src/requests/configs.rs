//! DescribeConfigs: the configs of a topic or of the broker, each with where its value comes from.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::{Caller, NODE_ID, text};
use crate::broker::Node;
use crate::refusal::Refusal;
use crate::topic_config::{DEFINITIONS, Kind, Setting};

/// Whose configs are asked for.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Where a value comes from: it was set for the topic,
pub(super) const TOPIC_SOURCE: i8 = 1;
/// it was given to the broker as it started,
const STARTUP_SOURCE: i8 = 4;
/// or nobody set it.
pub(super) const DEFAULT_SOURCE: i8 = 5;

/// What a value is, for tools that check before they send.
const BOOLEAN: i8 = 1;
const STRING: i8 = 2;
const INT: i8 = 3;
const LONG: i8 = 5;
const DOUBLE: i8 = 6;
const LIST: i8 = 7;

pub(super) fn describe_configs(
    node: &Node,
    caller: &Caller,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let results = request.resources.into_iter().map(|resource| {
        let result = DescribeConfigsResult::default().with_resource_type(resource.resource_type);
        let result = match describe(node, caller, &resource, request.include_synonyms) {
            Ok(mut configs) => {
                if let Some(wanted) = &resource.configuration_keys {
                    configs.retain(|config| wanted.contains(&config.name));
                }
                result.with_configs(configs)
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
    synonyms: bool,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let name = resource.resource_name.as_str();
    match resource.resource_type {
        TOPIC => {
            crate::topics::check_name(name)?;
            let topic = node.topics.get(name).ok_or_else(|| {
                Refusal::new(
                    ResponseError::UnknownTopicOrPartition,
                    "This server does not host this topic-partition.",
                )
            })?;
            Ok(topic.settings.all().map(|setting| topic_config(&setting, synonyms)).collect())
        }
        // An empty name stands for the defaults of all brokers, which nobody has set.
        BROKER if name.is_empty() => Ok(Vec::new()),
        BROKER if name == NODE_ID.to_string() => Ok(broker_configs(node, caller)),
        BROKER => Err(Refusal::new(
            ResponseError::InvalidRequest,
            format!("Unexpected broker id, expected {} or empty string, but received {name}", NODE_ID.0),
        )),
        other => Err(Refusal::new(
            ResponseError::InvalidRequest,
            format!("this broker has no configs of type {other}"),
        )),
    }
}

fn topic_config(setting: &Setting<'_>, synonyms: bool) -> DescribeConfigsResourceResult {
    let definition = setting.definition;
    let synonym = |name: &str, value: &str, source| {
        DescribeConfigsSynonym::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
            .with_source(source)
    };
    let mut known = Vec::new();
    if synonyms && setting.is_set {
        known.push(synonym(definition.name, setting.value, TOPIC_SOURCE));
    }
    if synonyms {
        known.push(synonym(definition.synonym, definition.default, DEFAULT_SOURCE));
    }
    DescribeConfigsResourceResult::default()
        .with_name(text(definition.name))
        .with_value(Some(text(setting.value)))
        .with_config_source(if setting.is_set { TOPIC_SOURCE } else { DEFAULT_SOURCE })
        .with_synonyms(known)
        .with_config_type(match definition.kind {
            Kind::Boolean => BOOLEAN,
            Kind::Int(..) => INT,
            Kind::Long(_) => LONG,
            Kind::Ratio => DOUBLE,
            Kind::Word(_) => STRING,
            Kind::List(_) => LIST,
        })
}

/// What was decided when the broker was started, and the defaults that topics start from.
fn broker_configs(node: &Node, caller: &Caller) -> Vec<DescribeConfigsResourceResult> {
    let config = |name: &str, value: String, kind, source| {
        DescribeConfigsResourceResult::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
            .with_read_only(true)
            .with_config_source(source)
            .with_config_type(kind)
    };
    let given = |name: &str, value: String, kind| config(name, value, kind, STARTUP_SOURCE);
    let fixed = |name: &str, value: &str, kind| config(name, value.to_owned(), kind, DEFAULT_SOURCE);
    let settings = &node.config;
    let mut configs = vec![
        given("advertised.listeners", format!("PLAINTEXT://{}", caller.endpoint), STRING),
        fixed("auto.create.topics.enable", "false", BOOLEAN),
        given("connections.max.idle.ms", settings.max_idle.as_millis().to_string(), LONG),
        fixed("default.replication.factor", "1", INT),
        given(
            "group.initial.rebalance.delay.ms",
            settings.initial_rebalance_delay.as_millis().to_string(),
            INT,
        ),
        given("group.max.session.timeout.ms", settings.max_session_timeout.as_millis().to_string(), INT),
        given("group.min.session.timeout.ms", settings.min_session_timeout.as_millis().to_string(), INT),
        given("node.id", NODE_ID.0.to_string(), INT),
        fixed("num.partitions", "1", INT),
        fixed("offsets.topic.replication.factor", "1", INT),
        fixed("socket.request.max.bytes", "104857600", INT),
    ];
    let defaults = DEFINITIONS.iter().filter(|definition| definition.synonym.starts_with("log."));
    configs.extend(defaults.map(|definition| fixed(definition.synonym, definition.default, STRING)));
    configs.sort_by(|a, b| a.name.cmp(&b.name));
    configs
}
