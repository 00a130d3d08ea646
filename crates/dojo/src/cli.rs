//! The command line. A field's doc comment is its `--help`; nearly every flag is an environment variable, too.
//!
//! A flag is declared once, by the crate that uses it, and checked when it is read. So `dojo up` refuses a wrong value for
//! any of its services before it starts anything.

use crate::rules::RulesCommand;
use clap::{Args, Parser, Subcommand, ValueEnum};
use dojo_contract::Defaults;
use dojo_kafka::KafkaConfig;
use dojo_orders::PageConfig;
use dojo_rules::RulesConfig;
use std::{ffi::OsString, net::IpAddr};

/// A workshop in event-driven architecture: a food-ordering system on Kafka.
///
/// Without a command: everything, on the embedded Kafka broker.
#[derive(Debug, Parser)]
#[command(name = "dojo", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) up: Up,

    #[command(flatten)]
    pub(crate) telemetry: Telemetry,

    /// End when standard input does: how a supervisor that dies ends its services
    #[arg(long, hide = true, global = true)]
    pub(crate) supervised: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything with one command: broker, topics, and every service as a child process
    Up(Up),
    /// The order service: REST API, page, live events
    Order(Order),
    /// One instance of the notification service
    Notification(Alone<dojo_notification::Config>),
    /// The fraud detection service
    Fraud(Alone<dojo_fraud::Config>),
    /// The audit service: one line per event on standard output
    Audit(Alone<dojo_audit::Config>),
    /// Create the topics, and leave existing ones as they are
    Topics(Topics),
    /// Check rules, run their cases, and judge the recorded orders again
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Play scenarios against a running dojo, and say whether their lessons happened
    Run(dojo_run::Cli),
    /// Ask the service on this machine whether it is ready: at ADMIN_LISTEN, or else the order service
    Health(Health),
}

/// How the program reports what it does; always on standard error.
#[derive(Debug, Clone, Args)]
pub(crate) struct Telemetry {
    /// Form of the log
    #[arg(long, env = "LOG_FORMAT", default_value = "pretty", global = true)]
    pub(crate) log_format: LogFormat,

    /// What to log, such as debug or dojo_fraud=trace,info
    #[arg(long = "log", env = "RUST_LOG", default_value = "info", value_name = "FILTER", global = true)]
    pub(crate) filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Pretty,
    /// One JSON object per line
    Json,
}

impl LogFormat {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pretty => "pretty",
            Self::Json => "json",
        }
    }
}

/// Where a service reports its health, beside its work.
#[derive(Debug, Clone, Args)]
pub(crate) struct Admin {
    /// Address for /healthz, /readyz and /metrics of a service that is started alone, such as 0.0.0.0:9100; none by default
    #[arg(long, env = "ADMIN_LISTEN", value_name = "HOST:PORT", value_parser = parse_address)]
    pub(crate) admin_listen: Option<String>,
}

/// One service, and where it reports its health.
#[derive(Debug, Clone, Args)]
pub(crate) struct Alone<C: Args> {
    #[command(flatten)]
    pub(crate) config: C,

    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// Where the order service listens.
#[derive(Debug, Clone, Args)]
pub(crate) struct Listen {
    /// Address of the page and the API
    #[arg(long, env = "HOST", default_value = "127.0.0.1", value_parser = parse_host)]
    pub(crate) host: String,

    /// Port of the page and the API; 0 picks a free one
    #[arg(long, env = "PORT", default_value_t = 3001)]
    pub(crate) port: u16,
}

/// How topics are created.
#[derive(Debug, Clone, Args)]
pub(crate) struct Replication {
    /// Copies of each partition, where topics are created on a Kafka that isn't the embedded broker
    #[arg(long, env = "REPLICATION_FACTOR", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100))]
    pub(crate) replication_factor: i32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) listen: Listen,

    /// A Kafka to run on, as HOST:PORT; without it, the embedded broker is started
    #[arg(long, env = "KAFKA_BROKERS", value_name = "HOST:PORT")]
    pub(crate) kafka_brokers: Option<String>,

    /// Prefix of every topic's and group's name on the cluster, so that several dojos can share it: with class-7. the topic
    /// orders is class-7.orders
    #[arg(long, env = "KAFKA_PREFIX", value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub(crate) kafka_prefix: dojo_kafka::Prefix,

    /// Any librdkafka property for every service, such as security.protocol=SSL; may repeat. As an
    /// environment variable it is KAFKA_CONFIG_SECURITY_PROTOCOL=SSL
    #[arg(long, value_name = "PROPERTY=VALUE", value_parser = dojo_kafka::parse_property)]
    pub(crate) kafka_config: Vec<(String, String)>,

    #[command(flatten)]
    pub(crate) replication: Replication,

    /// Address of the embedded broker, for any Kafka client; port 0 picks a free one
    #[arg(long, env = "BROKER_LISTEN", default_value = "localhost:9092", value_name = "HOST:PORT", value_parser = parse_address)]
    pub(crate) broker_listen: String,

    /// Address that clients of the embedded broker are told to connect to; by default, the one that they connected to
    #[arg(long, env = "BROKER_ADVERTISED", value_name = "HOST:PORT")]
    pub(crate) broker_advertised: Option<dojo_broker::Address>,

    /// How many bytes of records each partition of the embedded broker keeps, at least 2 MiB
    #[arg(long, env = "BROKER_RETENTION_BYTES", default_value_t = 64 << 20, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(2 << 20..))]
    pub(crate) broker_retention_bytes: u64,

