//! Plays a case: its orders go through the same windows, rules and retry policy as in the services, without Kafka or a clock.

use super::cases::{AlertPattern, AttemptPattern, Case, Expected, Outcome};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use dojo_contract::{FraudAlert, Order, OrderAction, OrderEvent};
use dojo_fraud::{
    detector::{Counted, Detector, Incoming, Start},
    verdict,
    window::millis,
};
use dojo_notification::{
    decide::{Decision, decide},
    read::seed,
};
use dojo_rules::{
    AttemptFacts, FraudRule, MAX_SPAN, NotificationFacts, NotificationRule, RuleError, SettingsFacts,
};
use std::{collections::HashSet, time::Duration};
use uuid::Uuid;

/// The most attempts of one order that are played, since a setting lets retries go on without end.
const MAX_ATTEMPTS: usize = 100;

/// An order of a case about which the rule didn't answer what was expected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The order, for a person.
    pub(crate) order: String,
    pub(crate) expected: Vec<String>,
    pub(crate) seen: Vec<String>,
}

/// An order of a case.
struct Placed {
    number: usize,
    action: OrderAction,
    order: Order,
    after: Duration,
}

impl Placed {
    fn describe(&self) -> String {
        let Self { number, order, after, .. } = self;
        format!(
            "order {number}: {}, {} x {} at ${}, after {}",
            order.customer_name,
            order.quantity,
            order.item,
            order.price,
            humantime::format_duration(*after)
        )
    }
}

/// Returns the orders of a case in the order of their time.
fn placed(case: &Case) -> Result<Vec<Placed>, String> {
    let count = case.count()?;
    let mut placed = Vec::with_capacity(count);
    for orders in &case.orders {
        for n in 0..orders.times {
            let number = placed.len() + 1;
            let new_order = orders.order().map_err(|error| format!("order {number}: {error}"))?;
            let steps = u32::try_from(n).unwrap_or(u32::MAX);
            let after = orders.at.saturating_add(orders.every.saturating_mul(steps));
            let id = Uuid::from_u128(u128::from(case.seed) << 64 | number as u128);
            let order = new_order.into_order(id, time(case, after)?);
            placed.push(Placed { number, action: orders.action, order, after });
        }
    }
    placed.sort_by_key(|placed| placed.after);
    Ok(placed)
}

/// The day on which all cases play.
fn time(case: &Case, after: Duration) -> Result<DateTime<Utc>, String> {
    let start = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap_or_default().and_time(case.start.0).and_utc();
    let after = TimeDelta::from_std(after).ok();
    after
        .and_then(|after| start.checked_add_signed(after))
        .ok_or_else(|| "an order is too far in the future".to_owned())
}

/// Plays a case of a fraud rule.
///
/// # Errors
/// The case doesn't make sense, or the rule failed on one of its orders.
pub(crate) fn fraud(rule: &FraudRule, case: &Case) -> Result<Vec<Difference>, String> {
    if !case.deliveries.is_empty() {
        return Err("a fraud rule has no `deliveries`; write `alerts`".to_owned());
    }
    let placed = placed(case)?;
    case.alerts.check(placed.len())?;
    let now = placed.last().map_or(0, |last| last.order.created_at.timestamp_millis());
    let start = Start { partition: 0, read_from: 0, judge_from: 0 };
    let span = millis(MAX_SPAN);
    let mut detector = Detector::starting([start], HashSet::new(), span, now);
    let mut differences = Vec::new();
    let mut offset = 0;
    for placed in placed {
        offset += 1;
        if placed.action == OrderAction::Created {
            let (time, order) = (placed.order.created_at.timestamp_millis(), placed.order.clone());
            detector.arrived(Incoming { partition: 0, offset, time, order, tag: placed }, now);
        } else {
            detector.passed(0, offset, now);
        }
    }
    detector.end(0, now);
    while let Some(Counted { incoming, window }) = detector.next(now) {
        let Some(window) = window else { continue };
        let placed = incoming.tag;
        let facts = verdict::facts(&incoming.order, incoming.time, window.stats(), window);
        let alerts = rule.judge(facts).map_err(|error| failed(&placed, &error))?;
        let expected = case.alerts.of(placed.number).unwrap_or_default();
        differences.extend(compare_alerts(&placed, expected, &alerts));
    }
    Ok(differences)
}

