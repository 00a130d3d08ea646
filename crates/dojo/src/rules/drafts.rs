//! The backtest of a draft in the browser: joins the order service, which has the draft, and fraud detection, which judges.

use dojo_fraud::backtest::Backtest;
use dojo_kafka::KafkaConfig;
use dojo_orders::BacktestRequest;
use dojo_rules::{BacktestReport, FraudRule, Rule as _, version};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio_util::sync::CancellationToken;

/// How long a backtest may take.
const WITHIN: Duration = Duration::from_secs(60);

/// Returns the function that the order service calls with a draft of the fraud rule.
pub(crate) fn of_drafts(kafka: KafkaConfig, shutdown: CancellationToken) -> dojo_orders::Backtest {
    Arc::new(move |request| Box::pin(judge(kafka.clone(), request, shutdown.clone())))
}

async fn judge(
    kafka: KafkaConfig,
    request: BacktestRequest,
    shutdown: CancellationToken,
) -> Result<BacktestReport, String> {
    let BacktestRequest { file, source, since, .. } = request;
    let version = version(&source);
    let compiling = tokio::task::spawn_blocking(move || (FraudRule::compile(&file, &source), file));
    let (rule, file) = compiling.await.map_err(|error| error.to_string())?;
    let backtest = Backtest {
        kafka,
        client_id: "dojo-orders-backtest".to_owned(),
        file,
        rule: Arc::new(rule.map_err(|error| error.to_string())?),
        version,
        since: SystemTime::now().checked_sub(since).map(Into::into),
        within: WITHIN,
    };
    backtest.run(&Arc::default(), shutdown).await.map_err(|error| error.to_string())
}
