//! The fraud service as a handler of `orders`: records to the [detector](crate::detector), verdicts to `audit`.
//!
//! A record that isn't a new order is done at once. A new order is done when its turn has come and its verdict is sent, so
//! the committed offset never passes an order without a verdict.

use crate::{
    detector::{Counted, Detector, Incoming},
    read::{Reading, read},
    rebuild::{Rebuild, rebuild},
    tally::Tally,
    verdict,
    window::{OrderWindow, WINDOW, millis},
};
use chrono::Utc;
use dojo_contract::{Order, WindowStats, topic};
use dojo_kafka::{AssignedPartition, Error, Handler, LogLookup, Outbox, Outgoing, Position, Record, StartAt};
use dojo_rules::{FraudRule, LiveRule, MAX_SPAN};
use std::sync::Arc;

/// Judges orders by a rule that may change at any time.
pub struct Fraud {
    instance_id: String,
    rule: LiveRule<FraudRule>,
    detector: Detector<Position>,
    /// The span that the windows hold, in milliseconds.
    held_span: i64,
    /// The span that the windows should hold, in milliseconds. It only grows, so that edits back and forth fill no window twice.
    wanted_span: i64,
    /// Whether other partitions of `orders` belong to another member, so that their orders aren't counted.
    is_partial: bool,
    unreadable: u64,
    /// The version of the last rule whose failure was logged.
    failing: Option<String>,
    tally: Tally,
}

impl Fraud {
    /// Creates the service of the instance `instance_id`, which judges by `rule`.
    pub fn new(instance_id: String, rule: LiveRule<FraudRule>) -> Self {
        Self {
            instance_id,
            rule,
            detector: Detector::default(),
            held_span: WINDOW,
            wanted_span: WINDOW,
            is_partial: false,
            unreadable: 0,
            failing: None,
            tally: Tally::default(),
        }
    }

    /// Judges every order whose turn has come.
    fn judge(&mut self, now: i64, out: &mut Outbox) -> Result<(), Error> {
        // Once longer windows are wanted, the waiting orders are read again and judged with them.
        while !self.starts_over()
            && let Some(Counted { incoming, window }) = self.detector.next(now)
        {
            let Incoming { partition, offset, time, order, tag: position } = incoming;
            if let Some(window) = window {
                let record = self.verdict(partition, offset, time, &order, window)?;
                out.send(position, record);
            }
            out.done(position);
        }
        Ok(())
    }

    /// Judges one order, and returns the record with the verdict.
    fn verdict(
        &mut self,
        partition: i32,
        offset: i64,
        time: i64,
        order: &Order,
        window: Arc<OrderWindow>,
    ) -> Result<Outgoing, Error> {
        let rule = self.rule.current();
        let stats = window.stats();
        let answer = rule.rule.judge(verdict::facts(order, time, stats, Arc::clone(&window)));
        if let Err(error) = &answer
            && self.failing.as_ref() != Some(&rule.version)
        {
            tracing::warn!(partition, offset, "{error}; an order on which it fails gets a RULE_ERROR");
            self.failing = Some(rule.version.clone());
        }
        self.asked(window.longest_asked());
        let stats = WindowStats { partial: self.is_partial || window.is_partial(), ..stats };
        let mut event = verdict::event(order, stats, answer, Utc::now());
        self.tally.count(&event);
        event.instance_id = Some(self.instance_id.clone());
        event.rule_version = Some(rule.version.clone());
        event.partition = Some(partition);
        event.offset = Some(offset);
        Outgoing::json(topic::AUDIT, order.id.to_string(), &event, event.timestamp)
    }

    /// Notes that a rule asked about a span of `seconds` while it ran. A rule that asks for a little more each time would have the
    /// windows filled again each time, so the span that is wanted at least doubles.
    fn asked(&mut self, seconds: u32) {
        let asked = millis(seconds);
        if asked > self.held_span {
            self.wanted_span = self.wanted_span.max(asked).max((2 * self.held_span).min(millis(MAX_SPAN)));
        }
    }

    /// Returns the span that the rule in force is known to ask about, in milliseconds.
    fn span_of_rule(&self) -> i64 {
        millis(self.rule.current().rule.longest_span())
    }

    fn skip(&mut self, record: &Record<'_>, reason: &str) {
        self.unreadable += 1;
        tracing::warn!(
            topic = record.topic,
            partition = record.partition,
            offset = record.offset,
            reason,
            so_far = self.unreadable,
            "unreadable record skipped"
        );
    }
}

impl Handler for Fraud {
    fn assigned(
        &mut self,
        assigned: &[AssignedPartition],
        log: &dyn LogLookup,
    ) -> Result<Vec<StartAt>, Error> {
        let now = Utc::now().timestamp_millis();
        self.wanted_span = self.wanted_span.max(self.span_of_rule());
        self.held_span = self.wanted_span;
        let Rebuild { starts, judged, missing_until } = rebuild(assigned, log, self.held_span, now)?;
        self.is_partial = assigned.len() < log.partitions(topic::ORDERS)?;
        // The old state belongs to an earlier assignment: another instance may have judged its partitions meanwhile.
        self.detector = Detector::starting(starts.iter().copied(), judged, self.held_span, now)
            .missing_until(missing_until);
        let read_from = |partition| starts.iter().find(|s| s.partition == partition).map(|s| s.read_from);
        Ok(assigned
            .iter()
            .filter(|p| p.committed.is_some())
            .filter_map(|p| {
                let offset = read_from(p.partition)?;
                Some(StartAt { topic: p.topic.clone(), partition: p.partition, offset })
            })
            .collect())
    }

    fn revoked(&mut self) {
        self.detector = Detector::default();
    }

    fn record(&mut self, record: &Record<'_>, position: Position, out: &mut Outbox) -> Result<(), Error> {
        let now = Utc::now().timestamp_millis();
        let Record { partition, offset, .. } = *record;
        match read(record.value, &record.headers, record.timestamp) {
            Reading::New { order, time } => {
                self.detector.arrived(Incoming { partition, offset, time, order, tag: position }, now);
            }
            Reading::Known => {
                self.detector.passed(partition, offset, now);
                out.done(position);
            }
            Reading::Unreadable(reason) => {
                self.skip(record, &reason);
                self.detector.passed(partition, offset, now);
                out.done(position);
            }
        }
        self.judge(now, out)
    }

    fn end_of_partition(&mut self, partition: i32, out: &mut Outbox) -> Result<(), Error> {
        let now = Utc::now().timestamp_millis();
        self.detector.end(partition, now);
        self.judge(now, out)
    }

    fn starts_over(&self) -> bool {
        self.wanted_span.max(self.span_of_rule()) > self.held_span
    }

    fn buffered(&self, partition: i32) -> usize {
        self.detector.waiting(partition)
    }
}