fn compare_alerts(placed: &Placed, expected: &[AlertPattern], alerts: &[FraudAlert]) -> Option<Difference> {
    // Each alert is expected once, in whatever order the rule raises them.
    let mut left: Vec<_> = alerts.iter().collect();
    let is_met = expected.iter().all(|pattern| {
        let found = left.iter().position(|alert| pattern.fits(alert));
        found.map(|index| left.swap_remove(index)).is_some()
    });
    (!is_met || !left.is_empty()).then(|| Difference {
        order: placed.describe(),
        expected: expected.iter().map(ToString::to_string).collect(),
        seen: alerts
            .iter()
            .map(|alert| format!("{} {}: {}", alert.kind, alert.severity.name(), alert.reason))
            .collect(),
    })
}

/// Plays a case of a notification rule.
///
/// # Errors
/// The case doesn't make sense, or the rule failed on one of its attempts.
pub(crate) fn notification(rule: &NotificationRule, case: &Case) -> Result<Vec<Difference>, String> {
    if !case.alerts.is_empty() {
        return Err("a notification rule has no `alerts`; write `deliveries`".to_owned());
    }
    let placed = placed(case)?;
    case.deliveries.check(placed.len())?;
    let mut differences = Vec::new();
    for placed in placed {
        let seen = attempts(rule, case, &placed)?;
        differences.extend(compare_attempts(&placed, &case.deliveries, &seen));
    }
    Ok(differences)
}

fn attempts(rule: &NotificationRule, case: &Case, placed: &Placed) -> Result<Vec<(Outcome, String)>, String> {
    let settings = &case.settings;
    let event =
        OrderEvent { action: placed.action, order: placed.order.clone(), timestamp: placed.order.created_at };
    let mut seen = Vec::new();
    let mut retry_count = 0;
    while seen.len() < MAX_ATTEMPTS {
        let after = placed.after.saturating_add(case.retry_after.saturating_mul(retry_count));
        let facts = NotificationFacts {
            order: (&placed.order).into(),
            attempt: AttemptFacts {
                action: placed.action.name().to_owned(),
                retry_count,
                instance_id: case.instance.clone(),
                at: time(case, after)?.into(),
            },
            settings: SettingsFacts {
                fail_rate: settings.fail_rate,
                max_retries: settings.max_retries,
                on_exhausted: settings.on_exhausted,
                delivery_millis: settings.delivery_millis,
            },
        };
        let answer =
            rule.deliver(facts, seed(&event, retry_count, 0)).map_err(|error| failed(placed, &error))?;
        match decide(Ok(answer), retry_count, settings.max_retries, settings.on_exhausted) {
            Decision::Retry { retry_count: again, reason, .. } => {
                seen.push((Outcome::Retry, reason));
                retry_count = again;
                continue;
            }
            Decision::Notified => seen.push((Outcome::Notified, String::new())),
            Decision::DeadLetter { reason } => seen.push((Outcome::Dlq, reason)),
            Decision::Drop { reason } => seen.push((Outcome::Dropped, reason)),
        }
        break;
    }
    Ok(seen)
}

fn compare_attempts(
    placed: &Placed,
    expected: &Expected<AttemptPattern>,
    seen: &[(Outcome, String)],
) -> Option<Difference> {
    let delivered = [AttemptPattern::Outcome(Outcome::Notified)];
    let expected = expected.of(placed.number).unwrap_or(&delivered);
    let is_met = expected.len() == seen.len()
        && expected.iter().zip(seen).all(|(pattern, (outcome, reason))| pattern.fits(*outcome, reason));
    (!is_met).then(|| Difference {
        order: placed.describe(),
        expected: expected.iter().map(ToString::to_string).collect(),
        seen: seen
            .iter()
            .map(|(outcome, reason)| match reason.is_empty() {
                true => outcome.to_string(),
                false => format!("{outcome}: {reason}"),
            })
            .collect(),
    })
}

fn failed(placed: &Placed, error: &RuleError) -> String {
    format!("{}: the rule failed\n{error}", placed.describe())
}
