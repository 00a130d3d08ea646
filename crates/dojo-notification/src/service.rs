//! The notification service as a handler of `orders`: each record is read, judged and done before the next.
//!
//! Nothing here waits: what is sent is acknowledged later, and the loop commits when it is. So a crash repeats at most
//! what was in flight, and a customer is told twice rather than never.

use crate::{
    decide::{decide, size_on_log},
    outcome::{Judge, retry_headers, unreadable},
    read::{Attempt, read},
    tally::Tally,
};
use chrono::Utc;
use dojo_contract::Defaults;
use dojo_kafka::{Error, Handler, Outbox, Position, Record, SettingsFollower};
use dojo_rules::{DeliveryFacts, LiveRule, NotificationRule, OrderFacts};

/// Delivers by a rule and by settings that may change at any time.
pub struct Notification {
    instance_id: String,
    rule: LiveRule<NotificationRule>,
    settings: SettingsFollower,
    defaults: Defaults,
    unreadable: u64,
    /// The version of the rule of which the log already says that it fails.
    failing: Option<String>,
    tally: Tally,
}

impl Notification {
    /// A service that says `instance_id` of itself; `defaults` hold where the settings say nothing.
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
        // Chance enters here and nowhere else: to the rule, it is one more fact.
        let answer = rule.rule.deliver(&order_facts(attempt), &delivery, rand::random());

        let judge = Judge { instance_id: &self.instance_id, rule_version: &rule.version, now: Utc::now() };
        if let Err(error) = &answer {
            if self.failing.as_ref() != Some(&rule.version) {
                let Record { partition, offset, .. } = *record;
                tracing::warn!(partition, offset, "{error}; every event it fails on counts as not delivered");
                self.failing = Some(rule.version.clone());
            }
            out.send(position, judge.rule_error(record, attempt, error)?);
        }
        // The header of a stranger may hold the largest number there is; nothing is retried as often, so any size will do.
        let retry_headers = retry_headers(&record.headers, attempt.retry_count.saturating_add(1));
        let retry_bytes = size_on_log(record.key, record.value, &retry_headers);
        let max_retries = settings.max_retries(&self.instance_id, &self.defaults);
        self.tally.rule_answered(&answer);
        let decision = decide(answer, attempt.retry_count, max_retries, retry_bytes);
        self.tally.decided(&decision);
        for outgoing in judge.records(record, attempt, &decision)? {
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
            "unreadable record; it goes to the dead letters"
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

/// The order as the rule sees it.
fn order_facts(attempt: &Attempt) -> OrderFacts {
    let order = &attempt.event.order;
    OrderFacts {
        id: order.id.to_string(),
        customer_name: order.customer_name.clone(),
        item: order.item.clone(),
        quantity: order.quantity,
        price: order.price,
        total: order.total(),
        status: order.status.name().to_owned(),
    }
}
