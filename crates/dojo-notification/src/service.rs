//! The notification service as a handler of `orders`: it reads, decides and finishes one record after another.
//!
//! Nothing here sleeps. A delivery that takes time waits in the [queue](crate::queue), and a retry that pauses is
//! [held](crate::held); meanwhile the loop goes on and calls [`Handler::proceed`] when it is time. Neither is done before, so
//! both count as lag, and another instance repeats them if this one goes away.
//!
//! Records are acknowledged later, and then the loop commits. So a crash repeats at most the records in flight, and a
//! customer is notified twice rather than never.

use crate::{
    decide::{Decision, decide},
    held::{Finished, HeldOutcomes},
    instance_settings::InstanceSettings,
    outcome::Outcome,
    queue::{DeliveryQueue, Queued},
    read::{Attempt, read},
    records::{audit, carry_out, unreadable},
    tally::Tally,
};
use chrono::Utc;
use dojo_contract::Defaults;
use dojo_kafka::{Error, Handler, Outbox, OwnedRecord, Position, Record, SettingsFollower};
use dojo_rules::{AttemptFacts, LiveRule, NotificationFacts, NotificationRule, SettingsFacts};
use std::time::Instant;

/// Delivers by a rule and settings that may change at any time.
pub struct Notification {
    instance_id: String,
    rule: LiveRule<NotificationRule>,
    settings: InstanceSettings,
    queue: DeliveryQueue,
    held: HeldOutcomes,
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
        settings: &SettingsFollower,
        defaults: Defaults,
    ) -> Self {
        let settings = InstanceSettings::new(&instance_id, settings, defaults);
        Self {
            instance_id,
            rule,
            settings,
            queue: DeliveryQueue::default(),
            held: HeldOutcomes::default(),
            unreadable: 0,
            failing: None,
            tally: Tally::default(),
        }
    }

    /// Handles a record whose turn has come.
    fn handle(
        &mut self,
        record: &Record<'_>,
        reading: Result<Attempt, String>,
        position: Position,
        out: &mut Outbox,
    ) -> Result<(), Error> {
        let finished = match reading {
            Ok(attempt) => self.deliver(record, &attempt, position)?,
            Err(reason) => self.give_up(record, &reason, position),
        };
        self.held.finish(finished, out);
        Ok(())
    }

    fn deliver(
        &mut self,
        record: &Record<'_>,
        attempt: &Attempt,
        position: Position,
    ) -> Result<Finished, Error> {
        let settings = self.settings.values();
        let rule = self.rule.current();
        let now = Utc::now();
        let facts = NotificationFacts {
            order: (&attempt.event.order).into(),
            attempt: AttemptFacts {
                action: attempt.event.action.name().to_owned(),
                retry_count: attempt.retry_count,
                instance_id: self.instance_id.clone(),
                at: now.into(),
            },
            settings: SettingsFacts {
                fail_rate: settings.fail_rate,
                max_retries: settings.max_retries,
                on_exhausted: settings.on_exhausted,
                delivery_millis: u64::try_from(settings.delivery_time.as_millis()).unwrap_or(u64::MAX),
            },
        };
        let answer = rule.rule.deliver(facts, attempt.seed);

        let outcome = Outcome {
            instance_id: &self.instance_id,
            rule_version: &rule.version,
            now,
            partition: record.partition,
            offset: record.offset,
        };
        let rule_error = match &answer {
            Ok(_) => None,
            Err(error) => Some(audit(&outcome.rule_error(attempt, error))?),
        };
        if let Err(error) = &answer
            && self.failing.as_ref() != Some(&rule.version)
        {
            let Record { partition, offset, .. } = *record;
            tracing::warn!(partition, offset, "{error}; an event on which it fails counts as not delivered");
            self.failing = Some(rule.version.clone());
        }
        self.tally.rule_answered(&answer);
        let decision = decide(answer, attempt.retry_count, settings.max_retries, settings.on_exhausted);
        let (decision, mut sends) = carry_out(decision, &outcome, record, attempt)?;
        self.tally.decided(&decision);
        if let Some(rule_error) = rule_error {
            sends.insert(0, rule_error);
        }
        let not_before = match decision {
            Decision::Retry { after, .. } if !after.is_zero() => Some(Instant::now() + after),
            _ => None,
        };
        Ok(Finished { position, sends, not_before })
    }

    fn give_up(&mut self, record: &Record<'_>, reason: &str, position: Position) -> Finished {
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
        let letter = unreadable(record, reason, &self.instance_id, Utc::now());
        Finished { position, sends: vec![letter], not_before: None }
    }
}

impl Handler for Notification {
    fn revoked(&mut self) {
        // Nothing of this was done, so the next owner gets it.
        self.queue.clear();
        self.held.clear();
    }

    fn record(&mut self, record: &Record<'_>, position: Position, out: &mut Outbox) -> Result<(), Error> {
        let reading = read(record.value, &record.headers);
        if self.queue.is_empty() && (reading.is_err() || self.settings.values().delivery_time.is_zero()) {
            return self.handle(record, reading, position, out);
        }
        let queued = Queued { record: OwnedRecord::of(record), position, reading };
        self.queue.push(queued, Instant::now());
        Ok(())
    }

    fn proceed(&mut self, mut now: Instant, out: &mut Outbox) -> Result<Option<Instant>, Error> {
        self.held.release(now, out);
        if self.queue.is_empty() {
            return Ok(self.held.due());
        }
        let takes = self.settings.values().delivery_time;
        while let Some(Queued { record, position, reading }) = self.queue.pop(now, takes) {
            self.handle(&record.record(), reading, position, out)?;
            now = Instant::now();
            self.queue.begin(now);
        }
        Ok([self.queue.due(takes), self.held.due()].into_iter().flatten().min())
    }

    fn buffered(&self, partition: i32) -> usize {
        self.queue.count(partition) + self.held.count(partition)
    }
}
