//! The backtest: judges the recorded orders again, with a rule that may not be in force yet, and compares the verdicts with
//! those that were given at the time.
//!
//! It joins no consumer group and sends nothing. With the rule unchanged it is a replay and finds no change: it counts and judges
//! the orders in the order of their verdicts on `audit`, so the same log gives the same verdicts.
//!
//! Reading starts before the span that is compared, so that the windows of its first order are complete.
//!
//! Memory is bounded by [`Limits`]. The windows hold at most so many orders, of about 400 bytes each, and 32 MiB of names; an order
//! whose windows lack orders is counted as partial. The verdicts take 8 bytes for each record of `orders`, and a span with more
//! records is refused.

mod compare;
mod feed;
mod judge;
mod progress;
mod recorded_verdicts;
mod turns;

#[cfg(test)]
mod tests;

pub use progress::Progress;

use crate::window::{WINDOW, millis};
use chrono::{DateTime, Utc};
use dojo_contract::topic;
use dojo_kafka::{Error, Isolation, KafkaConfig, OffsetBounds, RangeReader, TopicCatalog};
use dojo_rules::{BacktestReport, FraudRule, MAX_SPAN};
use judge::Judged;
use progress::Ranges;
use recorded_verdicts::{MAX_VERDICTS, RecordedVerdicts, TypeNames};
use std::{
    collections::{BTreeMap, BTreeSet},
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
    /// How much time and memory it may take.
    pub limits: Limits,
}

/// How much time and memory a backtest may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long it may take.
    pub within: Duration,
    /// The most orders that the windows hold.
    pub held_orders: usize,
    /// The most records of `orders` in the span, with those before it that the windows need.
    pub records: u64,
}

/// Why a backtest failed.
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
    /// The span holds too much.
    #[error(
        "the backtest needs more than {most} {what}, which is too much to keep in memory: choose a shorter span"
    )]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The most that is possible.
        most: u64,
    },
}

