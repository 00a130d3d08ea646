//! DescribeConfigs and ListConfigResources: the configs of a topic or of the broker, each with where its
//! value comes from.

use super::{
    broker_configs,
    caller::Caller,
    config_docs,
    config_entries::{
        DEFAULT_SOURCE, INT, LIST, Sourced, TOPIC_SOURCE, Wanted, documentation, entry, kind, synonyms,
    },
    fields::{NODE_ID, text},
};
use crate::{node::Node, refusal::Refusal, topic_config::Setting, topics::check_name};
use kafka_protocol::{
    ResponseError,
    messages::{
        DescribeConfigsRequest, DescribeConfigsResponse, ListConfigResourcesRequest,
        ListConfigResourcesResponse,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
        list_config_resources_response::ConfigResource,
    },
};

/// The kinds of resources that have configs.
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
pub(super) const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// From this version on, a client can ask for resources other than client metrics (KIP-1142).
const ALL_KINDS: i16 = 1;

/// The configs of a subscription to client metrics (KIP-714): name, default, kind, sentence.
const METRICS_CONFIGS: [(&str, &str, i8, &str); 3] = [
    ("interval.ms", "300000", INT, "How often a client pushes its metrics."),
    ("match", "", LIST, "Which clients push metrics: patterns for what a client says about itself."),
    ("metrics", "", LIST, "Which metrics a client pushes: prefixes of their names."),
];

pub(super) fn describe_configs(
    node: &Node,
    caller: &Caller,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let wanted = Wanted::from(&request);
    let results = request.resources.into_iter().map(|resource| {
        let result = DescribeConfigsResult::default().with_resource_type(resource.resource_type);
        let result = match describe(node, caller, &resource, wanted) {
            Ok(mut configs) => {
                // An empty list of names stands for all configs, too.
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
            check_name(name)?;
            let topic = node
                .topics
                .get(name)
                .ok_or_else(|| Refusal::new(ResponseError::UnknownTopicOrPartition, ""))?;
            Ok(topic.settings.all().map(|setting| topic_config(node, &setting, wanted)).collect())
        }
        // An empty name stands for the cluster-wide defaults of brokers. Nobody can set one here.
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
        CLIENT_METRICS if name.is_empty() => {
            invalid("Client metrics subscription name must not be empty".into())
        }
        CLIENT_METRICS => Ok(METRICS_CONFIGS.map(|config| metrics_config(config, wanted)).into()),
        other => invalid(format!("this broker has no configs of type {other}")),
    }
}

fn topic_config(node: &Node, setting: &Setting<'_>, wanted: Wanted) -> DescribeConfigsResourceResult {
    let definition = setting.definition;
    let own = setting.is_set.then(|| (definition.name, Sourced::new(setting.value, TOPIC_SOURCE)));
    let default = broker_configs::sets_default(definition)
        .then(|| (definition.synonym, broker_configs::default_of(node, definition)));
    let in_force = broker_configs::in_force(node, setting);
    let mut known: Vec<_> = own.into_iter().chain(default).collect();
    // The value in force comes first.
    known.sort_by_key(|(_, sourced)| sourced.source != in_force.source);
    entry(definition.name, Some(in_force), kind(&definition.kind))
        .with_synonyms(synonyms(wanted, known))
        .with_documentation(documentation(wanted, config_docs::sentence(definition.name)))
}

fn metrics_config(
    (name, value, kind, sentence): (&str, &str, i8, &str),
    wanted: Wanted,
) -> DescribeConfigsResourceResult {
    entry(name, Some(Sourced::new(value, DEFAULT_SOURCE)), kind)
        .with_documentation(documentation(wanted, Some(sentence)))
}

/// Lists the resources that have configs. There are no subscriptions to client metrics and no configs of
/// groups.
pub(super) fn list_config_resources(
    node: &Node,
    caller: &Caller,
    request: &ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    const ALL: &[i8] = &[TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];
    let kinds = if caller.version < ALL_KINDS {
        &[CLIENT_METRICS]
    } else if request.resource_types.is_empty() {
        ALL
    } else {
        request.resource_types.as_slice()
    };
    if kinds.iter().any(|kind| !ALL.contains(kind)) {
        return ListConfigResourcesResponse::default()
            .with_error_code(ResponseError::UnsupportedVersion.code());
    }
    let mut resources = Vec::new();
    let mut add = |kind: i8, name: String| {
        let resource = ConfigResource::default().with_resource_name(text(name)).with_resource_type(kind);
        resources.push(resource);
    };
    if kinds.contains(&TOPIC) {
        node.topics.all().iter().for_each(|topic| add(TOPIC, topic.name.clone()));
    }
    for kind in [BROKER, BROKER_LOGGER] {
        if kinds.contains(&kind) {
            add(kind, NODE_ID.0.to_string());
        }
    }
    ListConfigResourcesResponse::default().with_config_resources(resources)
}
