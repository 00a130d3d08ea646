//! Judges the recorded orders again, in the order of their event time.

use super::{
    compare::{Comparison, Rejudged},
    feed::{Feeds, Recorded},
    said::{RULE_ERROR, SaidVerdicts, TypeNames, Types},
};
use crate::{
    detector::{Counted, Detector, Incoming, Start},
    verdict::facts,
    window::{WINDOW, millis},
};
use dojo_rules::FraudRule;
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

/// What is judged again.
pub(super) struct Task<'a> {
    pub(super) rule: &'a FraudRule,
    pub(super) said: &'a SaidVerdicts,
    /// The partitions whose first record isn't the first that was ever on the log, so that earlier orders are missing.
    pub(super) cut: BTreeSet<i32>,
    /// How far the windows reach back, in milliseconds.
    pub(super) span: i64,
    /// The first event time that is compared.
    pub(super) since: i64,
    /// The present, in milliseconds since 1970.
    pub(super) now: i64,
    /// The longest span that the rule has asked about so far, in milliseconds.
    pub(super) longest_asked: i64,
}

/// What was judged.
pub(super) struct Done {
    /// The first event time that was compared.
    pub(super) since: i64,
    /// The longest span that the rule asked about, in milliseconds.
    pub(super) longest_asked: i64,
}

impl Task<'_> {
    /// Judges the orders of `feeds` and passes each verdict to `comparison`.
    pub(super) fn run(mut self, feeds: Feeds, names: &mut TypeNames, comparison: &mut Comparison) -> Done {
        let starts = feeds.keys().map(|&partition| Start { partition, read_from: 0, judge_from: 0 });
        let mut detector = Detector::starting(starts, HashSet::new(), self.span, self.now);
        let mut open = feeds;
        while !open.is_empty() {
            // Only these partitions hold up the merge.
            let empty: Vec<_> =
                open.keys().copied().filter(|partition| detector.waiting(*partition) == 0).collect();
            for partition in empty {
                match open.get(&partition).and_then(|feed| feed.recv().ok()) {
                    Some(batch) => self.take(&mut detector, partition, batch),
                    None => {
                        open.remove(&partition);
                        detector.end(partition, self.now);
                    }
                }
            }
            while let Some(counted) = detector.next(self.now) {
                self.judge(counted, names, comparison);
            }
        }
        Done { since: self.since, longest_asked: self.longest_asked }
    }

    fn take(&mut self, detector: &mut Detector<()>, partition: i32, batch: Vec<Recorded>) {
        for Recorded { offset, order } in batch {
            let Some((order, time)) = order else {
                detector.passed(partition, offset, self.now);
                continue;
            };
            // Before the log was cut there were orders that the windows of the first ones lack.
            if self.cut.remove(&partition) {
                self.since = self.since.max(time.saturating_add(self.span).saturating_add(WINDOW));
            }
            detector.arrived(Incoming { partition, offset, time, order, tag: () }, self.now);
        }
    }

    fn judge(&mut self, counted: Counted<()>, names: &mut TypeNames, comparison: &mut Comparison) {
        let Counted { incoming: Incoming { partition, offset, time, order, .. }, window } = counted;
        let Some(window) = window.filter(|_| time >= self.since) else { return };
        let facts = facts(&order, time, window.stats(), Arc::clone(&window));
        let types: Types = match self.rule.judge(facts) {
            Ok(alerts) => alerts.iter().map(|alert| names.get(&alert.kind)).collect(),
            Err(_) => [names.get(RULE_ERROR)].into(),
        };
        self.longest_asked = self.longest_asked.max(millis(window.longest_asked()));
        comparison.take(&Rejudged {
            order_id: order.id,
            customer: &order.customer_name,
            partition,
            offset,
            types: &types,
            said: self.said.on_order(partition, offset),
        });
    }
}
