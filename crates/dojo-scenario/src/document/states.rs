//! Expectations about the dojo itself: lag, owners, members, rebalances, and the answers of the API.

use super::{Label, order};
use crate::{
    Text,
    language::{Context, Definitions, Node, Read, Value, mapping, misspelt, shortened},
    scalar::duration,
};
use dojo_contract::topic;
use serde_json::json;
use std::time::Duration;

/// A limit of a latency such as `< 50ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencyLimit(pub Duration);

impl Read for LatencyLimit {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        context.scalar(node, "a limit such as `< 50ms`", |text| duration(text.strip_prefix('<')?)).map(Self)
    }

    fn schema(_: &mut Definitions) -> serde_json::Value {
        json!({"type": "string", "examples": ["< 50ms"]})
    }
}

mapping! {
    /// How far a consumer group is behind.
    pub struct LagExpectation, "a lag such as { group: notification-group, atMost: 0 }" {
        /// The consumer group.
        "group" => group: String,
        /// Only this partition of `orders`; without it, all of them together.
        "partition" => partition: Option<i32>,
        /// This many records or more.
        "atLeast" => at_least: Option<u64>,
        /// This many records or fewer.
        "atMost" => at_most: Option<u64>,
    }
}

mapping! {
    /// Who reads a partition of `orders`.
    pub struct OwnerExpectation, "an owner such as { group: notification-group, partition: 0, is: notification-1 }" {
        /// The consumer group.
        "group" => group: String,
        /// The partition of `orders`.
        "partition" => partition: i32,
        /// The instance that reads it.
        "is" => is: Option<Text>,
        /// An instance that does not read it, while another one does.
        "isNot" => is_not: Option<Text>,
    }
}

mapping! {
    /// The members of a consumer group.
    pub struct MembersExpectation, "members such as { group: notification-group, exactly: 4, idle: 1 }" {
        /// The consumer group.
        "group" => group: String,
        /// This many members.
        "exactly" => exactly: u64,
        /// This many of them without a partition.
        "idle" => idle: Option<u64>,
    }
}

mapping! {
    /// Rebalances of a consumer group since the run began.
    pub struct RebalancesExpectation, "rebalances such as { group: notification-group, atLeast: 1 }" {
        /// The consumer group.
        "group" => group: String,
        /// This many or more.
        "atLeast" => at_least: Option<u64>,
        /// This many or fewer.
        "atMost" => at_most: Option<u64>,
    }
}

mapping! {
    /// How the API answered this run's requests so far.
    pub struct HttpExpectation, "answers such as { request: POST /orders, status: 201, p99: < 50ms }" {
        /// The request: `POST /orders` (default), `PUT /orders` or `DELETE /orders`.
        "request" => request: Option<String>,
        /// Only the requests of the step with this `name`.
        "step" => step: Option<Label>,
        /// The status of every answer.
        "status" => status: Option<u16>,
        /// The median latency.
        "p50" => p50: Option<LatencyLimit>,
        /// The latency of all but one in ten answers.
        "p90" => p90: Option<LatencyLimit>,
        /// The latency of all but one in a hundred answers.
        "p99" => p99: Option<LatencyLimit>,
        /// The longest latency.
        "max" => max: Option<LatencyLimit>,
    }
}

