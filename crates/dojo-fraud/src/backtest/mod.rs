//! The backtest: judges the recorded orders again, with a rule that may not be in force yet, and compares the verdicts with
//! those that were given at the time.
//!
//! It joins no group and sends nothing. With the rule unchanged it is a replay and finds no change: the same log gives the
//! same verdicts.
//!
//! Reading starts before the span that is compared, so that the windows of its first order are complete.

pub mod compare;
pub mod said;

mod feed;
mod judge;
mod progress;

pub use progress::Progress;

use crate::window::{WINDOW, millis};
use chrono::{DateTime, Utc};
use compare::{Baseline, Changed, Compared, Comparison};
use dojo_contract::topic;
use dojo_kafka::{Error, Isolation, KafkaConfig, RangeReader, TopicCatalog};
use dojo_rules::{AlertChange, BacktestAlerts, BacktestExample, BacktestReport, FraudRule, MAX_SPAN};
use progress::Ranges;
use said::{SaidVerdicts, TypeNames};
use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How long Kafka may take to answer a question.
const WITHIN: Duration = Duration::from_secs(5);

/// What to judge again.
#[derive(Debug, Clone)]
pub struct Backtest {
    /// Where Kafka is.
    pub kafka: KafkaConfig,
    /// The client's name on Kafka.
    pub client_id: String,
    /// The rule's file, for the report.
    pub file: String,
    /// The rule.
    pub rule: Arc<FraudRule>,
    /// The rule's version.
    pub version: String,
    /// The first event time that is compared; `None`: from the start of the log.
    pub since: Option<DateTime<Utc>>,
    /// How long it may take.
    pub within: Duration,
}

