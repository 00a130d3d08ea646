//! Expectations about events: which of them count, and how many there must be.

use super::conditions::{Condition, Conditions, FieldTest, Pattern};
use crate::{
    Text,
    language::{Context, Definitions, Key, Node, Read, Value, mapping, misspelt, or_variable, shortened},
    scalar::scalar,
};
use dojo_contract::AuditAction;
use serde_json::json;
use std::fmt;

mapping! {
    /// Which events about this run's own orders are counted since the run began, and how many there must be.
    pub struct EventFields, "an expectation such as { action: NOTIFIED, perOrder: 1, within: 10s }" {
        /// The topic on which the events are: `audit` (default), `dlq` or `orders`.
        "event" => event: Option<EventTopic>,
        /// The action of an event, or several of which any counts.
        "action" => action: Option<Actions>,
        /// The type of an alert that the event carries, such as `VELOCITY`.
        "alert" => alert: Option<String>,
        /// A regular expression that the event's reason, or the reason of one of its alerts, matches.
        "reason" => reason: Option<Pattern>,
        /// Counts only orders of this customer; without it, every order of the run so far.
        "customer" => customer: Option<Text>,
        /// The instance that sent the event.
        "instanceId" => instance_id: Option<Text>,
        /// The partition of `orders` that holds the record the event is about.
        "partition" => partition: Option<i32>,
        /// Further conditions on fields and headers of the event: `{ retryCount: 2, "headers.redriveCount": 1 }`.
        "where" => conditions: Option<Conditions>,
        /// Counts only repetitions: events that at-least-once processing sent again.
        "duplicates" => duplicates: Option<bool>,
        /// This number.
        "exactly" => exactly: Option<u64>,
        /// This number or more.
        "atLeast" => at_least: Option<u64>,
        /// This number or fewer.
        "atMost" => at_most: Option<u64>,
        /// This number for every single order.
        "perOrder" => per_order: Option<u64>,
        /// `true`: not one.
        "none" => none: Option<bool>,
        /// Actions that every order goes through in this order.
        "inOrder" => in_order: Option<Vec<Actions>>,
    }
}

/// Which events are counted, and how many there must be.
#[derive(Debug, Clone)]
pub struct EventExpectation {
    /// The topic of the events.
    pub topic: EventTopic,
    /// The actions that count; any action if it is empty.
    pub actions: Vec<AuditAction>,
    /// The type of an alert.
    pub alert: Option<String>,
    /// A pattern of the reason.
    pub reason: Option<Pattern>,
    /// The customer whose orders count.
    pub customer: Option<Text>,
    /// Conditions on fields and headers.
    pub conditions: Vec<Condition>,
    /// Whether only repetitions count.
    pub duplicates: bool,
    /// How many there must be.
    pub count: Count,
}

/// A topic whose events are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum EventTopic {
    Audit,
    DeadLetters,
    Orders,
}

scalar!(EventTopic, "`audit`, `dlq` or `orders`", json!({"enum": ["audit", "dlq", "orders"]}), |text| {
    match text {
        "audit" => Some(EventTopic::Audit),
        "dlq" | "orders-dlq" => Some(EventTopic::DeadLetters),
        "orders" => Some(EventTopic::Orders),
        _ => None,
    }
});

/// How many events there must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Count {
    /// This number.
    Exactly(u64),
    /// This number or more.
    AtLeast(u64),
    /// This number or fewer.
    AtMost(u64),
    /// This number for every single order.
    PerOrder(u64),
    /// Every order goes through these actions, one after another; others may come between them.
    InOrder(Vec<Actions>),
}

/// Actions of which any counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actions(pub Vec<AuditAction>);

/// Every action of the contract.
pub const ACTIONS: [AuditAction; 11] = [
    AuditAction::Created,
    AuditAction::Updated,
    AuditAction::Deleted,
    AuditAction::Notified,
    AuditAction::Retry,
    AuditAction::Dlq,
    AuditAction::FraudAlert,
    AuditAction::FraudCheckPassed,
    AuditAction::Redriven,
    AuditAction::Dropped,
    AuditAction::RuleError,
];

/// Returns the action's name on the wire.
pub fn action_name(action: AuditAction) -> String {
    match serde_json::to_value(action) {
        Ok(serde_json::Value::String(name)) => name,
        _ => format!("{action:?}"),
    }
}

