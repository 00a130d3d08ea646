//! The notification service as a handler of `orders`: it reads, decides and finishes each record before the next.
//!
//! Nothing here waits: records are acknowledged later, and then the loop commits. So a crash repeats at most the records in
//! flight, and a customer is notified twice rather than never.

use crate::{
    decide::decide,
    outcome::Outcome,
    read::{Attempt, read},
    records::{audit, carry_out, unreadable},
    tally::Tally,
};
use chrono::Utc;
use dojo_contract::Defaults;
use dojo_kafka::{Error, Handler, Outbox, Position, Record, SettingsFollower};
use dojo_rules::{DeliveryFacts, LiveRule, NotificationRule};

/// Delivers by a rule and settings that may change at any time.
pub struct Notification {
    instance_id: String,
    rule: LiveRule<NotificationRule>,
    settings: SettingsFollower,
    defaults: Defaults,
    unreadable: u64,
    /// The version of the last rule whose failure was logged.
    failing: Option<String>,
    tally: Tally,
}

impl Notification {
    /// Creates the service of the instance `instance_id`; `defaults` apply where the settings have no value.
    pub fn new(
        instance_id: String,
        rule: LiveRule<NotificationRule>,
        settings: SettingsFollower,
        defaults: Defaults,
    ) -> Self {
        Self { instance_id, rule, settings, defaults, unreadable: 0, failing: None, tally: Tally::default() }
    }

    fn deliver(
        &mut self,
        record: &Record<'_>,
        attempt: &Attempt,
        position: Position,
        out: &mut Outbox,
    ) -> Result<(), Error> {
        let settings = self.settings.settings();
        let rule = self.rule.current();
        let delivery = DeliveryFacts {
            action: attempt.event.action.name().to_owned(),
            retry_count: attempt.retry_count,
            fail_rate: settings.fail_rate(&self.instance_id, &self.defaults),
            instance_id: self.instance_id.clone(),
        };
        // The only place with chance: to the rule, it is one more fact.
        let answer = rule.rule.deliver(&(&attempt.event.order).into(), &delivery, rand::random());

        let outcome = Outcome {
            instance_id: &self.instance_id,
            rule_version: &rule.version,
            now: Utc::now(),
            partition: record.partition,
            offset: record.offset,
        };
        if let Err(error) = &answer {
            if self.failing.as_ref() != Some(&rule.version) {
                let Record { partition, offset, .. } = *record;
                tracing::warn!(
                    partition,
                    offset,
                    "{error}; an event on which it fails counts as not delivered"
                );
                self.failing = Some(rule.version.clone());
            }
            out.send(position, audit(&outcome.rule_error(attempt, error))?);
        }
        let max_retries = settings.max_retries(&self.instance_id, &self.defaults);
        self.tally.rule_answered(&answer);
        let decision = decide(answer, attempt.retry_count, max_retries);
        let (decision, records) = carry_out(decision, &outcome, record, attempt)?;
        self.tally.decided(&decision);
        for outgoing in records {
            out.send(position, outgoing);
        }
        Ok(())
    }

    fn give_up(&mut self, record: &Record<'_>, reason: &str, position: Position, out: &mut Outbox) {
        self.unreadable += 1;
        self.tally.unreadable();
        tracing::warn!(
            topic = record.topic,
            partition = record.partition,
            offset = record.offset,
            reason,
            so_far = self.unreadable,
            "unreadable record sent to the dead letters"
        );
        out.send(position, unreadable(record, reason, &self.instance_id, Utc::now()));
    }
}

impl Handler for Notification {
    fn record(&mut self, record: &Record<'_>, position: Position, out: &mut Outbox) -> Result<(), Error> {
        match read(record.value, &record.headers) {
            Ok(attempt) => self.deliver(record, &attempt, position, out)?,
            Err(reason) => self.give_up(record, &reason, position, out),
        }
        out.done(position);
        Ok(())
    }
}