/// Checks the value of a member.
type Check = fn(&Node, &mut Context<'_>);

/// What is checked of each kind of expectation beyond its type.
pub(super) const CHECKS: [(&str, Check); 5] = [
    ("lag", check_lag),
    ("owner", check_owner),
    ("members", check_members),
    ("rebalances", check_rebalances),
    ("http", check_http),
];

fn check_lag(node: &Node, context: &mut Context<'_>) {
    check_group_with_offsets(node, context);
    check_range(node, context);
    check_member_partition(node, context);
}

fn check_owner(node: &Node, context: &mut Context<'_>) {
    check_group(node, context);
    check_member_partition(node, context);
    match (node.member("is"), node.member("isNot")) {
        (None, None) if is_mapping(node) => {
            context.mistakes.add(node.at, "who reads it? add `is` or `isNot` with the id of an instance");
        }
        (Some(_), Some(second)) => {
            context.mistakes.add(second.at, "give `is` or `isNot`, and not both");
        }
        _ => {}
    }
}

fn check_members(node: &Node, context: &mut Context<'_>) {
    check_group(node, context);
    let exactly = context.peek::<u64>(node.member("exactly"));
    let idle = context.peek::<u64>(node.member("idle"));
    if let (Some(at), Some(exactly), Some(idle)) = (node.member("idle"), exactly, idle)
        && idle > exactly
    {
        context.mistakes.add(at.at, format!("{idle} of {exactly} members can't be idle"));
    }
}

fn check_rebalances(node: &Node, context: &mut Context<'_>) {
    check_group(node, context);
    check_range(node, context);
}

/// Checks that `atLeast` and `atMost` leave something to check.
fn check_range(node: &Node, context: &mut Context<'_>) {
    let (low, high) = (node.member("atLeast"), node.member("atMost"));
    if low.is_none() && high.is_none() && is_mapping(node) {
        context.mistakes.add(node.at, "how many? give `atLeast`, `atMost` or both");
    }
    let (least, most) = (context.peek::<u64>(low), context.peek::<u64>(high));
    match (low, least, high, most) {
        (Some(_), Some(least), Some(high), Some(most)) if least > most => {
            context.mistakes.add(high.at, format!("`atMost: {most}` is less than `atLeast: {least}`"));
        }
        (Some(low), Some(0), None, _) => {
            context.mistakes.add(low.at, "`atLeast: 0` is always true; give 1 or more");
        }
        _ => {}
    }
}

fn check_http(node: &Node, context: &mut Context<'_>) {
    const LIMITS: [&str; 5] = ["status", "p50", "p90", "p99", "max"];
    const REQUESTS: [&str; 3] = [order::POST, order::PUT, order::DELETE];
    if is_mapping(node) && !LIMITS.iter().any(|name| node.member(name).is_some()) {
        context
            .mistakes
            .add(node.at, format!("what is expected of the answers? add one of {}", LIMITS.join(", ")));
    }
    let request = match node.member("request") {
        Some(_) => context.peek::<String>(node.member("request")),
        None => Some(order::POST.to_owned()),
    };
    context.check_known(node.member("request"), "a request of a scenario", &REQUESTS);
    if let Some(request) = request.filter(|request| REQUESTS.contains(&request.as_str()))
        && !context.scope.requests.contains(request.as_str())
    {
        let at = node.member("request").unwrap_or(node).at;
        context.mistakes.add(at, format!("no step above sends {request}, so there is no answer to check"));
    }
    let known: Vec<_> = context.scope.steps.iter().cloned().collect();
    match (&known[..], node.member("step")) {
        ([], Some(step)) => {
            let message = "no step above that sends requests has a name";
            context
                .mistakes
                .add(step.at, message)
                .help("add `name` with this name to the step that is meant");
        }
        (known, step) => {
            let known: Vec<_> = known.iter().map(String::as_str).collect();
            context.check_known(step, "the name of a step above that sends requests", &known);
        }
    }
}

/// The consumer groups of the dojo, of which the order service knows members and rebalances.
const GROUPS: [&str; 4] =
    [topic::NOTIFICATION_GROUP, topic::FRAUD_GROUP, topic::AUDIT_GROUP, topic::SSE_RELAY_GROUP];

/// Checks that the group is one of the dojo's.
fn check_group(node: &Node, context: &mut Context<'_>) {
    let group = node.member("group");
    // Each order service has a group of its own on the way to the stream.
    if context.peek::<String>(group).is_some_and(|group| group.starts_with(topic::SSE_RELAY_GROUP)) {
        return;
    }
    context.check_known(group, "a consumer group of the dojo", &GROUPS);
}

/// Records a group that is a misspelling of one of the dojo's. Any other group can be a participant's.
fn check_group_with_offsets(node: &Node, context: &mut Context<'_>) {
    let (Some(at), Some(group)) = (node.member("group"), context.peek::<String>(node.member("group"))) else {
        return;
    };
    if let Some(near) = misspelt(&group, &GROUPS).filter(|near| !group.starts_with(near)) {
        let message = format!("unknown consumer group `{}`; did you mean `{near}`?", shortened(&group));
        context.mistakes.add(at.at, message);
    }
}

fn check_member_partition(node: &Node, context: &mut Context<'_>) {
    if let (Some(at), Some(partition)) =
        (node.member("partition"), context.peek::<i32>(node.member("partition")))
    {
        check_partition(at, partition, context);
    }
}

/// Checks a partition of `orders`.
pub(super) fn check_partition(node: &Node, partition: i32, context: &mut Context<'_>) {
    let orders = topic::TOPICS.iter().find(|topic| topic.name == topic::ORDERS);
    let partitions = orders.map_or(i32::MAX, |topic| topic.partitions);
    if partition >= partitions {
        let message = format!("`orders` has no partition {partition}; give 0 to {}", partitions - 1);
        context.mistakes.add(node.at, message);
    }
}

fn is_mapping(node: &Node) -> bool {
    matches!(node.value, Value::Mapping(_))
}