impl Read for Actions {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        if let Value::List(items) = &node.value {
            if items.is_empty() {
                return context.expected(node, "at least one action");
            }
            let read: Vec<_> = items.iter().map(|item| Self::read(item, context)).collect();
            let read: Option<Vec<_>> = read.into_iter().collect();
            return Some(Self(read?.into_iter().flat_map(|actions| actions.0).collect()));
        }
        let text = context.text(node, "an action such as NOTIFIED, or a list of actions")?;
        let found = ACTIONS.into_iter().find(|action| action_name(*action) == *text);
        if found.is_none() {
            let names = ACTIONS.map(action_name);
            context.check_known(Some(node), "an action", &names.each_ref().map(String::as_str));
        }
        found.map(|action| Self(vec![action]))
    }

    fn schema(definitions: &mut Definitions) -> serde_json::Value {
        let one = or_variable(json!({"enum": ACTIONS.map(action_name)}), definitions);
        json!({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|action| action_name(*action)).collect();
        f.write_str(&names.join(" or "))
    }
}

impl EventExpectation {
    /// Returns the expectation of these fields; `None` without exactly one count, which [`check`] records.
    pub(super) fn from_fields(fields: EventFields) -> Option<Self> {
        let counts: Vec<_> = [
            fields.exactly.map(Count::Exactly),
            fields.at_least.map(Count::AtLeast),
            fields.at_most.map(Count::AtMost),
            fields.per_order.map(Count::PerOrder),
            fields.none.filter(|none| *none).map(|_| Count::Exactly(0)),
            fields.in_order.map(Count::InOrder),
        ]
        .into_iter()
        .flatten()
        .collect();
        let [count] = &counts[..] else { return None };
        let topic = fields.event.unwrap_or(EventTopic::Audit);
        let mut conditions = fields.conditions.unwrap_or_default().0;
        if let Some(instance) = fields.instance_id {
            conditions.push(Condition { field: "instanceId".into(), test: FieldTest::Is(instance) });
        }
        if let Some(partition) = fields.partition {
            let field = if topic == EventTopic::Audit { "partition" } else { "record.partition" };
            conditions.push(Condition {
                field: field.into(),
                test: FieldTest::Is(Text::new(partition.to_string())),
            });
        }
        Some(Self {
            topic,
            actions: fields.action.map(|actions| actions.0).unwrap_or_default(),
            alert: fields.alert,
            reason: fields.reason,
            customer: fields.customer,
            conditions,
            duplicates: fields.duplicates.unwrap_or(false),
            count: count.clone(),
        })
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(0) => f.write_str("none"),
            Self::Exactly(n) => write!(f, "exactly {n}"),
            Self::AtLeast(n) => write!(f, "at least {n}"),
            Self::AtMost(n) => write!(f, "at most {n}"),
            Self::PerOrder(n) => write!(f, "{n} per order"),
            Self::InOrder(actions) => {
                let names: Vec<_> = actions.iter().map(Actions::to_string).collect();
                write!(f, "in order {}", names.join(", "))
            }
        }
    }
}

impl fmt::Display for EventExpectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = match self.topic {
            EventTopic::Audit => "event",
            EventTopic::DeadLetters => "dead letter",
            EventTopic::Orders => "record of orders",
        };
        match &self.actions[..] {
            [] => f.write_str(topic)?,
            actions if self.topic == EventTopic::Audit => Actions(actions.to_vec()).fmt(f)?,
            actions => write!(f, "{topic} {}", Actions(actions.to_vec()))?,
        }
        self.alert.iter().try_for_each(|alert| write!(f, " with {alert}"))?;
        self.reason.iter().try_for_each(|reason| write!(f, " with a reason like /{}/", reason.0))?;
        for Condition { field, test } in &self.conditions {
            match test {
                FieldTest::Is(text) => write!(f, " with {field} {text}")?,
                FieldTest::Matches(pattern) => write!(f, " with {field} like /{}/", pattern.0)?,
                FieldTest::Compares(comparison) => write!(f, " with {field} {comparison}")?,
            }
        }
        if self.duplicates {
            f.write_str(", repeated")?;
        }
        write!(f, ": {}", self.count)?;
        self.customer.iter().try_for_each(|customer| write!(f, ", of {customer}"))
    }
}

