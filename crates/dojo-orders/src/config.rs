//! Configuration of the order service.

use crate::read_models::order_list;
use dojo_contract::{Defaults, topic};
use dojo_http::{HostPattern, Metrics};
use dojo_kafka::{KafkaConfig, Readiness};
use dojo_rules::WatchMode;
use rust_decimal::Decimal;
use std::path::PathBuf;

/// The instance that follows `audit` and the dead letters in the group of that name; a further replica has its own.
const FIRST_INSTANCE: &str = "order-1";

/// Some 5 GiB.
const MAX_ORDERS_KEPT: usize = 10_000_000;

/// Configuration of the order service.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    #[command(flatten)]
    #[expect(missing_docs, reason = "its own fields are the options")]
    pub kafka: KafkaConfig,

    /// Name under which this instance reports itself; each replica needs its own
    #[arg(long, env = "INSTANCE_ID", value_name = "ID", default_value = FIRST_INSTANCE)]
    pub instance_id: String,

    /// Probability of a failed delivery where the settings do not say; 0 to 1, 0.3 by default. Give every service the
    /// same
    #[arg(long, env = "FAIL_RATE", value_name = "RATE", value_parser = parse_rate)]
    pub fail_rate: Option<Decimal>,

    /// Retries of a failed delivery where the settings do not say; 0 to 10, 2 by default. Give every service the same
    #[arg(long, env = "MAX_RETRIES", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(..=10))]
    pub max_retries: Option<u32>,

    /// Folder of the rules
    #[arg(long, env = "RULES_DIR", value_name = "FOLDER", default_value = "rules")]
    pub rules_dir: PathBuf,

    /// How to notice that a rule was saved: auto, native (the file system's events) or poll
    #[arg(long, env = "RULES_WATCH", value_name = "MODE", default_value = "auto")]
    pub rules_watch: WatchMode,

    /// Folder with page.html, the page's template; without it, the built-in one
    #[arg(long, env = "TEMPLATES_DIR", value_name = "FOLDER")]
    pub templates_dir: Option<PathBuf>,

    /// Further names under which browsers and clients reach this service, separated by commas; `*.name` allows all names
    /// below one. localhost and the address it listens on need not be named
    #[arg(long, env = "ALLOWED_HOSTS", value_name = "HOST", value_delimiter = ',')]
    pub allowed_hosts: Vec<HostPattern>,

    /// Newest orders that are kept in memory and listed; older ones stay on the topic `orders` alone
    #[arg(long, env = "ORDERS_KEPT", value_name = "NUMBER", default_value_t = order_list::KEPT, value_parser = parse_orders_kept)]
    pub orders_kept: usize,

    /// The broker is the one built into the dojo: the page says what that means
    #[arg(long, hide = true)]
    pub embedded_broker: bool,

    /// Where the service says whether it can do its work
    #[arg(skip)]
    pub readiness: Readiness,

    /// What `GET /metrics` answers
    #[arg(skip)]
    pub metrics: Metrics,
}

impl Config {
    /// The values of settings that are not on the settings topic.
    pub(crate) fn defaults(&self) -> Defaults {
        Defaults { fail_rate: self.fail_rate, max_retries: self.max_retries }
    }

    /// The group of this replica. Each replica reads everything, so each has its own group.
    pub(crate) fn relay_group(&self) -> String {
        match self.instance_id.as_str() {
            FIRST_INSTANCE => topic::SSE_RELAY_GROUP.to_owned(),
            other => format!("{}-{other}", topic::SSE_RELAY_GROUP),
        }
    }
}

fn parse_orders_kept(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MAX_ORDERS_KEPT).contains(number));
    number.ok_or_else(|| format!("give a whole number from 1 to {MAX_ORDERS_KEPT}"))
}

fn parse_rate(text: &str) -> Result<Decimal, String> {
    let rate = text.parse().ok().filter(|rate| (Decimal::ZERO..=Decimal::ONE).contains(rate));
    rate.ok_or_else(|| format!("`{text}` is no probability: give a number from 0 to 1, such as 0.3"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        config: Config,
    }

    fn parse(args: &[&str]) -> Result<Config, String> {
        let args = std::iter::once("order").chain(args.iter().copied());
        Cli::try_parse_from(args).map(|cli| cli.config).map_err(|e| e.to_string())
    }

    #[test]
    fn a_rate_is_a_probability() {
        assert_eq!(parse(&["--fail-rate", "0.25"]).unwrap().fail_rate, Some(Decimal::new(25, 2)));
        assert!(parse(&["--fail-rate", "1.5"]).unwrap_err().contains("give a number from 0 to 1"));
        assert!(parse(&["--max-retries", "11"]).is_err());
    }

    #[test]
    fn each_further_replica_relays_in_a_group_of_its_own() {
        assert_eq!(parse(&[]).unwrap().relay_group(), "sse-relay-group");
        assert_eq!(parse(&["--instance-id", "order-2"]).unwrap().relay_group(), "sse-relay-group-order-2");
    }
}
