//! Configuration of the order service.

use crate::{journey, read_models::order_list, read_only::ReadOnly};
use dojo_contract::{Defaults, InstanceStatus, Service, topic};
use dojo_http::HostPattern;
use dojo_kafka::{InstanceName, KafkaConfig};
use dojo_rules::RulesConfig;
use std::{borrow::Cow, path::PathBuf, time::Duration};

/// The instance that follows `audit` and the dead letters in the contract's group; a further replica has its own group.
const FIRST_INSTANCE: &str = "order-1";

const SCENARIOS_DIR: &str = "scenarios";

/// Some 5 GiB.
const MAX_ORDERS_KEPT: usize = 10_000_000;

/// Configuration of the order service.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub kafka: KafkaConfig,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub instance: InstanceName,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub defaults: Defaults,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub rules: RulesConfig,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub page: PageConfig,

    /// The broker is the one built into the dojo, and the page says what that means
    #[arg(long, hide = true)]
    pub embedded_broker: bool,
}

/// Configuration of the page and the API.
#[derive(clap::Args, Clone, Debug)]
pub struct PageConfig {
    /// Folder with page.html, the page's template; without it, the built-in one
    #[arg(long, env = "TEMPLATES_DIR", value_name = "FOLDER")]
    pub templates_dir: Option<PathBuf>,

    /// Further names under which browsers and clients reach the page and the API, separated by commas; `*.name` allows all
    /// names below one. localhost and the address that the service listens on are always allowed
    #[arg(long, env = "ALLOWED_HOSTS", value_name = "HOST", value_delimiter = ',')]
    pub allowed_hosts: Vec<HostPattern>,

    /// Newest orders that are kept in memory and listed; older ones stay on the topic `orders` alone
    #[arg(long, env = "ORDERS_KEPT", value_name = "NUMBER", default_value_t = order_list::KEPT, value_parser = parse_orders_kept)]
    pub orders_kept: usize,

    /// What can't be changed through the API and the page: any of orders, settings, instances, dlq, records, rules, scenarios,
    /// separated by commas
    #[arg(long, env = "READ_ONLY", value_name = "PARTS", default_value_t, hide_default_value = true)]
    pub read_only: ReadOnly,

    /// Folder with the scenarios that can be played from the page
    #[arg(long, env = "SCENARIOS_DIR", value_name = "FOLDER", default_value = SCENARIOS_DIR)]
    pub scenarios_dir: PathBuf,

    /// The longest time that reading the journey of an order may take. Not a flag: nobody waits longer than the default
    #[arg(skip = journey::WITHIN)]
    pub journey_within: Duration,
}

impl Default for PageConfig {
    fn default() -> Self {
        Self {
            templates_dir: None,
            allowed_hosts: Vec::new(),
            orders_kept: order_list::KEPT,
            read_only: ReadOnly::default(),
            scenarios_dir: SCENARIOS_DIR.into(),
            journey_within: journey::WITHIN,
        }
    }
}

impl Config {
    /// Returns the name under which this instance reports itself; each replica needs its own.
    pub(crate) fn instance_id(&self) -> &str {
        self.instance.instance_id.as_deref().unwrap_or(FIRST_INSTANCE)
    }

    /// Returns the group that relays `audit` and the dead letters to this instance's streams.
    pub(crate) fn relay_group(&self) -> Cow<'static, str> {
        relay_group_of(self.instance_id())
    }
}

/// Each replica needs every record of `audit` and the dead letters, so each further one has its own group.
fn relay_group_of(instance_id: &str) -> Cow<'static, str> {
    match instance_id {
        FIRST_INSTANCE => Cow::Borrowed(topic::SSE_RELAY_GROUP),
        other => Cow::Owned(format!("{}-{other}", topic::SSE_RELAY_GROUP)),
    }
}

/// Returns the consumer group in which an instance reads; `None` for the supervisor, which reads in none.
pub(crate) fn group_of(status: &InstanceStatus) -> Option<Cow<'static, str>> {
    match status.service {
        Service::Order => Some(relay_group_of(&status.instance_id)),
        Service::Notification => Some(Cow::Borrowed(topic::NOTIFICATION_GROUP)),
        Service::Fraud => Some(Cow::Borrowed(topic::FRAUD_GROUP)),
        Service::Audit => Some(Cow::Borrowed(topic::AUDIT_GROUP)),
        Service::Supervisor => None,
    }
}

fn parse_orders_kept(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MAX_ORDERS_KEPT).contains(number));
    number.ok_or_else(|| format!("give a whole number from 1 to {MAX_ORDERS_KEPT}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use rust_decimal::Decimal;

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
        assert_eq!(parse(&["--fail-rate", "0.25"]).unwrap().defaults.fail_rate, Some(Decimal::new(25, 2)));
        assert!(parse(&["--fail-rate", "1.5"]).unwrap_err().contains("give a number from 0 to 1"));
        assert!(parse(&["--max-retries", "11"]).is_err());
    }

    #[test]
    fn each_further_replica_relays_in_a_group_of_its_own() {
        assert_eq!(parse(&[]).unwrap().relay_group(), "sse-relay-group");
        assert_eq!(parse(&["--instance-id", "order-2"]).unwrap().relay_group(), "sse-relay-group-order-2");
    }
}