/// The alerts of the shipped rule. A participant's rule may have others.
const SHIPPED_ALERTS: [&str; 3] = ["VELOCITY", "BURST", "AMOUNT"];

/// The members of which exactly one says how many events there must be.
pub(super) const COUNTS: [&str; 6] = ["exactly", "atLeast", "atMost", "perOrder", "none", "inOrder"];

/// Checks which members of an expectation about events stand together.
pub(super) fn check(node: &Node, context: &mut Context<'_>) {
    let Value::Mapping(members) = &node.value else { return };
    if !context.scope.requests.contains(super::order::POST) && !context.scope.has_records {
        context
            .mistakes
            .add(node.at, "no order comes before this step, and only this run's own orders count")
            .help("put an `order`, a `flood` or a `produce` on `orders` before it");
    }
    check_count(node, members, context);
    let topic = context.peek::<EventTopic>(node.member("event")).unwrap_or(EventTopic::Audit);
    let actions = context.peek::<Actions>(node.member("action")).map(|actions| actions.0);
    let (alert, action) = (node.member("alert"), node.member("action"));
    match topic {
        EventTopic::DeadLetters => {
            for member in [alert, action].into_iter().flatten() {
                context.mistakes.add(member.at, "dead letters have neither `action` nor `alert`; remove it");
            }
        }
        EventTopic::Orders => {
            const CHANGES: [AuditAction; 3] =
                [AuditAction::Created, AuditAction::Updated, AuditAction::Deleted];
            if let Some(alert) = alert {
                context.mistakes.add(alert.at, "a record of `orders` has no `alert`; remove it");
            }
            if let (Some(action), Some(actions)) = (action, actions)
                && actions.iter().any(|action| !CHANGES.contains(action))
            {
                let message = "a record of `orders` has the action created, updated or deleted";
                context
                    .mistakes
                    .add(action.at, message)
                    .help("the other actions are on `audit`; remove `event`");
            }
        }
        EventTopic::Audit => {
            if let (Some(at), Some(name)) = (alert, context.peek::<String>(alert))
                && let Some(near) = misspelt(&name, &SHIPPED_ALERTS)
            {
                let message = format!("unknown alert `{}`; did you mean `{near}`?", shortened(&name));
                context.mistakes.add(at.at, message);
            }
            if let (Some(alert), Some(actions)) = (alert, actions)
                && actions != [AuditAction::FraudAlert]
            {
                context
                    .mistakes
                    .add(alert.at, "only FRAUD_ALERT carries an `alert`")
                    .help("make it the only `action`");
            }
            const SUBJECTS: [&str; 8] =
                ["event", "action", "alert", "reason", "instanceId", "partition", "where", "inOrder"];
            // Without a count, the author may have meant another kind of expectation.
            if !SUBJECTS.iter().any(|name| node.member(name).is_some()) {
                let help = "add one such as `action: NOTIFIED` or `event: dlq`";
                context.mistakes.add(node.at, "the step expects no event").help(help);
            }
        }
    }
    if let (Some(at), Some(partition)) =
        (node.member("partition"), context.peek::<i32>(node.member("partition")))
    {
        super::states::check_partition(at, partition, context);
    }
}

fn check_count(node: &Node, members: &[(Key, Node)], context: &mut Context<'_>) {
    let mut given = members.iter().filter(|(key, _)| COUNTS.contains(&&*key.text));
    let all = "`exactly`, `atLeast`, `atMost`, `perOrder`, `none` and `inOrder`";
    match (given.next(), given.next()) {
        (None, _) => {
            context.mistakes.add(node.at, format!("how many? give one of {all}"));
        }
        (Some(_), Some((second, _))) => {
            context.mistakes.add(second.at, format!("give only one of {all}"));
        }
        (Some((key, value)), None) => {
            let nothing = match &*key.text {
                "atLeast" if context.peek::<u64>(Some(value)) == Some(0) => {
                    "`atLeast: 0` is always true; give 1 or more"
                }
                "none" if context.peek::<bool>(Some(value)) == Some(false) => {
                    "`none: false` says nothing; write `none: true`, or another count such as `atLeast: 1`"
                }
                "inOrder" if matches!(&value.value, Value::List(items) if items.len() < 2) => {
                    "`inOrder` needs at least two actions"
                }
                _ => return,
            };
            context.mistakes.add(value.at, nothing);
        }
    }
}
