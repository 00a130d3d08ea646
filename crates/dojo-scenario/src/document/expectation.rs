//! The step `expect`: what must have come through Kafka, what must be so in the dojo, or how the API must have answered.

use super::{
    events::{self, EventExpectation, EventFields},
    states::{
        self, HttpExpectation, LagExpectation, MembersExpectation, OwnerExpectation, RebalancesExpectation,
    },
};
use crate::{
    language::{Context, Definitions, Fields as _, Node, Read, described, named},
    scalar::written,
};
use serde_json::json;
use std::{fmt, time::Duration};

/// Shortest time for an expectation: as long as the busiest laptop takes for an event.
const SHORTEST: Duration = Duration::from_millis(100);
/// Default time within which an expectation must be met.
pub const WITHIN: Duration = Duration::from_secs(10);

/// What is expected, and within which time.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// What is expected.
    pub subject: Subject,
    /// How long it may take, from the start of the step.
    pub within: Duration,
}

/// What is expected.
#[derive(Debug, Clone)]
pub enum Subject {
    /// Events about this run's own orders.
    Events(EventExpectation),
    /// Records that a consumer group has still to read.
    Lag(LagExpectation),
    /// The instance that reads a partition.
    Owner(OwnerExpectation),
    /// The members of a consumer group.
    Members(MembersExpectation),
    /// Rebalances of a consumer group since the run began.
    Rebalances(RebalancesExpectation),
    /// Answers of the API to this run's requests.
    Http(HttpExpectation),
}

const EXPECTATION: &str = "an expectation such as { action: NOTIFIED, perOrder: 1, within: 10s }";

impl Read for Expectation {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        let mut members = context.members(node, EXPECTATION)?;
        let within = members.take::<Option<Duration>>("within", context);
        if let (Some(Some(within)), Some(node)) = (within, members.node("within"))
            && within < SHORTEST
        {
            let message = format!("`within` is {}; nothing arrives in so short a time", written(within));
            context.mistakes.add(node.at, message).help(format!("give at least {}", written(SHORTEST)));
        }
        let states = [
            members.node("lag").map(|node| LagExpectation::read(&node, context).map(Subject::Lag)),
            members.node("owner").map(|node| OwnerExpectation::read(&node, context).map(Subject::Owner)),
            members
                .node("members")
                .map(|node| MembersExpectation::read(&node, context).map(Subject::Members)),
            members
                .node("rebalances")
                .map(|node| RebalancesExpectation::read(&node, context).map(Subject::Rebalances)),
            members.node("http").map(|node| HttpExpectation::read(&node, context).map(Subject::Http)),
        ];
        let subject = if states.iter().any(Option::is_some) {
            members.only_one(states, EXPECTATION, context)
        } else {
            let fields = EventFields::take(&mut members, context);
            members.finish(context);
            fields.and_then(EventExpectation::from_fields).map(Subject::Events)
        };
        Some(Self { subject: subject?, within: within?.unwrap_or(WITHIN) })
    }

    fn schema(definitions: &mut Definitions) -> serde_json::Value {
        named("Expectation", definitions, |definitions| {
            let (mut properties, mut required) = (serde_json::Map::new(), Vec::new());
            EventFields::properties(&mut properties, &mut required, definitions);
            for (key, schema, description) in [
                ("lag", LagExpectation::schema(definitions), "How far a consumer group is behind."),
                ("owner", OwnerExpectation::schema(definitions), "Who reads a partition of `orders`."),
                ("members", MembersExpectation::schema(definitions), "The members of a consumer group."),
                ("rebalances", RebalancesExpectation::schema(definitions), "Rebalances since the run began."),
                (
                    "http",
                    HttpExpectation::schema(definitions),
                    "How the API answered this run's requests so far.",
                ),
                ("within", Duration::schema(definitions), "How long it may take, 10s by default."),
            ] {
                properties.insert(key.to_owned(), described(schema, description));
            }
            let kinds = events::COUNTS.into_iter().chain(states::CHECKS.map(|(name, _)| name));
            let one_of: Vec<_> = kinds.map(|name| json!({"required": [name]})).collect();
            json!({"type": "object", "properties": properties, "additionalProperties": false, "oneOf": one_of})
        })
    }
}

/// Checks an expectation, which `node` is.
pub(super) fn check(node: &Node, context: &mut Context<'_>) {
    let of_state = states::CHECKS.iter().filter_map(|(name, check)| Some((node.member(name)?, check)));
    let of_state: Vec<_> = of_state.collect();
    if of_state.is_empty() {
        events::check(node, context);
    }
    of_state.into_iter().for_each(|(node, check)| check(node, context));
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |at_least: Option<u64>, at_most: Option<u64>| match (at_least, at_most) {
            (Some(low), Some(high)) => format!("{low} to {high}"),
            (Some(low), None) => format!("at least {low}"),
            (None, Some(high)) => format!("at most {high}"),
            (None, None) => "any".to_owned(),
        };
        match &self.subject {
            Subject::Events(events) => events.fmt(f)?,
            Subject::Lag(lag) => {
                write!(f, "lag of {}", lag.group)?;
                lag.partition.iter().try_for_each(|p| write!(f, " in partition {p}"))?;
                write!(f, ": {}", range(lag.at_least, lag.at_most))?;
            }
            Subject::Owner(owner) => {
                write!(f, "reader of partition {} in {}", owner.partition, owner.group)?;
                owner.is.iter().try_for_each(|is| write!(f, ": {is}"))?;
                owner.is_not.iter().try_for_each(|is| write!(f, ": not {is}"))?;
            }
            Subject::Members(members) => {
                write!(f, "members of {}: {}", members.group, members.exactly)?;
                members.idle.iter().try_for_each(|idle| write!(f, ", {idle} of them idle"))?;
            }
            Subject::Rebalances(rebalances) => {
                write!(
                    f,
                    "rebalances of {}: {}",
                    rebalances.group,
                    range(rebalances.at_least, rebalances.at_most)
                )?;
            }
            Subject::Http(http) => {
                f.write_str(http.request.as_deref().unwrap_or("POST /orders"))?;
                http.status.iter().try_for_each(|status| write!(f, ", status {status}"))?;
                for (name, limit) in
                    [("p50", http.p50), ("p90", http.p90), ("p99", http.p99), ("max", http.max)]
                {
                    limit.iter().try_for_each(|limit| write!(f, ", {name} < {}", written(limit.0)))?;
                }
            }
        }
        write!(f, ", within {}", written(self.within))
    }
}
