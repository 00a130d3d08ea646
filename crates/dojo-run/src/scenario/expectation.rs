//! An expectation of a scenario: which events, of which customer's orders, how many, and within which time.

use super::{Text, scalar};
use dojo_contract::AuditAction;
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor, value},
};
use std::{fmt, time::Duration};

/// Default time within which the events must arrive.
const WITHIN: Duration = Duration::from_secs(10);

/// Events about this run's own orders that must arrive, counted from the start of the run.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Written")]
pub struct Expectation {
    /// Which events are counted.
    pub subject: Subject,
    /// Counts only orders of this customer; without it, every order of the run so far.
    pub customer: Option<Text>,
    /// How many events there must be.
    pub count: Count,
    /// How long they may take, from the start of the step.
    pub within: Duration,
}

/// Which events are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Audit events with any of these actions; with `alert`, only events that carry an alert of this type.
    Audit {
        /// The actions, at least one.
        actions: Vec<AuditAction>,
        /// The type of alert, such as `VELOCITY`.
        alert: Option<String>,
    },
    /// Records on the dead-letter topic.
    DeadLetter,
}

/// How many events there must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// This number.
    Exactly(u64),
    /// This number or more.
    AtLeast(u64),
    /// This number or fewer.
    AtMost(u64),
    /// This number for every single order.
    PerOrder(u64),
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(n) => write!(f, "exactly {n}"),
            Self::AtLeast(n) => write!(f, "at least {n}"),
            Self::AtMost(n) => write!(f, "at most {n}"),
            Self::PerOrder(n) => write!(f, "{n} per order"),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeadLetter => f.write_str("dead letter"),
            Self::Audit { actions, alert } => {
                let names: Vec<_> = actions.iter().map(|action| action_name(*action)).collect();
                f.write_str(&names.join(" or "))?;
                alert.iter().try_for_each(|alert| write!(f, " with {alert}"))
            }
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.count)?;
        self.customer.iter().try_for_each(|customer| write!(f, ", of {customer}"))?;
        write!(f, ", within {:?}", self.within)
    }
}

/// Returns the action's name on the wire.
pub(crate) fn action_name(action: AuditAction) -> String {
    match serde_json::to_value(action) {
        Ok(serde_json::Value::String(name)) => name,
        _ => format!("{action:?}"),
    }
}

/// An expectation as it is written.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    expecting = "an expectation such as { action: NOTIFIED, perOrder: 1, within: 10s }"
)]
struct Written {
    action: Option<Actions>,
    event: Option<Event>,
    alert: Option<String>,
    customer: Option<Text>,
    exactly: Option<scalar::Number>,
    at_least: Option<scalar::Number>,
    at_most: Option<scalar::Number>,
    per_order: Option<scalar::Number>,
    within: Option<scalar::Span>,
}

/// A name of events on `GET /events`.
#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Event {
    Audit,
    Dlq,
}

impl TryFrom<Written> for Expectation {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let subject = match (written.action, written.event, written.alert) {
            (None, Some(Event::Dlq), None) => Subject::DeadLetter,
            (_, Some(Event::Dlq), _) => {
                return Err("dead letters have neither `action` nor `alert`; remove them");
            }
            (Some(Actions(actions)), _, Some(_)) if actions != [AuditAction::FraudAlert] => {
                return Err("only FRAUD_ALERT carries an `alert`; make it the only `action`");
            }
            (Some(Actions(actions)), _, alert) => Subject::Audit { actions, alert },
            (None, _, _) => {
                return Err("the step expects no event; add one such as `action: NOTIFIED` or `event: dlq`");
            }
        };
        let mut counts = [
            written.exactly.map(|n| Count::Exactly(n.0)),
            written.at_least.map(|n| Count::AtLeast(n.0)),
            written.at_most.map(|n| Count::AtMost(n.0)),
            written.per_order.map(|n| Count::PerOrder(n.0)),
        ]
        .into_iter()
        .flatten();
        let (Some(count), None) = (counts.next(), counts.next()) else {
            return Err("give one of `exactly`, `atLeast`, `atMost`, `perOrder`");
        };
        if count == Count::AtLeast(0) {
            return Err("`atLeast: 0` is always true; give 1 or more");
        }
        let within = written.within.map_or(WITHIN, |span| span.0);
        Ok(Self { subject, customer: written.customer, count, within })
    }
}

/// One action or a list of them.
struct Actions(Vec<AuditAction>);

impl<'de> Deserialize<'de> for Actions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ActionsVisitor;

        impl<'de> Visitor<'de> for ActionsVisitor {
            type Value = Actions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an action such as NOTIFIED, or a list of them")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Actions, E> {
                let action = AuditAction::deserialize(value::StrDeserializer::new(name))?;
                Ok(Actions(vec![action]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Actions, A::Error> {
                let mut actions = Vec::new();
                while let Some(action) = elements.next_element()? {
                    actions.push(action);
                }
                if actions.is_empty() {
                    return Err(serde::de::Error::custom("the list is empty; name at least one action"));
                }
                Ok(Actions(actions))
            }
        }

        deserializer.deserialize_any(ActionsVisitor)
    }
}
