//! Judges the recorded orders again, in the order in which the service judged them.

use super::{
    compare::{Compared, Comparison, NewVerdict},
    feed::{Feeds, LoggedOrder},
    recorded_verdicts::{RULE_ERROR, RecordedVerdicts, TypeNames, Types},
    turns::{Turn, Turns},
};
use crate::{
    verdict::facts,
    window::{Placed, WINDOW, Windows, millis},
};
use dojo_rules::FraudRule;
use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc, time::Instant};
use tokio_util::sync::CancellationToken;

/// What is judged again.
pub(super) struct Task<'a> {
    pub(super) rule: &'a FraudRule,
    pub(super) version: &'a str,
    pub(super) recorded: &'a RecordedVerdicts,
    /// The partitions whose first record isn't the first that was ever on the log, so that earlier orders are missing.
    pub(super) cut: BTreeSet<i32>,
    /// How far the windows reach back, in milliseconds.
    pub(super) span: i64,
    /// The most orders that the windows hold.
    pub(super) held_orders: usize,
    /// The first event time that is compared.
    pub(super) since: i64,
    /// The present, in milliseconds since 1970.
    pub(super) now: i64,
    /// When to stop at the latest.
    pub(super) until: Instant,
    /// When to stop early.
    pub(super) stop: CancellationToken,
}

/// How the judging ended.
#[derive(Debug)]
pub(super) enum Judged {
    /// Every order was judged.
    All {
        /// The comparison of the verdicts.
        compared: Compared,
        /// The first event time that was compared.
        since: i64,
    },
    /// The rule asked about a longer span, in milliseconds, than the windows reach back.
    AskedFor(i64),
    /// It was stopped.
    Stopped,
}

impl Task<'_> {
    /// Judges the orders of `feeds`.
    pub(super) fn run(self, feeds: Feeds, names: &mut TypeNames) -> Judged {
        let partitions = feeds.into_iter().map(|(partition, feed)| (partition, feed.into_iter().flatten()));
        let turns = Turns::of(partitions, self.recorded, self.now);
        // Before the log was cut there were orders that the windows of the first ones lack.
        let first_of_cut = turns.upcoming().iter().filter(|turn| self.cut.contains(&turn.partition));
        let complete =
            first_of_cut.map(|turn| turn.logged.time.saturating_add(self.span).saturating_add(WINDOW)).max();
        let since = self.since.max(complete.unwrap_or(i64::MIN));

        let windows = Windows::bounded(self.span, self.held_orders);
        let mut comparison = Comparison::of(self.version);
        for turn in turns {
            if self.stop.is_cancelled() || Instant::now() >= self.until {
                return Judged::Stopped;
            }
            if let ControlFlow::Break(span) = self.judge(turn, since, &windows, names, &mut comparison) {
                return Judged::AskedFor(span);
            }
        }
        Judged::All { compared: comparison.finish(), since }
    }

    /// Judges one order. Breaks with the span that the rule asked about if the windows don't reach back as far.
    fn judge(
        &self,
        turn: Turn<'_>,
        since: i64,
        windows: &Windows,
        names: &mut TypeNames,
        comparison: &mut Comparison,
    ) -> ControlFlow<i64> {
        let Turn { partition, logged: LoggedOrder { offset, order, time }, recorded, .. } = turn;
        let window = Arc::new(windows.count(Placed::of(&order, time), self.now));
        if time < since {
            return ControlFlow::Continue(());
        }
        let Some(recorded) = recorded.map(|recorded| recorded.verdict) else {
            comparison.unjudged();
            return ControlFlow::Continue(());
        };
        if recorded.is_partial {
            comparison.partial();
            return ControlFlow::Continue(());
        }
        let facts = facts(&order, time, window.stats(), Arc::clone(&window));
        let types: Types = match self.rule.judge(facts) {
            Ok(alerts) => alerts.iter().map(|alert| names.get(&alert.kind)).collect(),
            Err(_) => [names.get(RULE_ERROR)].into(),
        };
        let asked = millis(window.longest_asked());
        if asked > self.span {
            return ControlFlow::Break(asked);
        }
        if window.is_partial() {
            comparison.partial();
        } else {
            comparison.compare(&NewVerdict { order: &order, partition, offset, types: &types, recorded });
        }
        ControlFlow::Continue(())
    }
}
