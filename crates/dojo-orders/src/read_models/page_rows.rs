//! The newest verdicts, alerts and dead letters, for the page as it is first sent; after that the page follows the stream
//! itself. Every list is bounded, and every text is cut to a length that a page can show.

use crate::read_models::deliveries::Deliveries;
use dojo_contract::{AuditAction, AuditEvent, DlqEvent, FraudAlert, Source, header};
use dojo_kafka::Record;
use std::collections::{HashMap, VecDeque};
use uuid::Uuid;

const AUDIT_ROWS: usize = 100;
const ALERT_ROWS: usize = 50;
const DEAD_LETTER_ROWS: usize = 50;
const VERDICTS: usize = 5_000;
const MAX_CHARS: usize = 200;
/// The reason of a failed rule has the line of its source, too.
const MAX_REASON_CHARS: usize = 600;
const MAX_ALERTS: usize = 10;
const MAX_HEADERS: usize = 20;

/// A row and the place of its record, so that a page can tell which rows its stream will bring again.
#[derive(Debug, Clone)]
pub(crate) struct Row<T> {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) what: T,
}

/// A dead letter, readable or not.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    /// Of the record on `orders-dlq`, in milliseconds since 1970.
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: String,
    pub(crate) customer_name: Option<String>,
    pub(crate) item: Option<String>,
    pub(crate) reason: String,
    pub(crate) instance_id: Option<String>,
    /// Where the record stood on `orders`, as `0@17`.
    pub(crate) original: Option<String>,
    /// The version of the rule that decided.
    pub(crate) rule_version: Option<String>,
    /// The headers, one a line.
    pub(crate) headers: String,
}

/// The last verdict of each service on one order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// `NOTIFIED`, `RETRY 1`, `DLQ`, …
    pub(crate) delivery: Option<String>,
    /// The types of its alerts, or `passed`.
    pub(crate) fraud: Option<String>,
    /// Why a rule failed on it.
    pub(crate) mistake: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct PageRows {
    /// Newest first, as are the others.
    pub(crate) audit: VecDeque<Row<AuditEvent>>,
    pub(crate) alerts: VecDeque<Row<AuditEvent>>,
    pub(crate) dead_letters: VecDeque<Row<DeadLetter>>,
    verdicts: HashMap<Uuid, Verdict>,
    /// The ids in `verdicts`, oldest first.
    judged: VecDeque<Uuid>,
    deliveries: Deliveries,
}

impl PageRows {
    pub(super) fn audit(&mut self, record: &Record<'_>, event: &AuditEvent) {
        self.judge(event);
        self.deliveries.observe(event);
        let row = Row { partition: record.partition, offset: record.offset, what: shortened(event) };
        if event.action == AuditAction::FraudAlert {
            push(&mut self.alerts, row.clone(), ALERT_ROWS);
        }
        push(&mut self.audit, row, AUDIT_ROWS);
    }

    pub(super) fn dead_letter(&mut self, record: &Record<'_>, event: Result<DlqEvent, String>) {
        let header = |name| {
            let (_, value) = record.headers.iter().rev().find(|(key, _)| key == name)?;
            Some(cut(&String::from_utf8_lossy(value.as_deref()?)))
        };
        let (partition, offset) = (header(header::ORIGINAL_PARTITION), header(header::ORIGINAL_OFFSET));
        let mut what = DeadLetter {
            timestamp: record.timestamp,
            key: record.key.map(|key| cut(&String::from_utf8_lossy(key))).unwrap_or_default(),
            customer_name: None,
            item: None,
            reason: header(header::ERROR).unwrap_or_default(),
            instance_id: header(header::INSTANCE),
            original: partition.zip(offset).map(|(partition, offset)| format!("{partition}@{offset}")),
            rule_version: header(header::RULE_VERSION),
            headers: header_lines(&record.headers),
        };
        match event {
            Ok(event) => {
                what.customer_name = Some(cut(&event.order.customer_name));
                what.item = Some(cut(&event.order.item));
                what.reason = cut(&event.reason);
                what.instance_id = Some(cut(&event.instance_id));
            }
            Err(why) if what.reason.is_empty() => what.reason = cut(&why),
            Err(_) => {}
        }
        let row = Row { partition: record.partition, offset: record.offset, what };
        push(&mut self.dead_letters, row, DEAD_LETTER_ROWS);
    }

    /// The last verdict on the order `id`, if it is among the newest.
    pub(crate) fn verdict(&self, id: Uuid) -> Verdict {
        self.verdicts.get(&id).cloned().unwrap_or_default()
    }

    /// How many orders were notified twice since this service started, among those that it remembers.
    pub(crate) fn notified_twice(&self) -> u64 {
        self.deliveries.notified_twice()
    }

