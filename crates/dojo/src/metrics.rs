//! The metrics of this process, for Prometheus.
//!
//! Services count with the `metrics` facade where something happens. This file installs the one recorder of the process
//! and describes each metric.

use anyhow::Context as _;
use dojo_http::Metrics;
use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::PrometheusBuilder;
use std::time::Duration;

/// Buckets of `dojo_record_handling_seconds`, as upper bounds in seconds: from a record that is only counted to one whose
/// rule takes as long as it may.
const HANDLING: [f64; 14] = [
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05,
    0.1, 1.0,
];
/// How often measured times are put into their buckets; until then each takes memory.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);

/// Installs the recorder of this process and returns what renders its metrics.
///
/// # Errors
/// The process already has a recorder.
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
        "Records that the service has handled, redelivered ones included"
    );
    describe_histogram!(
        "dojo_record_handling_seconds",
        "Time to handle a record, as the mean of each batch, without the time spent waiting for Kafka"
    );
    describe_gauge!(
        "dojo_consumer_lag_records",
        "Records of a partition that are not handled yet; 0 if another instance reads the partition"
    );
    describe_counter!("dojo_notifications_delivered_total", "Notifications that were delivered");
    describe_counter!(
        "dojo_notification_retries_total",
        "Failed deliveries that were sent back to orders for a retry"
    );
    describe_counter!(
        "dojo_dead_letters_total",
        "Records sent to orders-dlq: events out of retries, and unreadable records"
    );
    describe_counter!(
        "dojo_notifications_dropped_total",
        "Events out of retries that were dropped, as the setting onExhausted asks"
    );
    describe_counter!("dojo_fraud_alerts_total", "Fraud alerts, by type");
    describe_counter!("dojo_fraud_checks_passed_total", "Orders for which the fraud rule raised no alert");
    describe_counter!("dojo_rule_errors_total", "Events for which a rule failed");
    describe_counter!("dojo_rule_reloads_total", "Saved rules, by whether they were applied or refused");
}