    /// How many notification instances to start
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=20))]
    pub(crate) notifications: u16,

    #[command(flatten)]
    pub(crate) defaults: Defaults,

    #[command(flatten)]
    pub(crate) rules: RulesConfig,

    #[command(flatten)]
    pub(crate) page: PageConfig,
}

impl Up {
    /// Returns the variables that give the flags of the services to their processes.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let Self { listen, kafka_prefix, defaults, rules, page, .. } = self;
        let always = [
            ("HOST", listen.host.clone().into()),
            ("PORT", listen.port.to_string().into()),
            ("KAFKA_PREFIX", kafka_prefix.to_string().into()),
            ("RULES_DIR", rules.rules_dir.clone().into()),
            ("RULES_WATCH", rules.rules_watch.to_string().into()),
            ("SCENARIOS_DIR", page.scenarios_dir.clone().into()),
            ("ORDERS_KEPT", page.orders_kept.to_string().into()),
        ];
        let hosts: Vec<_> = page.allowed_hosts.iter().map(ToString::to_string).collect();
        let hosts = (!hosts.is_empty()).then(|| hosts.join(","));
        let given = [
            ("FAIL_RATE", defaults.fail_rate.map(|rate| rate.to_string().into())),
            ("MAX_RETRIES", defaults.max_retries.map(|times| times.to_string().into())),
            ("TEMPLATES_DIR", page.templates_dir.clone().map(OsString::from)),
            ("ALLOWED_HOSTS", hosts.map(OsString::from)),
            ("READ_ONLY", (!page.read_only.is_empty()).then(|| page.read_only.to_string().into())),
        ];
        always.into_iter().chain(given.into_iter().filter_map(|(name, value)| Some((name, value?)))).collect()
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Order {
    #[command(flatten)]
    pub(crate) listen: Listen,

    #[command(flatten)]
    pub(crate) config: dojo_orders::Config,

    #[command(flatten)]
    pub(crate) admin: Admin,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Topics {
    #[command(flatten)]
    pub(crate) kafka: KafkaConfig,

    #[command(flatten)]
    pub(crate) replication: Replication,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Health {
    #[command(flatten)]
    pub(crate) listen: Listen,

    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// Checks an address or a name to listen on. Whether it is one of this machine is found out when it is bound.
fn parse_host(host: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    // Digits at the end make an IPv4 address, valid or not (https://url.spec.whatwg.org/#ends-in-a-number-checker).
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_name = host.split('.').all(is_label) && !last.chars().all(|c| c.is_ascii_digit());
    if is_name || host.parse::<IpAddr>().is_ok() {
        return Ok(host.to_owned());
    }
    Err("this isn't an IP address or a host name: give one such as 127.0.0.1, 0.0.0.0 or localhost"
        .to_owned())
}

/// Checks a host and a port to listen on. An IPv6 address stands in brackets.
fn parse_address(address: &str) -> Result<String, String> {
    let parts = address.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let Some((host, _)) = parts else {
        return Err("this isn't HOST:PORT: give an address such as 0.0.0.0:9100".to_owned());
    };
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(in_brackets) => parse_host(in_brackets)?,
        None if host.contains(':') => return Err("put an IPv6 address in brackets: [::1]:9100".to_owned()),
        None => parse_host(host)?,
    };
    Ok(address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use std::collections::BTreeSet;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_is_up() {
        let cli = Cli::try_parse_from(["dojo", "--port", "3002"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.up.listen.port, 3002);
    }

    #[test]
    fn a_host_is_an_address_or_a_name() {
        for host in ["127.0.0.1", "::1", "::", "localhost", "dojo.example", "host-1", "n0de", "a_b"] {
            assert_eq!(parse_host(host).as_deref(), Ok(host));
        }
        for host in ["999.1.1.1", "1.2.3", "", "a b", "a..b", "http://x", "[::1]", "localhost:3001"] {
            assert!(parse_host(host).is_err(), "{host}");
        }
        for address in ["0.0.0.0:9100", "[::]:1", "localhost:0"] {
            assert_eq!(parse_address(address).as_deref(), Ok(address));
        }
        for address in ["9100", "localhost", "localhost:", "localhost:65536", "999.1.1.1:1", ":1", "::1:9092"]
        {
            assert!(parse_address(address).is_err(), "{address}");
        }
    }

    /// Every variable of a service that is a flag of `dojo up`, too, but for those that the supervisor sets for each process.
    #[test]
    fn every_flag_of_up_reaches_the_services_that_have_it() {
        let dojo = Cli::command();
        let variables = |command: &clap::Command| -> BTreeSet<String> {
            let flags = command.get_arguments().filter_map(|flag| flag.get_env()?.to_str());
            flags.map(str::to_owned).collect()
        };
        let command = |name: &str| dojo.find_subcommand(name).map(variables).unwrap();
        let services = ["order", "notification", "fraud", "audit"].map(command);
        let of_services: BTreeSet<_> = services.into_iter().flatten().collect();
        let given = [
            "--fail-rate=0.5",
            "--max-retries=1",
            "--templates-dir=t",
            "--allowed-hosts=a,b",
            "--read-only=dlq",
        ];
        let cli = Cli::try_parse_from(["dojo"].into_iter().chain(given)).unwrap();
        let environment = cli.up.environment();
        let mut handed_on: BTreeSet<_> = environment.iter().map(|(name, _)| (*name).to_owned()).collect();
        handed_on.insert("KAFKA_BROKERS".to_owned());
        let expected: BTreeSet<_> = command("up").intersection(&of_services).cloned().collect();
        assert_eq!(handed_on, expected);
        assert!(environment.contains(&("ALLOWED_HOSTS", "a,b".into())), "{environment:?}");
    }
}