/// Why a backtest found nothing.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// Kafka doesn't answer, or a topic changed meanwhile.
    #[error("the backtest can't read the log: {0}")]
    Kafka(#[from] Error),
    /// A topic doesn't exist.
    #[error("there is no topic {0}; start the dojo, or check KAFKA_BROKERS and KAFKA_PREFIX")]
    NoTopic(&'static str),
    /// It was stopped, or took too long.
    #[error("the backtest was stopped before it was complete, after {0:?}")]
    Incomplete(Duration),
}

/// What there is to read of a topic.
struct Recorded {
    ranges: Ranges,
    /// The partitions that are read from the first record that is left, after others were deleted.
    cut: BTreeSet<i32>,
}

impl Backtest {
    /// Runs until everything is compared, or `shutdown`.
    ///
    /// # Errors
    /// The log can't be read to its end.
    pub async fn run(
        &self,
        progress: &Arc<Progress>,
        shutdown: CancellationToken,
    ) -> Result<BacktestReport, BacktestError> {
        let begun = Instant::now();
        // Ends the readers if the caller goes away.
        let stop = shutdown.child_token();
        let _stops = stop.clone().drop_guard();
        let mut span = millis(self.rule.longest_span()).max(WINDOW);
        let mut compared = self.compare(span, begun, progress, &stop).await?;
        if compared.longest_asked > span {
            // Some order made the rule ask for more than it is known to ask for.
            span = millis(MAX_SPAN);
            compared = self.compare(span, begun, progress, &stop).await?;
        }
        Ok(self.report(compared, begun.elapsed()))
    }

    /// Judges every order with windows of `span` milliseconds.
    async fn compare(
        &self,
        span: i64,
        begun: Instant,
        progress: &Arc<Progress>,
        stop: &CancellationToken,
    ) -> Result<Judged, BacktestError> {
        let until = begun + self.within;
        let catalog = TopicCatalog::new(&self.kafka, &self.client_id)?;
        let reader = RangeReader::new(self.kafka.clone(), self.client_id.clone(), stop.clone());
        let since = self.since.map(|since| since.timestamp_millis());
        let before =
            |earlier: i64| since.and_then(|s| DateTime::from_timestamp_millis(s.saturating_sub(earlier)));
        let orders = recorded(&catalog, topic::ORDERS, before(span.saturating_add(WINDOW))).await?;
        // A verdict is dated by the clock of the service; the clock of the order may be ahead of it.
        let audit = recorded(&catalog, topic::AUDIT, before(WINDOW)).await?;
        progress.expect(&[&orders.ranges, &audit.ranges]);

        let (said, mut names) = said(&reader, audit.ranges, &orders.ranges, until, progress).await?;
        let baseline = match said.has_version(&self.version) {
            true => Baseline::Version(self.version.as_str().into()),
            false => Baseline::Any,
        };
        let is_replay = matches!(baseline, Baseline::Version(_));
        let (feeds, readers) = feed::start(&reader, &orders.ranges, until, progress);
        let (rule, now) = (Arc::clone(&self.rule), Utc::now().timestamp_millis());
        let judging = tokio::task::spawn_blocking(move || {
            let mut comparison = Comparison::with(baseline);
            let (cut, since) = (orders.cut, since.unwrap_or(i64::MIN));
            let task = judge::Task { rule: &rule, said: &said, cut, span, since, now, longest_asked: 0 };
            let judge::Done { since, longest_asked } = task.run(feeds, &mut names, &mut comparison);
            Judged { compared: comparison.finish(), is_replay, since, longest_asked }
        });
        let judged = judging
            .await
            .map_err(|e| Error::Thread { what: "a backtest".to_owned(), message: e.to_string() })?;
        for read in readers.join_all().await {
            if !read? {
                return Err(BacktestError::Incomplete(begun.elapsed()));
            }
        }
        Ok(judged)
    }
}

/// The result of judging every order.
struct Judged {
    compared: Compared,
    is_replay: bool,
    since: i64,
    longest_asked: i64,
}

impl Backtest {
    fn report(&self, judged: Judged, took: Duration) -> BacktestReport {
        let Judged { compared, is_replay, since, .. } = judged;
        let (changes, swaps) = (compared.changes(), compared.types.values().map(|types| types.swaps).sum());
        let alerts = compared.types.into_iter().map(|(kind, types)| BacktestAlerts {
            kind: kind.to_string(),
            before: types.before,
            after: types.after,
            added: types.added,
            removed: types.removed,
            swaps: types.swaps,
            examples: types.examples.into_iter().map(changed_order).collect(),
        });
        BacktestReport {
            rule: self.file.clone(),
            version: self.version.clone(),
            since: DateTime::from_timestamp_millis(since).filter(|_| since > i64::MIN),
            is_replay,
            orders: compared.orders,
            compared: compared.compared,
            unjudged: compared.unjudged,
            partial: compared.partial,
            other_versions: compared.other_versions,
            swaps,
            changes,
            alerts: alerts.collect(),
            millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn changed_order(changed: Changed) -> BacktestExample {
    BacktestExample {
        order_id: changed.order_id,
        customer_name: changed.customer.to_string(),
        change: if changed.is_added { AlertChange::Added } else { AlertChange::Removed },
        partition: changed.partition,
        offset: changed.offset,
    }
}

/// Looks up what a topic holds from `from` on; `None`: from its start.
async fn recorded(
    catalog: &TopicCatalog,
    topic: &'static str,
    from: Option<DateTime<Utc>>,
) -> Result<Recorded, BacktestError> {
    let partitions = catalog.partitions(topic, WITHIN).await?.ok_or(BacktestError::NoTopic(topic))?;
    let bounds = catalog.bounds(topic, &partitions, WITHIN).await?;
    let starts = match from {
        Some(from) => Some(catalog.offsets_at(topic, &partitions, from, WITHIN).await?),
        None => None,
    };
    let (mut ranges, mut cut) = (Ranges::new(), BTreeSet::new());
    for (partition, bounds) in bounds {
        let start = match &starts {
            Some(starts) => starts.get(&partition).copied().unwrap_or(bounds.stable),
            None => bounds.earliest,
        };
        if start <= bounds.earliest && bounds.earliest > 0 {
            cut.insert(partition);
        }
        ranges.insert(partition, start.min(bounds.stable)..bounds.stable);
    }
    Ok(Recorded { ranges, cut })
}

/// Reads the verdicts that were given on the orders in `orders`.
async fn said(
    reader: &RangeReader,
    audit: Ranges,
    orders: &Ranges,
    until: Instant,
    progress: &Arc<Progress>,
) -> Result<(SaidVerdicts, TypeNames), BacktestError> {
    let begun = Instant::now();
    let table = Arc::new(Mutex::new((SaidVerdicts::on(orders), TypeNames::default())));
    let (filled, progress) = (Arc::clone(&table), Arc::clone(progress));
    let read_to = reader
        .read(topic::AUDIT, audit.clone(), Isolation::ReadCommitted, until, move |record| {
            progress.add(1);
            if let (Some(value), Ok(mut filled)) = (record.value, filled.lock()) {
                let (said, names) = &mut *filled;
                said.take(value, names);
            }
            ControlFlow::Continue(())
        })
        .await?;
    let is_complete = audit.iter().all(|(partition, range)| read_to.get(partition) >= Some(&range.end));
    // The reader is done with its half.
    let table = Arc::into_inner(table).and_then(|table| table.into_inner().ok());
    table.filter(|_| is_complete).ok_or_else(|| BacktestError::Incomplete(begun.elapsed()))
}
