//! AlterConfigs and IncrementalAlterConfigs: change the configs of a topic.
//!
//! The older request replaces all configs of the topic: a config that it doesn't name gets its default. The
//! newer request (KIP-339) only changes the configs that it names, and can add to a list or remove from it.
//! Both change all of a topic's configs or none. The broker's own configs can't be changed.

use super::{
    configs::{BROKER, BROKER_LOGGER, TOPIC},
    fields::NODE_ID,
};
use crate::{
    node::Node,
    refusal::Refusal,
    topic_config::{DEFINITIONS, Definition, Kind, TopicSettings},
};
use kafka_protocol::{
    ResponseError,
    messages::{
        AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsResponse, alter_configs_response::AlterConfigsResourceResponse,
        incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResponse,
    },
    protocol::StrBytes,
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What to do with a config, by its number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Set,
    /// Sets the default.
    Delete,
    /// Adds items to a list, without those that it has already.
    Append,
    /// Removes items from a list.
    Subtract,
}

impl Operation {
    fn of(number: i8) -> Option<Self> {
        match number {
            0 => Some(Self::Set),
            1 => Some(Self::Delete),
            2 => Some(Self::Append),
            3 => Some(Self::Subtract),
            _ => None,
        }
    }

    /// Returns Kafka's name for the operation.
    fn name(self) -> &'static str {
        match self {
            Self::Set => "SET",
            Self::Delete => "DELETE",
            Self::Append => "APPEND",
            Self::Subtract => "SUBTRACT",
        }
    }
}

/// One config of a request.
struct Change {
    name: String,
    operation: Operation,
    value: Option<String>,
}

/// The resource whose configs are changed: its type and name.
type Resource = (i8, StrBytes);

pub(super) fn alter_configs(node: &Node, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let twice =
        named_twice(request.resources.iter().map(|one| (one.resource_type, one.resource_name.clone())));
    let responses = request.resources.into_iter().map(|one| {
        let resource = (one.resource_type, one.resource_name);
        let changes = one.configs.into_iter().map(|config| Change {
            name: config.name.to_string(),
            operation: Operation::Set,
            value: config.value.map(|value| value.to_string()),
        });
        let replace = |_: &BTreeMap<String, String>, changes: Vec<Change>| {
            Ok(changes.into_iter().filter_map(|change| Some((change.name, change.value?))).collect())
        };
        let outcome = if twice.contains(&resource) {
            Err(named_again())
        } else {
            alter(node, &resource, changes.collect(), request.validate_only, replace)
        };
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.0)
            .with_resource_name(resource.1);
        match outcome {
            Ok(()) => response.with_error_message(None),
            Err(refusal) => response.with_error_code(refusal.error.code()).with_error_message(refusal.text()),
        }
    });
    AlterConfigsResponse::default().with_responses(responses.collect())
}

pub(super) fn incremental_alter_configs(
    node: &Node,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let twice =
        named_twice(request.resources.iter().map(|one| (one.resource_type, one.resource_name.clone())));
    let responses = request.resources.into_iter().map(|one| {
        let resource = (one.resource_type, one.resource_name);
        let changes = one.configs.into_iter().map(|config| {
            let number = config.config_operation;
            let operation = Operation::of(number).ok_or_else(|| {
                Refusal::new(
                    ResponseError::InvalidRequest,
                    format!(
                        "there is no operation {number} on configs: 0 sets, 1 deletes, 2 appends, 3 subtracts"
                    ),
                )
            })?;
            let value = config.value.map(|value| value.to_string());
            Ok(Change { name: config.name.to_string(), operation, value })
        });
        let outcome = if twice.contains(&resource) {
            Err(named_again())
        } else {
            let changes: Result<Vec<Change>, Refusal> = changes.collect();
            changes.and_then(|changes| alter(node, &resource, changes, request.validate_only, changed))
        };
        let response =
            IncrementalResponse::default().with_resource_type(resource.0).with_resource_name(resource.1);
        match outcome {
            Ok(()) => response.with_error_message(None),
            Err(refusal) => response.with_error_code(refusal.error.code()).with_error_message(refusal.text()),
        }
    });
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

fn named_twice(resources: impl Iterator<Item = Resource>) -> BTreeSet<Resource> {
    let mut seen = BTreeSet::new();
    resources.filter(|resource| !seen.insert(resource.clone())).collect()
}

fn named_again() -> Refusal {
    Refusal::new(ResponseError::InvalidRequest, "Each resource must appear at most once.")
}

fn alter(
    node: &Node,
    (kind, name): &Resource,
    changes: Vec<Change>,
    validate_only: bool,
    change: impl FnOnce(&BTreeMap<String, String>, Vec<Change>) -> Result<BTreeMap<String, String>, Refusal>,
) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::new(ResponseError::InvalidRequest, message));
    let mut names = BTreeSet::new();
    if changes.iter().any(|change| !names.insert(change.name.as_str())) {
        return invalid("Error due to duplicate config keys".into());
    }
    let without_value =
        changes.iter().filter(|change| change.value.is_none() && change.operation != Operation::Delete);
    let without_value: Vec<&str> = without_value.map(|change| change.name.as_str()).collect();
    if !without_value.is_empty() {
        return invalid(format!("Null value not supported for : {}", without_value.join(", ")));
    }
    match *kind {
        TOPIC if name.is_empty() => invalid("Default topic resources are not allowed.".into()),
        TOPIC => {
            crate::topics::check_name(name)?;
            let unknown = || {
                Refusal::new(
                    ResponseError::UnknownTopicOrPartition,
                    format!("The topic '{}' does not exist.", name.as_str()),
                )
            };
            let topic = node.topics.get(name).ok_or_else(unknown)?;
            let change = |settings: &TopicSettings| TopicSettings::new(change(settings.set(), changes)?);
            if validate_only {
                change(&topic.settings).map(drop)
            } else {
                node.topics.configure(name, change).map(drop)
            }
        }
        BROKER => match (name.as_str(), name.parse::<i32>()) {
            ("", _) => refuse_all(&changes),
            (_, Ok(id)) if id == NODE_ID.0 => refuse_all(&changes),
            (_, Ok(id)) => {
                invalid(format!("Unexpected broker id, expected {}, but received {id}", NODE_ID.0))
            }
            (other, Err(_)) => invalid(format!("Node id must be an integer, but it is: {other}")),
        },
        BROKER_LOGGER => match changes.first() {
            Some(change) if matches!(change.operation, Operation::Append | Operation::Subtract) => {
                let operation = change.operation.name();
                invalid(format!("{operation} operation is not allowed for the BROKER_LOGGER resource"))
            }
            Some(change) => Err(Refusal::new(
                ResponseError::InvalidConfig,
                format!("Logger {} does not exist!", change.name),
            )),
            None => Ok(()),
        },
        other => invalid(format!("Unknown resource type {other}")),
    }
}

