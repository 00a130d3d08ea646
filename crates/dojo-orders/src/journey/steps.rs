//! The steps of a journey, as the API answers them.

use crate::{
    journey::{
        arrange::{Arranged, own_time},
        found::{About, DeadLetter, Found, Kind, Report},
        kept::{FIRST, NEWEST},
    },
    log::stream_topic::StreamTopic,
};
use dojo_contract::{AuditAction, FraudAlert, Source, time};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One record about the order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    pub(crate) what: What,
    /// When it happened. Retries and redriven records carry the timestamp of their event on Kafka, so their time is that of
    /// the audit event that announces them, or that of the redrive.
    #[schema(format = DateTime, required)]
    at: Option<String>,
    /// Null where a time isn't known, and after steps that were left out. Negative where two clocks differ.
    #[schema(required)]
    since_previous_millis: Option<i64>,
    topic: &'static str,
    partition: i32,
    offset: i64,
    /// The record of `orders` that it is about.
    #[schema(required)]
    about: Option<Place>,
    /// The instance that did it, or its service.
    #[schema(required)]
    by: Option<String>,
    /// Which delivery of the event it is about: 1 is the first.
    #[schema(required)]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "is_zero")]
    redrive_count: u32,
    #[schema(required)]
    rule_version: Option<String>,
    #[schema(required)]
    reason: Option<String>,
    alerts: Vec<FraudAlert>,
    headers: BTreeMap<String, String>,
    /// Why the record can't be read, or what isn't known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum What {
    /// Something happened to the order: on `orders`, also when the event comes again (`attempt` and `redriveCount` tell), or
    /// on `audit`.
    Action(AuditAction),
    /// Something else.
    Other(OtherRecord),
}

/// What a record is that has no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OtherRecord {
    /// It is on `orders-dlq`.
    DeadLetter,
    /// It can't be read.
    Unreadable,
}

const DEAD_LETTER: What = What::Other(OtherRecord::DeadLetter);
const UNREADABLE: What = What::Other(OtherRecord::Unreadable);

/// Where a record stands on its topic.
#[derive(Debug, Serialize, ToSchema)]
struct Place {
    partition: i32,
    offset: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Returns the first and the newest steps, and how many between them were left out.
pub(crate) fn steps(found: &[Found], arranged: &Arranged) -> (Vec<Step>, usize) {
    let count = arranged.order.len();
    let omitted = count.saturating_sub(FIRST + NEWEST);
    let mut previous = None;
    let mut steps = Vec::with_capacity(count - omitted);
    for (n, index) in arranged.order.iter().enumerate() {
        if omitted > 0 && (FIRST..FIRST + omitted).contains(&n) {
            previous = None;
            continue;
        }
        let Some(record) = found.get(*index) else { continue };
        let origin = Origin { found, arranged, index: *index };
        let at = origin.time();
        let since = at.zip(previous).map(|(at, previous)| at.saturating_sub(previous));
        previous = at.or(previous);
        steps.push(Step { since_previous_millis: since, ..origin.step(record, at) });
    }
    (steps, omitted)
}

/// A record among the others of its journey.
struct Origin<'a> {
    found: &'a [Found],
    arranged: &'a Arranged,
    index: usize,
}

impl<'a> Origin<'a> {
    fn step(&self, record: &Found, at: Option<i64>) -> Step {
        let at = at.or(record.timestamp).and_then(time::from_kafka).map(time::format);
        let empty = Step {
            what: UNREADABLE,
            at,
            since_previous_millis: None,
            topic: record.topic.name(),
            partition: record.partition,
            offset: record.offset,
            about: None,
            by: None,
            attempt: None,
            redrive_count: 0,
            rule_version: None,
            reason: None,
            alerts: Vec::new(),
            headers: record.headers.clone(),
            note: None,
        };
        let own_place = Some(Place { partition: record.partition, offset: record.offset });
        match &record.kind {
            Kind::Event { action, retry_count, redrive_count, .. } => Step {
                what: What::Action((*action).into()),
                about: own_place,
                by: self.announcement().map(by),
                attempt: Some(retry_count.saturating_add(1)),
                redrive_count: *redrive_count,
                note: self.time().is_none().then(|| {
                    "no event on audit announces this record, so its time isn't known; `at` is when its event happened"
                        .to_owned()
                }),
                ..empty
            },
            Kind::Report(report) => self.reported(report, empty),
            Kind::DeadLetter(letter) => Step { what: DEAD_LETTER, ..dead(letter, empty) },
            Kind::Unreadable { why, letter } => {
                let about = own_place.filter(|_| record.topic == StreamTopic::Orders);
                let step = match letter {
                    Some(letter) => dead(letter, empty),
                    None => Step { about, ..empty },
                };
                Step { note: Some(why.clone()), ..step }
            }
        }
    }