    fn judge(&mut self, event: &AuditEvent) {
        let (delivery, fraud) = match (event.action, event.source) {
            (AuditAction::Notified, _) => (Some("NOTIFIED".to_owned()), None),
            (AuditAction::Retry, _) => (Some(format!("RETRY {}", event.retry_count.unwrap_or(1))), None),
            (AuditAction::Dlq, _) => (Some("DLQ".to_owned()), None),
            (AuditAction::Dropped, _) => (Some("DROPPED".to_owned()), None),
            (AuditAction::FraudCheckPassed, _) => (None, Some(format!("passed{}", partial(event)))),
            (AuditAction::FraudAlert, _) => (None, Some(alert_types(event) + partial(event))),
            (AuditAction::RuleError, Source::FraudService) => (None, Some("RULE_ERROR".to_owned())),
            (AuditAction::RuleError, _) => (None, None),
            _ => return,
        };
        if !self.verdicts.contains_key(&event.order_id) {
            self.judged.push_back(event.order_id);
            if self.judged.len() > VERDICTS
                && let Some(oldest) = self.judged.pop_front()
            {
                self.verdicts.remove(&oldest);
            }
        }
        let verdict = self.verdicts.entry(event.order_id).or_default();
        verdict.delivery = delivery.or(verdict.delivery.take());
        verdict.fraud = fraud.or(verdict.fraud.take());
        if event.action == AuditAction::RuleError {
            verdict.mistake = event.reason.as_deref().map(cut_reason);
        }
    }
}

/// The text that follows a verdict whose counts lacked some orders.
pub(crate) fn partial(event: &AuditEvent) -> &'static str {
    if event.window_stats.is_some_and(|stats| stats.partial) { " (partial)" } else { "" }
}

fn alert_types(event: &AuditEvent) -> String {
    let alerts = event.alerts.iter().flatten().take(MAX_ALERTS);
    alerts.map(|alert| cut(&alert.kind)).collect::<Vec<_>>().join(", ")
}

fn push<T>(rows: &mut VecDeque<T>, row: T, most: usize) {
    rows.push_front(row);
    rows.truncate(most);
}

fn shortened(event: &AuditEvent) -> AuditEvent {
    let alert =
        |a: &FraudAlert| FraudAlert { kind: cut(&a.kind), reason: cut(&a.reason), severity: a.severity };
    AuditEvent {
        source: event.source,
        action: event.action,
        order_id: event.order_id,
        timestamp: event.timestamp,
        instance_id: event.instance_id.as_deref().map(cut),
        customer_name: event.customer_name.as_deref().map(cut),
        retry_count: event.retry_count,
        alerts: event.alerts.as_ref().map(|alerts| alerts.iter().take(MAX_ALERTS).map(alert).collect()),
        window_stats: event.window_stats,
        reason: event.reason.as_deref().map(cut_reason),
        rule_version: event.rule_version.as_deref().map(cut),
        partition: event.partition,
        offset: event.offset,
    }
}

fn header_lines(headers: &[(String, Option<Vec<u8>>)]) -> String {
    let text = |value: &Option<Vec<u8>>| value.as_deref().map(|value| cut(&String::from_utf8_lossy(value)));
    let line = |(name, value): &(String, _)| format!("{}: {}", cut(name), text(value).unwrap_or_default());
    headers.iter().take(MAX_HEADERS).map(line).collect::<Vec<_>>().join("\n")
}

fn cut_reason(text: &str) -> String {
    text.chars().take(MAX_REASON_CHARS).collect()
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use dojo_contract::{Severity, WindowStats, topic};

    fn record(offset: i64) -> Record<'static> {
        Record {
            topic: topic::AUDIT,
            partition: 0,
            offset,
            timestamp: None,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    fn event(action: AuditAction, id: u128) -> AuditEvent {
        let source = match action {
            AuditAction::FraudAlert | AuditAction::FraudCheckPassed => Source::FraudService,
            _ => Source::NotificationService,
        };
        AuditEvent::new(source, action, Uuid::from_u128(id), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn the_last_word_on_delivery_and_on_fraud_are_kept_apart() {
        let mut rows = PageRows::default();
        let retry = AuditEvent { retry_count: Some(2), ..event(AuditAction::Retry, 1) };
        let alert =
            FraudAlert { kind: "VELOCITY".into(), reason: "x".repeat(9_000), severity: Severity::High };
        let alerts = AuditEvent { alerts: Some(vec![alert]), ..event(AuditAction::FraudAlert, 1) };
        rows.audit(&record(0), &alerts);
        rows.audit(&record(1), &retry);
        let verdict = |delivery: &str| Verdict {
            delivery: Some(delivery.into()),
            fraud: Some("VELOCITY".into()),
            mistake: None,
        };
        assert_eq!(rows.verdict(Uuid::from_u128(1)), verdict("RETRY 2"));
        rows.audit(&record(2), &event(AuditAction::Dlq, 1));
        assert_eq!(rows.verdict(Uuid::from_u128(1)), verdict("DLQ"));
        assert_eq!(rows.alerts[0].what.alerts.as_ref().unwrap()[0].reason.len(), MAX_CHARS);
    }

    #[test]
    fn a_partial_verdict_says_so() {
        let mut rows = PageRows::default();
        let stats = WindowStats { customer_orders_in_window: 1, global_orders_in_window: 1, partial: true };
        let passed = AuditEvent { window_stats: Some(stats), ..event(AuditAction::FraudCheckPassed, 1) };
        rows.audit(&record(0), &passed);
        assert_eq!(rows.verdict(Uuid::from_u128(1)).fraud.as_deref(), Some("passed (partial)"));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut rows = PageRows::default();
        for n in 0..VERDICTS as i64 + 50 {
            rows.audit(&record(n), &event(AuditAction::Notified, n as u128));
        }
        assert_eq!(
            (rows.audit.len(), rows.verdicts.len(), rows.judged.len()),
            (AUDIT_ROWS, VERDICTS, VERDICTS)
        );
        assert_eq!(rows.verdict(Uuid::from_u128(0)), Verdict::default());
    }
}
