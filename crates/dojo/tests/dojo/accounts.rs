//! The accounts of a run: what clients were promised, what the log holds, and what followed from each order.
//!
//! Read from the log itself, from its start and with committed transactions alone, by partition and offset: not from
//! what a service says about it.

use crate::load::{Answer, Told, tally};
use dojo_contract::{AuditAction, AuditEvent, DlqEvent, OrderAction, OrderEvent, header, topic};
use dojo_kafka::KafkaConfig;
use dojo_testbed::{PATIENCE, Read, Reader};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::{Duration, Instant},
};
use tokio::time::sleep;

const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Nothing came for so long at the end: what repeats a record comes sooner after it, once every instance runs.
const SETTLED: Duration = Duration::from_secs(4);
/// Orders of which a failing test tells everything that was said.
const HISTORIES: usize = 4;
/// Orders of one customer in the last 60 s that are not suspicious.
const NOT_SUSPICIOUS: usize = 5;

/// An audit event, as far as the accounts go.
#[derive(Debug)]
struct Said {
    action: AuditAction,
    retry_count: u32,
    velocity: bool,
    /// For a person who wonders about it: its offset on `audit`, who said it, of which record, and when.
    told: String,
}

impl Said {
    fn is_verdict(&self) -> bool {
        use AuditAction::{FraudAlert, FraudCheckPassed, RuleError};
        matches!(self.action, FraudAlert | FraudCheckPassed | RuleError)
    }

    fn is_end(&self) -> bool {
        matches!(self.action, AuditAction::Notified | AuditAction::Dlq)
    }
}

/// How much more was said than once each; verdicts repeat each other whatever they say.
fn repeated_in(said: &[Said], counted: impl Fn(&Said) -> bool) -> usize {
    let what = |said: &Said| (!said.is_verdict()).then_some(said.action);
    let all: Vec<_> = said.iter().filter(|s| counted(s)).map(|s| (what(s), s.retry_count)).collect();
    let is_repeated = |(n, one): (usize, &(Option<AuditAction>, u32))| all[..n].contains(one);
    all.iter().enumerate().filter(|numbered| is_repeated(*numbered)).count()
}

/// Everything on the log, taken in record by record.
#[derive(Debug, Default)]
struct Books {
    /// Customer of each order placed.
    placed: BTreeMap<String, String>,
    /// Records of each retry: order and retry count.
    retries: BTreeMap<(String, String), usize>,
    /// Records of each dead letter.
    dead: BTreeMap<String, usize>,
    /// What was said of each order, in the order in which it stands on `audit`.
    said: BTreeMap<String, Vec<Said>>,
}

