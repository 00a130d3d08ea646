//! The backtest of a draft, for the page: the order service gets it as a function, because it doesn't know fraud detection.

use dojo_fraud::backtest::{Backtest, Limits, Progress};
use dojo_kafka::KafkaConfig;
use dojo_orders::BacktestRequest;
use dojo_rules::{FraudRule, Rule as _, version};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio_util::sync::CancellationToken;

/// The order service runs the backtest beside everything else that it holds in memory: the windows take up to 40 MiB and 32 MiB of
/// names, the verdicts up to 32 MiB, and the readers up to 32 MiB. It drops the backtest long before the time is over.
const LIMITS: Limits =
    Limits { within: Duration::from_secs(3_600), held_orders: 100_000, records: 4_000_000 };

/// Returns the function that judges the orders on `kafka` again with a draft.
pub(crate) fn draft_backtest(kafka: KafkaConfig) -> dojo_orders::Backtest {
    Arc::new(move |request| {
        let kafka = kafka.clone();
        Box::pin(async move {
            let BacktestRequest { file, source, since } = request;
            // A long source takes some time.
            let compiling = tokio::task::spawn_blocking(move || {
                let compiled = FraudRule::compile(&file, &source);
                compiled.map(|rule| (rule, file, version(&source)))
            });
            let compiled = compiling.await.map_err(|error| error.to_string())?;
            let (rule, file, version) = compiled.map_err(|error| error.to_string())?;
            let since = SystemTime::now().checked_sub(since).ok_or("the span is too long")?;
            let backtest = Backtest {
                kafka,
                client_id: "dojo-page-backtest".to_owned(),
                file,
                rule: Arc::new(rule),
                version,
                since: Some(since.into()),
                limits: LIMITS,
            };
            let report = backtest.run(&Arc::new(Progress::default()), CancellationToken::new()).await;
            report.map_err(|error| error.to_string())
        })
    })
}
