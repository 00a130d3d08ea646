//! A backtest's report as a table for the terminal. Pure.

use dojo_contract::time;
use dojo_rules::{AlertChange, BacktestReport};
use std::fmt;

/// The most orders that are named for each type of alert.
const MAX_EXAMPLES: usize = 5;

pub(crate) struct Table<'a>(pub(crate) &'a BacktestReport);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        let since = report
            .since
            .map_or("from the start of the log".to_owned(), |since| format!("since {}", time::format(since)));
        let orders = counted(report.orders, "order");
        writeln!(f, "{} (version {}) on {orders} {since}", report.rule, report.version)?;
        if report.compared == 0 {
            return writeln!(f, "No order was compared.");
        }
        let replay = match report.is_replay {
            true => "A replay: this version judged these orders before, so there should be 0 changes.",
            false => "Other versions judged the compared orders; this is what this version would change.",
        };
        writeln!(f, "{replay}\n")?;
        if report.alerts.is_empty() {
            writeln!(f, "No order has an alert, at the time or now.")?;
        } else {
            writeln!(f, "{:<24} {:>9} {:>9} {:>9} {:>9}", "alert", "before", "after", "added", "removed")?;
        }
        for alerts in &report.alerts {
            writeln!(
                f,
                "{:<24} {:>9} {:>9} {:>9} {:>9}",
                alerts.kind, alerts.before, alerts.after, alerts.added, alerts.removed
            )?;
            for order in alerts.examples.iter().take(MAX_EXAMPLES) {
                let sign = if order.change == AlertChange::Added { '+' } else { '-' };
                let (partition, offset) = (order.partition, order.offset);
                writeln!(
                    f,
                    "    {sign} {} of {} (orders/{partition} at {offset})",
                    order.order_id, order.customer_name
                )?;
            }
            let more = (alerts.added + alerts.removed)
                .saturating_sub(alerts.examples.len().min(MAX_EXAMPLES) as u64);
            if more > 0 {
                writeln!(f, "    and {more} more")?;
            }
        }
        writeln!(f)?;
        let apart = [
            (report.unjudged, "without a verdict yet"),
            (report.partial, "with partial windows"),
            (report.other_versions, "judged by another version of the rule"),
        ];
        for (orders, why) in apart.into_iter().filter(|(orders, _)| *orders > 0) {
            writeln!(f, "Not compared: {} {why}.", counted(orders, "order"))?;
        }
        let seconds = report.millis as f64 / 1_000.0;
        let (compared, changes) = (counted(report.compared, "order"), counted(report.changes, "change"));
        writeln!(f, "{compared} compared in {seconds:.1} s, {changes}")
    }
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
