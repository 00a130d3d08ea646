//! What the services count, collected for Prometheus.
//!
//! Services count with the `metrics` facade wherever something happens; this gives the process the one recorder of it all,
//! and says what each number means.

use anyhow::Context as _;
use dojo_http::Metrics;
use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::PrometheusBuilder;
use std::time::Duration;

/// Upper bounds, in seconds: from a record that is only counted to one whose rule takes all the time it is given.
const HANDLING: [f64; 14] = [
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05,
    0.1, 1.0,
];
/// Measured times wait to be put into their buckets, and take memory until then.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);

/// Records everything this process counts, from now on; answers what writes it down.
pub(crate) fn record() -> anyhow::Result<Metrics> {
    let recorder =
        PrometheusBuilder::new().set_buckets(&HANDLING).context("the buckets of handling times")?;
    let handle = recorder.install_recorder().context("cannot record metrics")?;
    describe();
    let kept = handle.clone();
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(UPKEEP_EVERY);
        loop {
            tick.tick().await;
            kept.run_upkeep();
        }
    });
    Ok(Metrics::new(move || handle.render()))
}

fn describe() {
    describe_counter!(
        "dojo_records_handled_total",
        "Records that the service is done with, repeated ones included"
    );
    describe_histogram!(
        "dojo_record_handling_seconds",
        "Time the service took for a record, the mean of those done at once, without what it waited for Kafka"
    );
    describe_gauge!(
        "dojo_consumer_lag_records",
        "Records of a partition that are not done yet; 0 where another instance reads it"
    );
    describe_counter!("dojo_notifications_delivered_total", "Notifications that reached their customer");
    describe_counter!("dojo_notification_retries_total", "Failed deliveries that were sent round once more");
    describe_counter!(
        "dojo_dead_letters_total",
        "Events given up, and unreadable records, sent to orders-dlq"
    );
    describe_counter!("dojo_fraud_alerts_total", "Alerts by their type");
    describe_counter!("dojo_fraud_checks_passed_total", "Orders on which the fraud rule had nothing to say");
    describe_counter!("dojo_rule_errors_total", "Events on which a rule failed");
    describe_counter!("dojo_rule_reloads_total", "Saved rules that were applied or refused");
}