/// The offsets of a topic that are read.
struct LogRanges {
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
        // Ends the readers and the judging if the caller goes away.
        let stop = shutdown.child_token();
        let _stops = stop.clone().drop_guard();
        let mut span = millis(self.rule.longest_span()).max(WINDOW);
        loop {
            match self.judge(span, begun, progress, &stop).await? {
                Judged::All { compared, since } => return Ok(self.report(compared, since, begun.elapsed())),
                // As in the service, the span at least doubles: a rule may ask for a little more each time.
                Judged::AskedFor(longer) => span = longer.max((2 * span).min(millis(MAX_SPAN))),
                Judged::Stopped => return Err(BacktestError::Incomplete(begun.elapsed())),
            }
        }
    }

    /// Judges the orders with windows of `span` milliseconds.
    async fn judge(
        &self,
        span: i64,
        begun: Instant,
        progress: &Arc<Progress>,
        stop: &CancellationToken,
    ) -> Result<Judged, BacktestError> {
        let until = begun + self.limits.within;
        let catalog = TopicCatalog::new(&self.kafka, &self.client_id)?;
        let reader = RangeReader::new(self.kafka.clone(), self.client_id.clone(), stop.clone());
        let since = self.since.map(|since| since.timestamp_millis());
        let before =
            |earlier: i64| since.and_then(|s| DateTime::from_timestamp_millis(s.saturating_sub(earlier)));
        let lead_in = span.saturating_add(WINDOW);
        let mut orders = log_ranges(&catalog, topic::ORDERS, before(lead_in)).await?;
        // A verdict is dated by the clock of the service; the clock of the order may be ahead of it. The verdicts of the lead-in
        // are read for their order.
        let audit = log_ranges(&catalog, topic::AUDIT, before(lead_in.saturating_add(WINDOW))).await?.ranges;
        if progress::records(&orders.ranges) > self.limits.records {
            return Err(BacktestError::TooMuch { what: "records of `orders`", most: self.limits.records });
        }
        progress.expect(&[&orders.ranges, &audit]);

        let table = RecordedVerdicts::on(&orders.ranges);
        let (recorded, mut names) = read_verdicts(&reader, audit, table, until, progress)
            .await?
            .ok_or_else(|| BacktestError::Incomplete(begun.elapsed()))?;
        if recorded.is_full() {
            return Err(BacktestError::TooMuch { what: "different verdicts", most: MAX_VERDICTS as u64 });
        }
        // Retention may have deleted records meanwhile.
        let partitions: Vec<_> = orders.ranges.keys().copied().collect();
        orders.trim(&catalog.bounds(topic::ORDERS, &partitions, WITHIN).await?);
        let (feeds, readers) = feed::start(&reader, &orders.ranges, until, progress);
        let (this, now, stop) = (self.clone(), Utc::now().timestamp_millis(), stop.clone());
        let judging = tokio::task::spawn_blocking(move || {
            let task = judge::Task {
                rule: &this.rule,
                version: &this.version,
                recorded: &recorded,
                cut: orders.cut,
                span,
                held_orders: this.limits.held_orders,
                since: since.unwrap_or(i64::MIN),
                now,
                until,
                stop,
            };
            task.run(feeds, &mut names)
        });
        let judged = judging
            .await
            .map_err(|e| Error::Thread { what: "a backtest".to_owned(), message: e.to_string() })?;
        if !matches!(judged, Judged::All { .. }) {
            return Ok(judged);
        }
        for read in readers.join_all().await {
            if !read? {
                return Ok(Judged::Stopped);
            }
        }
        Ok(judged)
    }

    fn report(&self, compared: compare::Compared, since: i64, took: Duration) -> BacktestReport {
        BacktestReport {
            rule: self.file.clone(),
            version: self.version.clone(),
            since: DateTime::from_timestamp_millis(since).filter(|_| since > i64::MIN),
            is_replay: compared.is_replay,
            orders: compared.orders,
            compared: compared.compared,
            unjudged: compared.unjudged,
            partial: compared.partial,
            other_versions: compared.other_versions,
            changes: compared.alerts.iter().map(|alerts| alerts.added + alerts.removed).sum(),
            alerts: compared.alerts,
            millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl LogRanges {
    /// Leaves out what is no longer on the log.
    fn trim(&mut self, bounds: &BTreeMap<i32, OffsetBounds>) {
        for (partition, range) in &mut self.ranges {
            let earliest = bounds.get(partition).map_or(range.start, |bounds| bounds.earliest);
            if earliest > range.start {
                range.start = earliest.min(range.end);
                self.cut.insert(*partition);
            }
        }
    }
}

/// Looks up what a topic holds from `from` on; `None`: from its start.
async fn log_ranges(
    catalog: &TopicCatalog,
    topic: &'static str,
    from: Option<DateTime<Utc>>,
) -> Result<LogRanges, BacktestError> {
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
    Ok(LogRanges { ranges, cut })
}

/// Reads the verdicts on `audit` into `table`; `None` if it was stopped.
async fn read_verdicts(
    reader: &RangeReader,
    audit: Ranges,
    table: RecordedVerdicts,
    until: Instant,
    progress: &Arc<Progress>,
) -> Result<Option<(RecordedVerdicts, TypeNames)>, BacktestError> {
    let table = Arc::new(Mutex::new((table, TypeNames::default())));
    let (filled, progress) = (Arc::clone(&table), Arc::clone(progress));
    let read_to = reader
        .read(topic::AUDIT, audit.clone(), Isolation::ReadCommitted, until, move |record| {
            progress.add(1);
            if let (Some(value), Ok(mut filled)) = (record.value, filled.lock()) {
                let (recorded, names) = &mut *filled;
                recorded.take(value, names);
                if recorded.is_full() {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })
        .await?;
    let is_complete = audit.iter().all(|(partition, range)| read_to.get(partition) >= Some(&range.end));
    // The reader is done with its half.
    let table = Arc::into_inner(table).and_then(|table| table.into_inner().ok());
    Ok(table.filter(|(recorded, _)| is_complete || recorded.is_full()))
}
