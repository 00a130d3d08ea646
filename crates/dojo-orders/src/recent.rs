//! The newest verdicts, alerts and dead letters, for the first picture that the page shows; after that the page hears
//! for itself. Bounded in number, and every text is cut to a length that a page can show.

use dojo_contract::{AuditAction, AuditEvent, DlqEvent, FraudAlert, Source, header};
use dojo_kafka::Record;
use std::collections::{BTreeMap, HashMap, VecDeque};
use uuid::Uuid;

const AUDIT_ROWS: usize = 100;
const ALERT_ROWS: usize = 50;
const DEAD_LETTER_ROWS: usize = 50;
const VERDICTS: usize = 5_000;
/// Orders of which it is remembered how often they were notified: those of the last minute or more.
const DELIVERIES: usize = 20_000;
const MAX_CHARS: usize = 200;
const MAX_ALERTS: usize = 10;

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
}

/// What the services last said about one order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// `NOTIFIED`, `RETRY 1`, `DLQ`, …
    pub(crate) delivery: Option<String>,
    /// The types of its alerts, or `passed`.
    pub(crate) fraud: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Newest first, as are the others.
    pub(crate) audit: VecDeque<Row<AuditEvent>>,
    pub(crate) alerts: VecDeque<Row<AuditEvent>>,
    pub(crate) dead_letters: VecDeque<Row<DeadLetter>>,
    verdicts: HashMap<Uuid, Verdict>,
    /// The ids in `verdicts`, oldest first.
    judged: VecDeque<Uuid>,
    deliveries: Deliveries,
}

/// Counts the orders of which somebody was notified twice, which is what at-least-once delivery may do after a crash.
#[derive(Debug, Default)]
struct Deliveries {
    orders: HashMap<Uuid, Delivery>,
    /// The ids in `orders`, oldest first.
    seen: VecDeque<Uuid>,
    /// Orders that were notified twice.
    twice: u64,
}

#[derive(Debug, Default)]
struct Delivery {
    /// How often the order was created, changed, deleted or sent back: each of these is notified.
    changes: u32,
    /// Retry count and how often `NOTIFIED` came with it.
    notified: BTreeMap<u32, u32>,
    /// It is counted among those that were notified twice.
    is_counted: bool,
}

/// More retry counts than this of one order are not told apart.
const RETRY_COUNTS: usize = 16;

impl Deliveries {
    fn audit(&mut self, event: &AuditEvent) {
        let is_change = match event.action {
            AuditAction::Created | AuditAction::Updated | AuditAction::Deleted | AuditAction::Redriven => {
                true
            }
            AuditAction::Notified => false,
            _ => return,
        };
        if !self.orders.contains_key(&event.order_id) {
            self.seen.push_back(event.order_id);
            if self.seen.len() > DELIVERIES
                && let Some(oldest) = self.seen.pop_front()
            {
                self.orders.remove(&oldest);
            }
        }
        let delivery = self.orders.entry(event.order_id).or_default();
        if is_change {
            delivery.changes += 1;
            return;
        }
        let retry = event.retry_count.unwrap_or(0);
        if delivery.notified.len() >= RETRY_COUNTS && !delivery.notified.contains_key(&retry) {
            return;
        }
        let times = delivery.notified.entry(retry).or_default();
        *times += 1;
        if *times > delivery.changes.max(1) && !delivery.is_counted {
            delivery.is_counted = true;
            self.twice += 1;
        }
    }
}

impl Recent {
    pub(crate) fn audit(&mut self, record: &Record<'_>, event: &AuditEvent) {
        self.judge(event);
        self.deliveries.audit(event);
        let row = Row { partition: record.partition, offset: record.offset, what: shortened(event) };
        if event.action == AuditAction::FraudAlert {
            push(&mut self.alerts, row.clone(), ALERT_ROWS);
        }
        push(&mut self.audit, row, AUDIT_ROWS);
    }