/// Refuses to change configs of the broker.
fn refuse_all(changes: &[Change]) -> Result<(), Refusal> {
    if changes.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    Err(Refusal::new(
        ResponseError::InvalidRequest,
        format!("Cannot update these configs dynamically: [{}]", names.join(", ")),
    ))
}

/// Returns the configs of the topic after the changes.
///
/// # Errors
/// `INVALID_CONFIG` if a change adds to a config that isn't a list, or removes from it.
fn changed(
    set: &BTreeMap<String, String>,
    changes: Vec<Change>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let mut set = set.clone();
    for Change { name, operation, value } in changes {
        let value = value.unwrap_or_default();
        match operation {
            Operation::Set => {
                set.insert(name, value);
            }
            Operation::Delete => {
                set.remove(&name);
            }
            Operation::Append | Operation::Subtract => {
                let definition = list(&name).ok_or_else(|| {
                    Refusal::new(
                        ResponseError::InvalidConfig,
                        format!("Can't {} to key {name} because its type is not LIST.", operation.name()),
                    )
                })?;
                let before = set.get(&name).map_or(definition.default, String::as_str);
                let after = edited(before, operation, &value);
                set.insert(name, after);
            }
        }
    }
    Ok(set)
}

fn list(name: &str) -> Option<&'static Definition> {
    DEFINITIONS
        .iter()
        .find(|known| known.name == name && matches!(known.kind, Kind::List(_) | Kind::Replicas))
}

fn edited(list: &str, operation: Operation, words: &str) -> String {
    let edited: Vec<&str> = if operation == Operation::Subtract {
        let gone: HashSet<&str> = items(words).collect();
        items(list).filter(|item| !gone.contains(item)).collect()
    } else {
        let mut known: HashSet<&str> = items(list).collect();
        items(list).chain(items(words).filter(|word| known.insert(word))).collect()
    };
    edited.join(",")
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, operation: Operation, value: &str) -> Change {
        Change { name: name.into(), operation, value: Some(value.into()) }
    }

    fn after(set: &[(&str, &str)], changes: Vec<Change>) -> Result<Vec<(String, String)>, ResponseError> {
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        changed(&set, changes).map(|set| set.into_iter().collect()).map_err(|refusal| refusal.error)
    }

    fn pairs(set: &[(&str, &str)]) -> Result<Vec<(String, String)>, ResponseError> {
        Ok(set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_is_not_named_stays_and_what_is_deleted_is_the_default_again() {
        let set = [("retention.ms", "5"), ("segment.ms", "7")];
        let changes = vec![
            change("retention.ms", Operation::Delete, ""),
            change("cleanup.policy", Operation::Set, "compact"),
        ];
        assert_eq!(after(&set, changes), pairs(&[("cleanup.policy", "compact"), ("segment.ms", "7")]));
        assert_eq!(after(&[], vec![change("unheard.of", Operation::Delete, "")]), pairs(&[]));
    }

    #[test]
    fn lists_are_added_to_and_taken_from_beginning_with_the_default() {
        let append = |value| vec![change("cleanup.policy", Operation::Append, value)];
        let subtract = |value| vec![change("cleanup.policy", Operation::Subtract, value)];
        let policy = |value: &'static str| pairs(&[("cleanup.policy", value)]);
        assert_eq!(after(&[], append("compact")), policy("delete,compact"));
        assert_eq!(
            after(&[("cleanup.policy", "compact")], append("compact,delete")),
            policy("compact,delete")
        );
        assert_eq!(after(&[("cleanup.policy", "delete,compact")], subtract("delete")), policy("compact"));
        assert_eq!(after(&[], subtract("delete")), policy(""));
        assert_eq!(after(&[], subtract("something else")), policy("delete"));
    }

    #[test]
    fn nothing_is_added_to_what_is_no_list() {
        for operation in [Operation::Append, Operation::Subtract] {
            for name in ["retention.ms", "unheard.of"] {
                let outcome = after(&[], vec![change(name, operation, "7")]);
                assert_eq!(outcome, Err(ResponseError::InvalidConfig), "{name}");
            }
        }
    }
}
