//! Plays a case: its orders go through the same windows, rules and retry policy as in the services, without Kafka or a clock.

use super::{
    cases::Case,
    expected::{AlertPattern, AttemptPattern, Expected, Outcome},
};
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

/// The most attempts that are played for one order, because `onExhausted: retry` retries without end.
const MAX_ATTEMPTS: usize = 100;
/// The instance that makes the attempts unless the case names one.
const FIRST_INSTANCE: &str = "notification-1";

/// An order for which the rule's answer differs from the expected one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The order, for a person.
    pub(crate) order: String,
    pub(crate) expected: Vec<String>,
    pub(crate) seen: Vec<String>,
}

/// Why a case has no result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PlayError {
    /// The case doesn't make sense.
    Mistake(String),
    /// The rule failed on one of its orders.
    Rule(String),
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

/// Returns the orders of a case, sorted by their time.
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

/// Returns the time `after` the start of the case, on the day on which all cases play.
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
/// Any [`PlayError`].
pub(crate) fn fraud(rule: &FraudRule, case: &Case) -> Result<Vec<Difference>, PlayError> {
    let placed = orders_to_judge(case).map_err(PlayError::Mistake)?;
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

/// Returns the orders of a case of a fraud rule, or why the case doesn't make sense.
fn orders_to_judge(case: &Case) -> Result<Vec<Placed>, String> {
    if !case.deliveries.is_empty() {
        return Err("a fraud rule has no `deliveries`; write `alerts`".to_owned());
    }
    let of_notification = [
        ("settings", case.settings.is_some()),
        ("instance", case.instance.is_some()),
        ("retryAfter", case.retry_after.is_some()),
    ];
    if let Some((name, _)) = of_notification.into_iter().find(|(_, is_given)| *is_given) {
        return Err(format!("`{name}` is for a notification rule, and a fraud rule ignores it; remove it"));
    }
    let placed = placed(case)?;
    case.alerts.check(placed.len())?;
    let is_compared =
        |placed: &&Placed| placed.action == OrderAction::Created || case.alerts.of(placed.number).is_none();
    match placed.iter().find(|placed| !is_compared(placed)) {
        Some(Placed { number, action, .. }) => Err(format!(
            "order {number} has `action: {}`, and a fraud rule judges new orders only; remove order {number} from `alerts`",
            action.name()
        )),
        None => Ok(placed),
    }
}

fn compare_alerts(placed: &Placed, expected: &[AlertPattern], alerts: &[FraudAlert]) -> Option<Difference> {
    let described =
        |alert: &FraudAlert| format!("{} {}: {}", alert.kind, alert.severity.name(), alert.reason);
    (!pair_up(expected, alerts)).then(|| Difference {
        order: placed.describe(),
        expected: lines(expected, "no alert"),
        seen: lines(alerts.iter().map(described), "no alert"),
    })
}

/// Returns whether each pattern can have its own alert, and no alert is left. The order of the alerts doesn't matter.
fn pair_up(expected: &[AlertPattern], alerts: &[FraudAlert]) -> bool {
    let mut pattern_of = vec![None; alerts.len()];
    expected.len() == alerts.len()
        && (0..expected.len()).all(|pattern| {
            find_alert(pattern, expected, alerts, &mut pattern_of, &mut vec![false; alerts.len()])
        })
}

/// Gives a pattern an alert; a pattern that has the alert already gets another one (Kuhn's algorithm). A rule raises few
/// alerts, so the recursion is shallow.
fn find_alert(
    pattern: usize,
    expected: &[AlertPattern],
    alerts: &[FraudAlert],
    pattern_of: &mut [Option<usize>],
    is_tried: &mut [bool],
) -> bool {
    for (index, alert) in alerts.iter().enumerate() {
        if is_tried[index] || !expected[pattern].fits(alert) {
            continue;
        }
        is_tried[index] = true;
        let other = pattern_of[index];
        if other.is_none_or(|other| find_alert(other, expected, alerts, pattern_of, is_tried)) {
            pattern_of[index] = Some(pattern);
            return true;
        }
    }
    false
}

/// Returns a line for each item, or `none` if there is no item.
fn lines<T: ToString>(items: impl IntoIterator<Item = T>, none: &str) -> Vec<String> {
    let lines: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    if lines.is_empty() { vec![none.to_owned()] } else { lines }
}

/// Plays a case of a notification rule.
///
/// # Errors
/// Any [`PlayError`].
pub(crate) fn notification(rule: &NotificationRule, case: &Case) -> Result<Vec<Difference>, PlayError> {
    let placed = orders_to_deliver(case).map_err(PlayError::Mistake)?;
    let mut differences = Vec::new();
    for placed in placed {
        let seen = attempts(rule, case, &placed)?;
        differences.extend(compare_attempts(&placed, &case.deliveries, &seen));
    }
    Ok(differences)
}

/// Returns the orders of a case of a notification rule, or why the case doesn't make sense.
fn orders_to_deliver(case: &Case) -> Result<Vec<Placed>, String> {
    if !case.alerts.is_empty() {
        return Err("a notification rule has no `alerts`; write `deliveries`".to_owned());
    }
    let placed = placed(case)?;
    case.deliveries.check(placed.len())?;
    Ok(placed)
}

fn attempts(
    rule: &NotificationRule,
    case: &Case,
    placed: &Placed,
) -> Result<Vec<(Outcome, String)>, PlayError> {
    let settings = case.settings.unwrap_or_default();
    let instance_id = case.instance.as_deref().unwrap_or(FIRST_INSTANCE);
    let retry_after = case.retry_after.unwrap_or_default();
    let event =
        OrderEvent { action: placed.action, order: placed.order.clone(), timestamp: placed.order.created_at };
    let mut seen = Vec::new();
    let mut retry_count = 0;
    while seen.len() < MAX_ATTEMPTS {
        let after = placed.after.saturating_add(retry_after.saturating_mul(retry_count));
        let facts = NotificationFacts {
            order: (&placed.order).into(),
            attempt: AttemptFacts {
                action: placed.action.name().to_owned(),
                retry_count,
                instance_id: instance_id.to_owned(),
                at: time(case, after).map_err(PlayError::Mistake)?.into(),
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
    let expected = expected.of(placed.number).unwrap_or(&[AttemptPattern::NOTIFIED]);
    let is_met = expected.len() == seen.len()
        && expected.iter().zip(seen).all(|(pattern, (outcome, reason))| pattern.fits(*outcome, reason));
    let described = |(outcome, reason): &(Outcome, String)| match reason.is_empty() {
        true => outcome.to_string(),
        false => format!("{outcome}: {reason}"),
    };
    (!is_met).then(|| Difference {
        order: placed.describe(),
        expected: lines(expected, "no attempt"),
        seen: lines(seen.iter().map(described), "no attempt"),
    })
}

fn failed(placed: &Placed, error: &RuleError) -> PlayError {
    PlayError::Rule(format!("{}: the rule failed\n{error}", placed.describe()))
}