    pub(crate) fn dead_letter(&mut self, record: &Record<'_>, event: Result<DlqEvent, String>) {
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

    /// What was last said about `id`, as far as is remembered.
    pub(crate) fn verdict(&self, id: Uuid) -> Verdict {
        self.verdicts.get(&id).cloned().unwrap_or_default()
    }

    /// How many orders were notified twice since this service started, as far as is remembered.
    pub(crate) fn notified_twice(&self) -> u64 {
        self.deliveries.twice
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
    }
}

/// Follows a verdict for which orders were missing in the counts.
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
        reason: event.reason.as_deref().map(cut),
        rule_version: event.rule_version.as_deref().map(cut),
        partition: event.partition,
        offset: event.offset,
    }
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
        let mut recent = Recent::default();
        let retry = AuditEvent { retry_count: Some(2), ..event(AuditAction::Retry, 1) };
        let alert =
            FraudAlert { kind: "VELOCITY".into(), reason: "x".repeat(9_000), severity: Severity::High };
        let alerts = AuditEvent { alerts: Some(vec![alert]), ..event(AuditAction::FraudAlert, 1) };
        recent.audit(&record(0), &alerts);
        recent.audit(&record(1), &retry);
        let verdict =
            |delivery: &str| Verdict { delivery: Some(delivery.into()), fraud: Some("VELOCITY".into()) };
        assert_eq!(recent.verdict(Uuid::from_u128(1)), verdict("RETRY 2"));
        recent.audit(&record(2), &event(AuditAction::Dlq, 1));
        assert_eq!(recent.verdict(Uuid::from_u128(1)), verdict("DLQ"));
        assert_eq!(recent.alerts[0].what.alerts.as_ref().unwrap()[0].reason.len(), MAX_CHARS);
    }

    #[test]
    fn a_partial_verdict_says_so() {
        let mut recent = Recent::default();
        let stats = WindowStats { customer_orders_in_window: 1, global_orders_in_window: 1, partial: true };
        let passed = AuditEvent { window_stats: Some(stats), ..event(AuditAction::FraudCheckPassed, 1) };
        recent.audit(&record(0), &passed);
        assert_eq!(recent.verdict(Uuid::from_u128(1)).fraud.as_deref(), Some("passed (partial)"));
    }

    #[test]
    fn an_order_that_is_notified_twice_is_counted_once() {
        let mut recent = Recent::default();
        let mut say = |action, id, retry: u32| {
            recent.audit(&record(0), &AuditEvent { retry_count: Some(retry), ..event(action, id) });
            recent.notified_twice()
        };
        assert_eq!(say(AuditAction::Created, 1, 0), 0);
        assert_eq!(say(AuditAction::Notified, 1, 0), 0);
        assert_eq!(say(AuditAction::Notified, 1, 1), 0, "another attempt");
        assert_eq!(say(AuditAction::Notified, 1, 0), 1);
        assert_eq!(say(AuditAction::Notified, 1, 0), 1);
        // An order is notified of each of its changes.
        say(AuditAction::Created, 2, 0);
        say(AuditAction::Notified, 2, 0);
        say(AuditAction::Updated, 2, 0);
        assert_eq!(say(AuditAction::Notified, 2, 0), 1);
        assert_eq!(say(AuditAction::Notified, 2, 0), 2);
        // What happened before the service started is not known.
        assert_eq!(say(AuditAction::Notified, 3, 0), 2);
        assert_eq!(say(AuditAction::Notified, 3, 0), 3);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut recent = Recent::default();
        for n in 0..DELIVERIES as i64 + 50 {
            recent.audit(&record(n), &event(AuditAction::Notified, n as u128));
        }
        assert_eq!(
            (recent.audit.len(), recent.verdicts.len(), recent.judged.len()),
            (AUDIT_ROWS, VERDICTS, VERDICTS)
        );
        assert_eq!((recent.deliveries.orders.len(), recent.deliveries.seen.len()), (DELIVERIES, DELIVERIES));
        assert_eq!(recent.verdict(Uuid::from_u128(0)), Verdict::default());
    }
}
