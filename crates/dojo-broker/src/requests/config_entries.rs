//! One config in an answer: its value, where the value comes from, and what kind of value it is.

use super::fields::text;
use crate::topic_config::Kind;
use kafka_protocol::{
    messages::{
        DescribeConfigsRequest,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsSynonym},
    },
    protocol::StrBytes,
};

/// Source of a value that was set for the topic.
pub(super) const TOPIC_SOURCE: i8 = 1;
/// Source of a value that the broker was started with.
pub(super) const STARTUP_SOURCE: i8 = 4;
/// Source of a value that is Kafka's default.
pub(super) const DEFAULT_SOURCE: i8 = 5;

pub(super) const BOOLEAN: i8 = 1;
pub(super) const STRING: i8 = 2;
pub(super) const INT: i8 = 3;
pub(super) const SHORT: i8 = 4;
pub(super) const LONG: i8 = 5;
pub(super) const DOUBLE: i8 = 6;
pub(super) const LIST: i8 = 7;

/// A value, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sourced {
    pub(super) value: String,
    pub(super) source: i8,
}

impl Sourced {
    pub(super) fn new(value: impl Into<String>, source: i8) -> Self {
        Self { value: value.into(), source }
    }
}

/// What a client wants to see beside the values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    synonyms: bool,
    documentation: bool,
}

impl From<&DescribeConfigsRequest> for Wanted {
    fn from(request: &DescribeConfigsRequest) -> Self {
        Self { synonyms: request.include_synonyms, documentation: request.include_documentation }
    }
}

/// Returns the entry for a config; `sourced` is `None` if it has no value.
pub(super) fn entry(name: &str, sourced: Option<Sourced>, kind: i8) -> DescribeConfigsResourceResult {
    let (value, source) =
        sourced.map_or((None, DEFAULT_SOURCE), |sourced| (Some(text(sourced.value)), sourced.source));
    DescribeConfigsResourceResult::default()
        .with_name(text(name))
        .with_value(value)
        .with_config_source(source)
        .with_config_type(kind)
}

/// Returns the names under which a value can be set, each with its value. The first one is in force.
pub(super) fn synonyms<'a>(
    wanted: Wanted,
    known: impl IntoIterator<Item = (&'a str, Sourced)>,
) -> Vec<DescribeConfigsSynonym> {
    let synonym = |(name, Sourced { value, source }): (&str, Sourced)| {
        DescribeConfigsSynonym::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
            .with_source(source)
    };
    if wanted.synonyms { known.into_iter().map(synonym).collect() } else { Vec::new() }
}

pub(super) fn documentation(wanted: Wanted, sentence: Option<&str>) -> Option<StrBytes> {
    sentence.filter(|_| wanted.documentation).map(text)
}

/// Returns the number of a kind of value on the wire.
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