impl Books {
    /// Reads until nothing is open and nothing more comes, or until nothing has come for longer than anything takes.
    async fn settle(kafka: &KafkaConfig, open: impl Fn(&Self) -> usize) -> Self {
        let readers = [topic::ORDERS, topic::ORDERS_DLQ, topic::AUDIT].map(|t| Reader::start(kafka, t));
        let (mut books, mut seen, mut last) = (Self::default(), [0; 3], Instant::now());
        loop {
            for (reader, (seen, enter)) in
                readers.iter().zip(seen.iter_mut().zip([Self::order, Self::dead_letter, Self::audit]))
            {
                for record in reader.after(*seen) {
                    *seen += 1;
                    last = Instant::now();
                    enter(&mut books, &record);
                }
            }
            let quiet = last.elapsed();
            if quiet > PATIENCE || (quiet > SETTLED && open(&books) == 0) {
                return books;
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    fn order(&mut self, record: &Read) {
        let event: OrderEvent = record.json();
        let id = event.order.id.to_string();
        if header::is_original(&record.headers) {
            if event.action == OrderAction::Created {
                self.placed.insert(id, event.order.customer_name);
            }
        } else if let Some(count) = record.header(header::RETRY_COUNT) {
            *self.retries.entry((id, count)).or_default() += 1;
        }
    }

    fn dead_letter(&mut self, record: &Read) {
        let event: DlqEvent = record.json();
        *self.dead.entry(event.order.id.to_string()).or_default() += 1;
    }

    fn audit(&mut self, record: &Read) {
        let event: AuditEvent = record.json();
        let instance = event.instance_id.as_deref().unwrap_or("?");
        let of = event.partition.zip(event.offset).map(|(partition, offset)| format!("{partition}/{offset}"));
        let told = format!(
            "{} {:?} {} by {instance} of {} at {}",
            record.offset,
            event.action,
            event.retry_count.unwrap_or_default(),
            of.as_deref().unwrap_or("?"),
            event.timestamp.format("%H:%M:%S%.3f"),
        );
        self.said.entry(event.order_id.to_string()).or_default().push(Said {
            action: event.action,
            retry_count: event.retry_count.unwrap_or_default(),
            velocity: event.alerts.iter().flatten().any(|alert| alert.kind == "VELOCITY"),
            told,
        });
    }

    fn of(&self, order: &str) -> &[Said] {
        self.said.get(order).map_or(&[], Vec::as_slice)
    }

    /// The orders of which nothing was said that is `wanted`.
    fn without(&self, wanted: impl Fn(&Said) -> bool) -> BTreeSet<&str> {
        self.placed.keys().map(String::as_str).filter(|order| !self.of(order).iter().any(&wanted)).collect()
    }

    /// How much more was said than once each, of what is `counted`: by order and retry count.
    fn repeated(&self, counted: impl Fn(&Said) -> bool) -> usize {
        self.said.values().map(|said| repeated_in(said, &counted)).sum()
    }

    /// Everything that was said of some of the orders that came to more than one end or verdict.
    fn repeated_histories(&self) -> Vec<String> {
        let ends = |said: &[Said]| said.iter().filter(|s| s.is_end()).count();
        let is_repeated = |said: &&Vec<Said>| ends(said) > 1 || repeated_in(said, |_| true) > 0;
        let told = |said: &Vec<Said>| said.iter().map(|s| s.told.as_str()).collect::<Vec<_>>().join("\n    ");
        self.said.values().filter(is_repeated).take(HISTORIES).map(told).collect()
    }

    /// Orders of each customer, and how many of them are suspicious, as `is_suspicious` tells from an order's verdicts.
    fn velocity(&self, is_suspicious: impl Fn(&[&Said]) -> bool) -> BTreeMap<&str, (usize, usize)> {
        let mut customers: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (order, customer) in &self.placed {
            let verdicts: Vec<_> = self.of(order).iter().filter(|said| said.is_verdict()).collect();
            let (placed, suspicious) = customers.entry(customer).or_default();
            *placed += 1;
            *suspicious += usize::from(is_suspicious(&verdicts));
        }
        customers
    }

    /// The customers whose number of suspicious orders is wrong.
    fn wrong_velocity(&self, is_suspicious: impl Fn(&[&Said]) -> bool) -> BTreeMap<&str, (usize, usize)> {
        let mut customers = self.velocity(is_suspicious);
        customers.retain(|_, (placed, suspicious)| *suspicious != placed.saturating_sub(NOT_SUSPICIOUS));
        customers
    }
}

/// Verdicts on a log where nothing is delivered: what is wrong with them once every order has one, if anything.
pub async fn wrong_verdicts(kafka: &KafkaConfig) -> Option<String> {
    let books = Books::settle(kafka, |books| books.without(Said::is_verdict).len()).await;
    let unjudged = books.without(Said::is_verdict);
    let wrong = books.wrong_velocity(|verdicts| verdicts.iter().any(|said| said.velocity));
    let last = books.wrong_velocity(|verdicts| verdicts.last().is_some_and(|said| said.velocity));
    let told = format!(
        "{} orders of {} customers: {} unjudged; {} customers with too few or too many VELOCITY ({} by the last \
         verdict): {:?}",
        books.placed.len(),
        books.placed.values().collect::<BTreeSet<_>>().len(),
        unjudged.len(),
        wrong.len(),
        last.len(),
        wrong.iter().take(5).collect::<Vec<_>>(),
    );
    (!unjudged.is_empty() || !wrong.is_empty() || books.placed.is_empty()).then_some(told)
}

/// Orders of each customer and how many of them carry VELOCITY, once every order has a verdict.
pub async fn velocity(kafka: &KafkaConfig) -> BTreeMap<String, (usize, usize)> {
    let books = Books::settle(kafka, |books| books.without(Said::is_verdict).len()).await;
    let customers = books.velocity(|verdicts| verdicts.iter().any(|said| said.velocity));
    customers.into_iter().map(|(customer, counts)| (customer.to_owned(), counts)).collect()
}

/// What must be true in the end, and what is counted.
#[derive(Debug)]
pub struct Accounts {
    /// Orders on the log.
    pub placed: usize,
    /// Answers by kind.
    pub answers: BTreeMap<&'static str, usize>,
    /// Orders of which clients were told 201, and which are not on the log.
    pub lost: Vec<String>,
    /// Orders that were neither delivered nor became dead letters.
    pub undelivered: Vec<String>,
    /// Orders without a verdict.
    pub unjudged: Vec<String>,
    /// Orders of which something was said before `created`.
    pub effect_before_cause: Vec<String>,
    /// Customers with their orders and how many of them carry VELOCITY, where that number is wrong: by the last verdict
    /// on each order.
    pub velocity_by_last: BTreeMap<String, (usize, usize)>,
    /// The same, by any verdict on it.
    pub velocity_by_any: BTreeMap<String, (usize, usize)>,
    /// Repeated NOTIFIED of one order.
    pub notified_twice: usize,
    /// Repeated RETRY of the same attempt, and repeated retries on `orders`.
    pub retried_twice: (usize, usize),
    /// Repeated DLQ of one order, and repeated dead letters.
    pub dead_twice: (usize, usize),
    /// Orders that came to more ends than one: delivered and dead, or delivered by two attempts.
    pub ended_twice: usize,
    /// Repeated verdicts on one order.
    pub judged_twice: usize,
    /// What was said of some of the orders of which something was repeated.
    repeated: Vec<String>,
}

impl Accounts {
    /// Draws them up once everything on the log is delivered and judged, however long that takes while it goes on.
    pub async fn settle(kafka: &KafkaConfig, answers: &[Answer]) -> Self {
        let created = answers.iter().filter_map(|answer| match &answer.told {
            Told::Created(id) => Some(id.as_str()),
            _ => None,
        });
        let acknowledged: BTreeSet<_> = created.collect();
        let books = Books::settle(kafka, |books| {
            let on_log = acknowledged.iter().filter(|id| books.placed.contains_key(**id)).count();
            (acknowledged.len() - on_log)
                + books.without(Said::is_end).len()
                + books.without(Said::is_verdict).len()
        })
        .await;
        Self::of(&books, answers, &acknowledged)
    }

    fn of(books: &Books, answers: &[Answer], acknowledged: &BTreeSet<&str>) -> Self {
        let owned = |ids: BTreeSet<&str>| ids.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let wrong = |wrong: BTreeMap<&str, (usize, usize)>| {
            wrong.into_iter().map(|(customer, counts)| (customer.to_owned(), counts)).collect()
        };
        let action = |wanted| move |said: &Said| said.action == wanted;
        let more = |counts: Vec<usize>| counts.into_iter().map(|n| n.saturating_sub(1)).sum();
        let ends = |order: &String| books.of(order).iter().filter(|said| said.is_end()).count();
        let is_first = |order: &str| books.of(order).first().is_some_and(action(AuditAction::Created));
        Self {
            placed: books.placed.len(),
            answers: tally(answers),
            lost: owned(acknowledged.iter().copied().filter(|id| !books.placed.contains_key(*id)).collect()),
            undelivered: owned(books.without(Said::is_end)),
            unjudged: owned(books.without(Said::is_verdict)),
            effect_before_cause: owned(
                books.placed.keys().map(String::as_str).filter(|order| !is_first(order)).collect(),
            ),
            velocity_by_last: wrong(books.wrong_velocity(|v| v.last().is_some_and(|said| said.velocity))),
            velocity_by_any: wrong(books.wrong_velocity(|v| v.iter().any(|said| said.velocity))),
            notified_twice: books.repeated(action(AuditAction::Notified)),
            retried_twice: (
                books.repeated(action(AuditAction::Retry)),
                more(books.retries.values().copied().collect()),
            ),
            dead_twice: (
                books.repeated(action(AuditAction::Dlq)),
                more(books.dead.values().copied().collect()),
            ),
            ended_twice: books.placed.keys().filter(|order| ends(order) > 1).count(),
            judged_twice: books.repeated(Said::is_verdict),
            repeated: books.repeated_histories(),
        }
    }

    /// Fails where something was lost, came out of order, or has the wrong verdict.
    pub fn nothing_is_missing(&self) {
        let few = |orders: &[String]| orders.iter().take(3).cloned().collect::<Vec<_>>();
        for (what, orders) in [
            ("lost", &self.lost),
            ("undelivered", &self.undelivered),
            ("unjudged", &self.unjudged),
            ("told to audit after what follows from them", &self.effect_before_cause),
        ] {
            assert!(
                orders.is_empty(),
                "{} of {} orders are {what}: {:?}",
                orders.len(),
                self.placed,
                few(orders)
            );
        }
        assert!(self.velocity_by_last.is_empty(), "orders and VELOCITY: {:?}", self.velocity_by_last);
        assert_eq!(self.answers.get("other"), None, "{:?}", self.answers);
    }

    /// Fails where anything happened twice.
    pub fn nothing_is_repeated(&self) {
        assert!(self.velocity_by_any.is_empty(), "orders and VELOCITY: {:?}", self.velocity_by_any);
        let histories = self.repeated.join("\n\n    ");
        let repeated = (self.notified_twice, self.retried_twice, self.dead_twice, self.judged_twice);
        assert_eq!(
            repeated,
            (0, (0, 0), (0, 0), 0),
            "NOTIFIED, RETRY, DLQ and verdicts that came again: {histories}"
        );
        assert_eq!(self.ended_twice, 0, "orders that came to two ends: {histories}");
    }
}

impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  answers                        {:?}", self.answers)?;
        let (retry, retries) = self.retried_twice;
        let (dlq, dead) = self.dead_twice;
        for (what, count) in [
            ("orders on the log", self.placed),
            ("lost", self.lost.len()),
            ("undelivered", self.undelivered.len()),
            ("unjudged", self.unjudged.len()),
            ("effect before cause", self.effect_before_cause.len()),
            ("VELOCITY wrong, last verdict", self.velocity_by_last.len()),
            ("VELOCITY wrong, any verdict", self.velocity_by_any.len()),
            ("NOTIFIED again", self.notified_twice),
            ("RETRY again", retry),
            ("retry on orders again", retries),
            ("DLQ again", dlq),
            ("dead letter again", dead),
            ("delivered twice or dead, too", self.ended_twice),
            ("verdict again", self.judged_twice),
        ] {
            writeln!(f, "  {what:<28} {count:>6}")?;
        }
        Ok(())
    }
}
