//! The command line. A field's doc comment is its `--help`; every flag is an environment variable, too.

use clap::{Args, Parser, Subcommand, ValueEnum};
use dojo_kafka::KafkaConfig;

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

    /// End when standard input does: how a supervisor that dies takes its services along
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
    /// Create the topics, and leave those that exist as they are
    Topics(Topics),
    /// Ask the service on this machine whether it is ready: at ADMIN_LISTEN, or else the order service
    Health(Health),
}

/// How the program tells what it does; always on standard error.
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
    /// One JSON object a line
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

/// Where a service tells how it is, beside its work.
#[derive(Debug, Clone, Args)]
pub(crate) struct Admin {
    /// Address for /healthz, /readyz and /metrics of a service; none by default
    #[arg(long, env = "ADMIN_LISTEN", value_name = "HOST:PORT")]
    pub(crate) admin_listen: Option<String>,
}

/// One service, and where it tells how it is.
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
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,

    /// Port of the page and the API; 0 picks a free one
    #[arg(long, env = "PORT", default_value_t = 3001)]
    pub(crate) port: u16,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) listen: Listen,

    /// A Kafka to run on, as HOST:PORT; without it, the embedded broker is started
    #[arg(long, env = "KAFKA_BROKERS", value_name = "HOST:PORT")]
    pub(crate) kafka_brokers: Option<String>,

    /// What comes before the name of every topic and group on the cluster, so that several dojos can share it, such as
    /// class-7.
    #[arg(long, env = "KAFKA_PREFIX", value_name = "PREFIX", default_value = "")]
    pub(crate) kafka_prefix: dojo_kafka::Prefix,

    /// Any librdkafka property for every service, such as security.protocol=SSL; may repeat
    #[arg(long, value_name = "PROPERTY=VALUE", value_parser = dojo_kafka::parse_property)]
    pub(crate) kafka_config: Vec<(String, String)>,

    /// Copies of each partition, where topics are created on a Kafka that is not the embedded broker
    #[arg(long, env = "REPLICATION_FACTOR", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100))]
    pub(crate) replication_factor: i32,

    /// Address of the embedded broker, for any Kafka client; port 0 picks a free one
    #[arg(long, env = "BROKER_LISTEN", default_value = "localhost:9092", value_name = "HOST:PORT")]
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

    /// Probability of a failed notification, 0 to 1
    #[arg(long, env = "FAIL_RATE")]
    pub(crate) fail_rate: Option<String>,

    /// How often a failed notification is retried
    #[arg(long, env = "MAX_RETRIES")]
    pub(crate) max_retries: Option<String>,

    /// Folder of the rules
    #[arg(long, env = "RULES_DIR", default_value = "rules")]
    pub(crate) rules_dir: std::path::PathBuf,

    /// How the rules are watched for changes: auto, native or poll
    #[arg(long, env = "RULES_WATCH", default_value = "auto")]
    pub(crate) rules_watch: dojo_rules::WatchMode,
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

    /// Copies of each partition
    #[arg(long, env = "REPLICATION_FACTOR", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100))]
    pub(crate) replication_factor: i32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Health {
    #[command(flatten)]
    pub(crate) listen: Listen,

    #[command(flatten)]
    pub(crate) admin: Admin,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

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
}