    fn reported(&self, report: &Report, step: Step) -> Step {
        let effect = self.linked(&self.arranged.announces).and_then(|n| self.found.get(n));
        let announced =
            effect.filter(|effect| effect.topic == StreamTopic::Orders && is_change(report.action));
        let about = report.about.or(announced.map(|effect| (effect.partition, effect.offset)));
        // A redrive has begun with the record that it sends, every other event is about a record that is there.
        let counted =
            if report.action == AuditAction::Redriven { effect } else { about.and_then(|at| self.at(at)) };
        let counts = counted.and_then(|record| match record.kind {
            Kind::Event { retry_count, redrive_count, .. } => {
                Some((retry_count.saturating_add(1), redrive_count))
            }
            _ => None,
        });
        let (attempt, redrive_count) = counts.unwrap_or((claimed_attempt(report), 0));
        Step {
            what: What::Action(report.action),
            about: about.map(place),
            by: Some(by(report)),
            attempt: Some(attempt),
            redrive_count,
            rule_version: report.rule_version.clone(),
            reason: report.reason.clone(),
            alerts: report.alerts.clone(),
            ..step
        }
    }

    fn time(&self) -> Option<i64> {
        let own = self.found.get(self.index).and_then(own_time);
        own.or_else(|| self.announcement().map(|report| report.at))
    }

    /// The audit event that announces this record.
    fn announcement(&self) -> Option<&'a Report> {
        match &self.found.get(self.linked(&self.arranged.announced_by)?)?.kind {
            Kind::Report(report) => Some(report),
            _ => None,
        }
    }

    fn linked(&self, links: &[Option<usize>]) -> Option<usize> {
        links.get(self.index).copied().flatten()
    }

    fn at(&self, (partition, offset): About) -> Option<&'a Found> {
        let is_there = |record: &&Found| (record.partition, record.offset) == (partition, offset);
        self.found.iter().filter(|record| record.topic == StreamTopic::Orders).find(is_there)
    }
}

fn is_change(action: AuditAction) -> bool {
    matches!(
        action,
        AuditAction::Created | AuditAction::Updated | AuditAction::Deleted | AuditAction::Redriven
    )
}

/// Returns the attempt that an event is about, as it says itself.
fn claimed_attempt(report: &Report) -> u32 {
    let retries = report.retry_count.unwrap_or(0);
    // `RETRY` counts the retry that begins; it is about the attempt before.
    if report.action == AuditAction::Retry { retries.max(1) } else { retries.saturating_add(1) }
}

fn dead(letter: &DeadLetter, step: Step) -> Step {
    Step {
        about: letter.about.map(place),
        by: letter.instance_id.clone(),
        attempt: letter.retry_count.map(|count| count.saturating_add(1)),
        redrive_count: letter.redrive_count.unwrap_or(0),
        rule_version: letter.rule_version.clone(),
        reason: letter.reason.clone(),
        ..step
    }
}

fn place((partition, offset): About) -> Place {
    Place { partition, offset }
}

fn by(report: &Report) -> String {
    let service = match report.source {
        Source::OrderService => "order-service",
        Source::NotificationService => "notification-service",
        Source::FraudService => "fraud-service",
    };
    report.instance_id.clone().unwrap_or_else(|| service.to_owned())
}
