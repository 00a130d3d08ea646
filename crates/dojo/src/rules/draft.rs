//! The backtest of a draft, for the page: the order service gets it as a function, because it doesn't know fraud detection.

use dojo_fraud::backtest::{Backtest, Progress};
use dojo_kafka::KafkaConfig;
use dojo_orders::BacktestRequest;
use dojo_rules::{FraudRule, Rule as _, RuleKind, version};
use std::{sync::Arc, time::SystemTime};
use tokio_util::sync::CancellationToken;

/// Returns the function that judges the orders on `kafka` again with a draft.
pub(crate) fn draft_backtest(kafka: KafkaConfig) -> dojo_orders::Backtest {
    Arc::new(move |request| {
        let kafka = kafka.clone();
        Box::pin(async move {
            let BacktestRequest { kind, file, source, since, within } = request;
            if kind != RuleKind::Fraud {
                return Err("only fraud rules have a backtest".to_owned());
            }
            let rule = FraudRule::compile(&file, &source).map_err(|error| error.to_string())?;
            let since = SystemTime::now().checked_sub(since).ok_or("the span is too long")?;
            let backtest = Backtest {
                kafka,
                client_id: "dojo-page-backtest".to_owned(),
                file,
                rule: Arc::new(rule),
                version: version(&source),
                since: Some(since.into()),
                within,
            };
            let report = backtest.run(&Arc::new(Progress::default()), CancellationToken::new()).await;
            report.map_err(|error| error.to_string())
        })
    })
}
