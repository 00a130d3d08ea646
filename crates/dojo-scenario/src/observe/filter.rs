//! Which events an expectation counts, and when no more of them can follow.

use super::{
    event::Event,
    own_order::{CREATED, DELIVERED, JUDGED, LETTERED, OwnOrder, RECORDED},
};
use crate::{
    Placeholders, Text,
    document::{Comparison, Condition, Count, EventExpectation, EventTopic, FieldTest},
};
use dojo_contract::{AuditAction as Action, normalize_name};
use regex::Regex;
use rust_decimal::Decimal;
use serde_json::Value;

/// An expectation of events, with its placeholders filled in.
#[derive(Debug)]
pub(super) struct Filter {
    /// The whole expectation in words: two filters with one text count the same.
    pub text: String,
    topic: EventTopic,
    actions: Vec<Action>,
    alert: Option<String>,
    reason: Option<Regex>,
    /// The customer whose orders count, in NFC.
    pub customer: Option<String>,
    conditions: Vec<(Vec<String>, Test)>,
    /// Whether only repetitions count.
    pub duplicates: bool,
    pub count: Count,
    /// What must have happened to an order before nothing more can be counted; `None` if that can't be known.
    pub settles: Option<u8>,
}

#[derive(Debug)]
enum Test {
    Is(String, Option<Decimal>),
    Matches(Regex),
    Compares(Comparison),
}

impl Filter {
    pub fn new(expected: &EventExpectation, placeholders: Placeholders<'_>) -> Self {
        let fill = |text: &Text| text.fill(placeholders);
        let condition = |Condition { field, test }: &Condition| {
            let test = match test {
                FieldTest::Is(text) => {
                    let text = fill(text);
                    let number = Decimal::from_str_exact(&text).ok();
                    Test::Is(text, number)
                }
                FieldTest::Matches(pattern) => Test::Matches(pattern.0.clone()),
                FieldTest::Compares(comparison) => Test::Compares(*comparison),
            };
            (field.split('.').map(str::to_owned).collect(), test)
        };
        Self {
            text: fill(&Text::new(expected.to_string())),
            topic: expected.topic,
            actions: expected.actions.clone(),
            alert: expected.alert.clone(),
            reason: expected.reason.as_ref().map(|pattern| pattern.0.clone()),
            customer: expected.customer.as_ref().map(|customer| normalize_name(&fill(customer))),
            conditions: expected.conditions.iter().map(condition).collect(),
            duplicates: expected.duplicates,
            count: expected.count.clone(),
            settles: settles(expected),
        }
    }

    /// Returns whether the event's fields must be looked up in its JSON.
    pub fn has_conditions(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// Returns whether the expectation is about records without an order, too: no service reports on them on `audit`.
    pub fn counts_records(&self) -> bool {
        self.topic != EventTopic::Audit && self.customer.is_none()
    }

    /// Returns whether the expectation is about the order, if it is about its customer.
    pub fn looks_at(&self, order: &OwnOrder) -> bool {
        !order.is_record || self.counts_records()
    }

    /// Returns whether nothing more can come of an order that counts.
    pub fn is_settled(&self, order: &OwnOrder) -> bool {
        self.settles.is_none_or(|settles| order.settled & settles == settles)
    }

    /// Returns whether the filter is about verdicts of fraud detection.
    pub fn is_about_fraud(&self) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::FraudAlert | Action::FraudCheckPassed))
    }

    /// Returns whether the event counts. `json` is its data, needed only by a filter that has conditions.
    pub fn counts(&self, event: &Event, json: &Value) -> bool {
        let kind = event.saying.kind;
        kind.topic == self.topic
            && (self.actions.is_empty() || kind.action.is_some_and(|action| self.actions.contains(&action)))
            && self.alert.as_ref().is_none_or(|alert| event.alerts.iter().any(|given| given.kind == *alert))
            && self.reason.as_ref().is_none_or(|pattern| {
                let reasons = event.alerts.iter().map(|alert| &alert.reason).chain(&event.reason);
                reasons.into_iter().any(|reason| pattern.is_match(reason))
            })
            && self.conditions.iter().all(|(path, test)| field_passes(json, path, test))
    }
}

/// Returns whether the field passes, which `headers` finds in the record, too.
fn field_passes(json: &Value, path: &[String], test: &Test) -> bool {
    if passes(json, path, test) {
        return true;
    }
    match path.split_first() {
        // A header's name may have dots.
        Some((first, name)) if first == "headers" && !name.is_empty() => {
            let header = json.get("record").and_then(|record| record.get("headers")?.get(name.join(".")));
            header.is_some_and(|value| passes(value, &[], test))
        }
        _ => false,
    }
}

/// Returns whether the value at the path passes: any element of a list on the way.
fn passes(value: &Value, path: &[String], test: &Test) -> bool {
    match (value, path.split_first()) {
        (Value::Array(items), _) => items.iter().any(|item| passes(item, path, test)),
        (_, Some((first, rest))) => value.get(first).is_some_and(|value| passes(value, rest, test)),
        (Value::String(text), None) => test.passes(text),
        (Value::Object(_), None) => false,
        (other, None) => test.passes(&other.to_string()),
    }
}

impl Test {
    fn passes(&self, text: &str) -> bool {
        match self {
            Self::Is(wanted, number) => {
                wanted == text || number.is_some_and(|number| Decimal::from_str_exact(text) == Ok(number))
            }
            Self::Matches(pattern) => pattern.is_match(text),
            Self::Compares(comparison) => {
                Decimal::from_str_exact(text).is_ok_and(|number| comparison.holds(number))
            }
        }
    }
}

fn settles(expected: &EventExpectation) -> Option<u8> {
    let in_order = match &expected.count {
        Count::InOrder(steps) => steps.iter().flat_map(|actions| actions.0.clone()).collect(),
        _ => Vec::new(),
    };
    let actions: Vec<_> = expected.actions.iter().copied().chain(in_order).collect();
    // A change can come at any time.
    if actions.iter().any(|action| matches!(action, Action::Updated | Action::Deleted | Action::Redriven)) {
        return None;
    }
    match expected.topic {
        EventTopic::DeadLetters => Some(LETTERED),
        EventTopic::Orders => Some(RECORDED),
        EventTopic::Audit if actions.is_empty() => None,
        EventTopic::Audit => Some(actions.into_iter().map(settles_audit).fold(0, |all, one| all | one)),
    }
}

fn settles_audit(action: Action) -> u8 {
    match action {
        Action::Created => CREATED,
        Action::FraudAlert | Action::FraudCheckPassed => JUDGED,
        Action::RuleError => JUDGED | DELIVERED,
        _ => DELIVERED,
    }
}
