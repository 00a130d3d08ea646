//! Orders are judged as the service does, and again from the log.

use super::{
    feed::{Feeds, LoggedOrder},
    judge::{Judged, Task},
    recorded_verdicts::{RecordedVerdicts, TypeNames},
};
use crate::{
    detector::{Counted, Detector, Incoming, Start, tests::order},
    verdict::{event, facts},
    window::{MAX_ORDERS, OrderWindow, WINDOW, millis},
};
use chrono::DateTime;
use dojo_rules::{BacktestAlerts, FraudRule, Rule as _};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Arc, mpsc::sync_channel},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

const NOON: i64 = 1_800_000_000_000;
const NOW: i64 = NOON + 120 * WINDOW;
const HOUR: i64 = 60 * WINDOW;

/// Customer and event time, in milliseconds after [`NOON`], of each order, by partition.
type Log = Vec<Vec<(&'static str, i64)>>;

fn rule(source: &str) -> FraudRule {
    FraudRule::compile("fraud.rhai", source).unwrap()
}

/// Alerts that depend on which order is first, second, or beyond the third.
const PLACES: &str = r#"
let count = customer.orders(60);
let alerts = [];
if customer.orders(3600) == 1 { alerts.push(alert("FIRST", "LOW", "the first order")); }
if count == 2 { alerts.push(alert("SECOND", "LOW", "the second order")); }
if count > 3 { alerts.push(alert("VELOCITY", "LOW", "too many orders")); }
if everyone.orders(60) % 4 == 3 { alerts.push(alert("THIRD", "LOW", "a third order")); }
alerts
"#;

/// A log, and the records of `audit` about it.
struct Recorded {
    log: Log,
    audit: Vec<String>,
}

impl Recorded {
    /// Judges the orders of `log` by `rule` as the service does, with the partitions in the given turns. An order that is read alone
    /// is judged at once, even if one that was placed earlier arrives after it.
    fn by(rule: &FraudRule, log: Log, turns: &[usize]) -> Self {
        let starts = (0..log.len() as i32).map(|partition| Start { partition, read_from: 0, judge_from: 0 });
        let mut detector = Detector::starting(starts, HashSet::new(), HOUR, NOW);
        (0..log.len() as i32).for_each(|partition| detector.end(partition, NOW));
        let (mut read, mut audit) = (vec![0; log.len()], Vec::new());
        for partition in turns {
            let Some((customer, after)) = log[*partition].get(read[*partition]) else { continue };
            let (number, offset) = (*partition as i32, read[*partition] as i64);
            let order = order(id(number, offset), customer);
            detector.arrived(Incoming { partition: number, offset, time: NOON + after, order, tag: () }, NOW);
            detector.end(number, NOW);
            read[*partition] += 1;
            while let Some(Counted { incoming, window }) = detector.next(NOW) {
                audit.push(recorded(rule, "v1", &incoming, window.unwrap()));
            }
        }
        Self { log, audit }
    }

    fn task<'a>(&self, rule: &'a FraudRule, recorded: &'a RecordedVerdicts) -> Task<'a> {
        Task {
            rule,
            version: "v1",
            recorded,
            cut: BTreeSet::new(),
            span: millis(rule.longest_span()).max(WINDOW),
            held_orders: MAX_ORDERS,
            since: i64::MIN,
            now: NOW,
            until: Instant::now() + Duration::from_secs(600),
            stop: CancellationToken::new(),
        }
    }

    /// Judges the orders again by `rule`, with the task as `change` makes it.
    fn again(&self, rule: &FraudRule, change: impl FnOnce(&mut Task<'_>)) -> Judged {
        let ranges = (0..).zip(&self.log).map(|(partition, log)| (partition, 0..log.len() as i64)).collect();
        let (mut recorded, mut names) = (RecordedVerdicts::on(&ranges), TypeNames::default());
        self.audit.iter().for_each(|record| recorded.take(record.as_bytes(), &mut names));
        let mut task = self.task(rule, &recorded);
        change(&mut task);
        task.run(self.feeds(), &mut names)
    }

    fn feeds(&self) -> Feeds {
        let feed = |(partition, log): (i32, &Vec<(&str, i64)>)| {
            let (sender, receiver) = sync_channel(1);
            let orders = (0..).zip(log).map(|(offset, (customer, after))| LoggedOrder {
                offset,
                order: order(id(partition, offset), customer),
                time: NOON + after,
            });
            sender.send(orders.collect()).unwrap();
            (partition, receiver)
        };
        (0..).zip(&self.log).map(feed).collect::<BTreeMap<_, _>>()
    }
}

fn id(partition: i32, offset: i64) -> u128 {
    (u128::from(partition.unsigned_abs()) << 64) + u128::from(offset.unsigned_abs())
}

/// Returns the record of `audit` about an order that the service judges now.
fn recorded(rule: &FraudRule, version: &str, incoming: &Incoming<()>, window: Arc<OrderWindow>) -> String {
    let Incoming { partition, offset, time, order, .. } = incoming;
    let stats = window.stats();
    let answer = rule.judge(facts(order, *time, stats, window));
    let mut event = event(order, stats, answer, DateTime::UNIX_EPOCH);
    event.rule_version = Some(version.to_owned());
    event.partition = Some(*partition);
    event.offset = Some(*offset);
    serde_json::to_string(&event).unwrap()
}

/// Returns the counts (orders, compared, unjudged, partial), and how many orders get or lose an alert.
fn counts(judged: &Judged) -> ([u64; 4], u64) {
    let Judged::All { compared, .. } = judged else { panic!("{judged:?}") };
    let changes = compared.alerts.iter().map(|alerts: &BacktestAlerts| alerts.added + alerts.removed).sum();
    ([compared.orders, compared.compared, compared.unjudged, compared.partial], changes)
}

#[test]
fn orders_that_overtook_one_another_are_no_change() {
    // Ada's third order overtook the first two on its way to the service.
    let log = vec![vec![("ada", 0), ("ada", 1)], vec![("ada", 2)]];
    let places = rule(PLACES);
    let overtaken = Recorded::by(&places, log, &[1, 0, 0]);
    assert!(overtaken.audit[0].contains("FIRST") && overtaken.audit[1].contains("SECOND"));
    assert_eq!(counts(&overtaken.again(&places, |_| {})), ([3, 3, 0, 0], 0));
}

#[test]
fn an_order_at_the_edge_of_the_window_of_two_that_overtook_one_another_is_no_change() {
    // Y at 61 s is judged before X at 60.5 s; Z lies within a minute before X, and not before Y.
    let log = vec![vec![("ada", 900), ("ada", 61_000)], vec![("ada", 60_500)]];
    let places = rule(PLACES);
    let overtaken = Recorded::by(&places, log, &[0, 0, 1]);
    assert_eq!(counts(&overtaken.again(&places, |_| {})), ([3, 3, 0, 0], 0));
}

const CUSTOMERS: [&str; 3] = ["ada", "bob", "cleo"];

proptest! {
    #[test]
    fn a_replay_finds_no_change_in_whatever_order_the_service_judged(
        orders in prop::collection::vec((0..3_usize, 0..3_usize, 0..4 * WINDOW), 1..120),
        turns in prop::collection::vec(0..3_usize, 200),
    ) {
        let mut log: Log = vec![Vec::new(); 3];
        for (partition, customer, after) in orders {
            log[partition].push((CUSTOMERS[customer], after));
        }
        let places = rule(PLACES);
        let rest = log.iter().enumerate().flat_map(|(partition, log)| vec![partition; log.len()]);
        let turns: Vec<_> = turns.into_iter().chain(rest).collect();
        let all = log.iter().map(Vec::len).sum::<usize>() as u64;
        let recorded = Recorded::by(&places, log, &turns);
        prop_assert_eq!(counts(&recorded.again(&places, |_| {})), ([all, all, 0, 0], 0));
    }
}

#[test]
fn verdicts_that_retention_deleted_or_that_are_still_missing_change_no_other_verdict() {
    let log: Log = vec![
        (0..50).map(|n| (CUSTOMERS[n % 3], n as i64 * 2_000)).collect(),
        (0..50).map(|n| (CUSTOMERS[n % 2], n as i64 * 2_000 + 700)).collect(),
    ];
    let places = rule(PLACES);
    let turns: Vec<_> = (0..50).flat_map(|_| [1, 0]).collect();
    let mut recorded = Recorded::by(&places, log, &turns);
    recorded.audit.drain(..20);
    recorded.audit.truncate(70);
    assert_eq!(counts(&recorded.again(&places, |_| {})), ([100, 70, 30, 0], 0));
}

/// Orders of Ada's, one each second, that passed.
fn one_each_second(orders: usize) -> Recorded {
    let log = vec![(0..orders).map(|n| ("ada", n as i64 * 1_000)).collect()];
    Recorded::by(&rule("[]"), log, &vec![0; orders])
}

#[test]
fn orders_whose_windows_lack_orders_are_counted_as_partial() {
    let many = rule(r#"if customer.orders(60) > 20 { [alert("MANY", "LOW", "many")] } else { [] }"#);
    let judged = one_each_second(100).again(&many, |task| task.held_orders = 30);
    // The first thirty windows are complete: nothing was forgotten before.
    assert_eq!(counts(&judged), ([100, 30, 0, 70], 10));
}

#[test]
fn the_first_orders_of_a_log_that_was_cut_are_not_compared() {
    let judged = one_each_second(130).again(&rule("[]"), |task| task.cut = [0].into());
    // The minute of the window and another one lie before the first order that is compared.
    assert_eq!(counts(&judged), ([10, 10, 0, 0], 0));
    assert!(matches!(judged, Judged::All { since, .. } if since == NOON + 120_000));
}

#[test]
fn a_version_that_judged_orders_before_the_span_only_is_a_draft() {
    let judged = one_each_second(100).again(&rule("[]"), |task| task.since = NOON + 99_001);
    assert_eq!(counts(&judged), ([0, 0, 0, 0], 0));
    assert!(matches!(judged, Judged::All { compared, .. } if !compared.is_replay));
}

#[test]
fn a_rule_that_asks_about_a_longer_span_ends_the_judging_with_that_span() {
    // The span is computed, and only for Ada, so that nobody knows it before she orders.
    let longer = rule(r#"if order.customerName == "ada" { let span = 60 + 1; customer.orders(span); } []"#);
    assert!(longer.longest_span() <= 60);
    assert!(matches!(one_each_second(100).again(&longer, |_| {}), Judged::AskedFor(61_000)));
}

#[test]
fn the_judging_ends_when_it_is_stopped_or_out_of_time() {
    let judged = one_each_second(100).again(&rule("[]"), |task| task.stop.cancel());
    assert!(matches!(judged, Judged::Stopped), "{judged:?}");
    let judged = one_each_second(100).again(&rule("[]"), |task| task.until = Instant::now());
    assert!(matches!(judged, Judged::Stopped), "{judged:?}");
}
