//! How many records each partition got in each of the last seconds, so that a board that is opened during a flood shows the
//! same columns as one that has been open for long. The page's script goes on counting in the same way.

use crate::log::stream_topic::StreamTopic;
use dojo_contract::header;
use dojo_kafka::Record;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};

/// Seconds with records that are kept of a partition.
const SECONDS: usize = 60;

/// By the topic and partition, such as `orders/0`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Rates(BTreeMap<String, Rate>);

#[derive(Debug, Default, Serialize)]
struct Rate {
    /// The offset after the last record that was counted.
    end: i64,
    /// Oldest first.
    seconds: VecDeque<Second>,
    /// The second of the first record, if records of that second may have been missed.
    #[serde(skip)]
    cut: Option<i64>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Second {
    /// Since 1970.
    second: i64,
    /// Offset of its first record.
    first: i64,
    records: u32,
    retries: u32,
    redrives: u32,
}

impl Rates {
    /// Counts `record`, which came at `now`, in milliseconds since 1970.
    pub(super) fn record(&mut self, topic: StreamTopic, record: &Record<'_>, now: i64) {
        if !matches!(topic, StreamTopic::Orders | StreamTopic::Audit | StreamTopic::DeadLetters) {
            return;
        }
        let rate = self.0.entry(format!("{}/{}", topic.name(), record.partition)).or_default();
        if record.offset < rate.end {
            // The log starts over.
            *rate = Rate::default();
        }
        // A retry and a redrive carry the time of the record that they repeat.
        let last = rate.seconds.back().map_or(0, |second| second.second);
        let second = (record.timestamp.unwrap_or(now).min(now) / 1000).max(last);
        if rate.end == 0 && record.offset > 0 {
            rate.cut = Some(second);
        }
        rate.end = record.offset.saturating_add(1);
        if rate.cut == Some(second) {
            return;
        }
        if last < second {
            rate.seconds.push_back(Second {
                second,
                first: record.offset,
                records: 0,
                retries: 0,
                redrives: 0,
            });
            if rate.seconds.len() > SECONDS {
                rate.seconds.pop_front();
            }
        }
        let Some(newest) = rate.seconds.back_mut() else { return };
        newest.records += 1;
        let is = |name| header::count(&record.headers, name).is_some_and(|count| count > 0);
        if is(header::RETRY_COUNT) {
            newest.retries += 1;
        } else if is(header::REDRIVE_COUNT) {
            newest.redrives += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(offset: i64, timestamp: i64, retry: Option<&str>) -> Record<'static> {
        let headers =
            retry.map(|count| (header::RETRY_COUNT.to_owned(), Some(count.into()))).into_iter().collect();
        Record {
            topic: "orders",
            partition: 0,
            offset,
            timestamp: Some(timestamp),
            key: None,
            value: None,
            headers,
        }
    }

    fn counted(records: &[Record<'_>], now: i64) -> serde_json::Value {
        let mut rates = Rates::default();
        records.iter().for_each(|record| rates.record(StreamTopic::Orders, record, now));
        serde_json::to_value(rates).unwrap()["orders/0"].take()
    }

    #[test]
    fn a_retry_counts_in_the_second_of_the_record_before_it_and_a_time_to_come_in_this_one() {
        let records = [
            record(0, 1_000, None),
            record(1, 2_500, None),
            record(2, 1_000, Some("1")),
            record(3, 99_000, None),
        ];
        let second = |second, first, records, retries| json!({"second": second, "first": first, "records": records, "retries": retries, "redrives": 0});
        let wanted =
            json!({"end": 4, "seconds": [second(1, 0, 1, 0), second(2, 1, 2, 1), second(3, 3, 1, 0)]});
        assert_eq!(counted(&records, 3_000), wanted);
    }

    #[test]
    fn a_second_that_was_not_seen_in_whole_is_left_out_and_a_log_that_starts_over_is_counted_anew() {
        let records = [record(7, 1_000, None), record(8, 1_200, None), record(9, 2_000, None)];
        assert_eq!(counted(&records, 9_000)["seconds"][0]["first"], 9);
        let records = [record(7, 1_000, None), record(8, 2_000, None), record(0, 3_000, None)];
        assert_eq!(counted(&records, 9_000)["end"], 1);
    }

    #[test]
    fn a_minute_is_kept() {
        let records: Vec<_> = (0..90).map(|n| record(n, n * 1_000, None)).collect();
        assert_eq!(counted(&records, 90_000)["seconds"].as_array().unwrap().len(), SECONDS);
    }
}
