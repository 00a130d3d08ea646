//! `dojo rules backtest`: what would another rule have said about the orders on the log?

use super::{backtest_report::Table, files};
use crate::exit::{self, COULD_NOT_RUN, INTERRUPTED, MISTAKE, NOT_MET};
use anyhow::Context as _;
use clap::Args;
use dojo_fraud::{
    backtest::{Backtest, BacktestError, Limits, Progress},
    window::MAX_ORDERS,
};
use dojo_kafka::KafkaConfig;
use dojo_rules::{FraudRule, Rule as _, RuleKind, read_rule, version};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use std::{
    convert::Infallible,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio_util::sync::CancellationToken;

/// The windows take up to 470 MiB, the verdicts up to 80 MiB, and the readers up to 32 MiB.
const LIMITS: Limits =
    Limits { within: Duration::from_secs(3_600), held_orders: MAX_ORDERS, records: 10_000_000 };
const BAR_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
#[command(after_help = exit::OF_RULES)]
pub(crate) struct BacktestArgs {
    /// Compare the orders of the last minutes or hours, such as 10m or 2h
    #[arg(long, value_name = "TIME", default_value = "10m", conflicts_with = "all", value_parser = humantime::parse_duration)]
    since: Duration,

    /// Compare every order on the log
    #[arg(long)]
    all: bool,

    /// The rule; by default fraud.rhai in the folder of the rules
    #[arg(long, value_name = "FILE")]
    rule: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    rules: files::RulesDir,

    #[command(flatten)]
    kafka: KafkaConfig,
}

pub(super) async fn run(args: BacktestArgs) -> anyhow::Result<u8> {
    let path = args.rule.unwrap_or_else(|| args.rules.rules_dir.join(FraudRule::FILE));
    if files::kind_of(&path).is_ok_and(|kind| kind == RuleKind::Notification) {
        anyhow::bail!(
            "{}: only fraud rules have a backtest; run the cases of a notification rule with `dojo rules test`",
            path.display()
        );
    }
    let file = path.display().to_string();
    let compiled =
        read_rule(&path).and_then(|source| Ok((FraudRule::compile(&file, &source)?, version(&source))));
    let (rule, version) = match compiled {
        Ok(compiled) => compiled,
        Err(error) => {
            eprintln!("{error}");
            return Ok(MISTAKE);
        }
    };
    let since = SystemTime::now().checked_sub(args.since).context("--since is too long ago; write --all")?;
    let backtest = Backtest {
        kafka: args.kafka,
        client_id: "dojo-rules-backtest".to_owned(),
        file,
        rule: Arc::new(rule),
        version,
        since: (!args.all).then(|| since.into()),
        limits: LIMITS,
    };
    let progress = Arc::new(Progress::default());
    let report = tokio::select! {
        report = backtest.run(&progress, CancellationToken::new()) => report,
        _ = tokio::signal::ctrl_c() => return Ok(INTERRUPTED),
        never = show(&progress) => match never {},
    };
    let report = match report {
        Ok(report) => report,
        // It has its own exit code.
        Err(BacktestError::Kafka(error @ dojo_kafka::Error::Create { .. })) => return Err(error.into()),
        Err(
            error @ (BacktestError::Kafka(_)
            | BacktestError::NoTopic(_)
            | BacktestError::Incomplete(_)
            | BacktestError::TooMuch { .. }),
        ) => {
            eprintln!("dojo: {error}");
            return Ok(COULD_NOT_RUN);
        }
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", Table(&report));
    }
    if let Some(why) = report.nothing_compared() {
        eprintln!("dojo: {why}");
        return Ok(COULD_NOT_RUN);
    }
    Ok(if report.changes == 0 { 0 } else { NOT_MET })
}

/// Shows a bar on a terminal for as long as it is polled.
async fn show(progress: &Progress) -> Infallible {
    let bar = ProgressBar::new(0).with_finish(ProgressFinish::AndClear);
    if let Ok(style) =
        ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} records, {per_sec}")
    {
        bar.set_style(style);
    }
    loop {
        let (read, total) = progress.get();
        bar.set_length(total);
        bar.set_position(read);
        tokio::time::sleep(BAR_EVERY).await;
    }
}
