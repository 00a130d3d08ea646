//! Kafka's own command-line tools, with their default settings.
//!
//! Each step is a tool by its class, its arguments, and its input. A step starts a JVM, so the list is as
//! short as possible. The steps build on one another. `{}` in an argument is the broker's address; without
//! it, the tool gets `--bootstrap-server`.

use crate::{
    brokers::{Side, compare},
    notes::Notes,
    program::{Ended, run},
};
use kafka_node::Jars;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const WRITE: &str = "org.apache.kafka.tools.ConsoleProducer";
const READ: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const WRITE_MANY: &str = "org.apache.kafka.tools.ProducerPerformance";
const READ_MANY: &str = "org.apache.kafka.tools.ConsumerPerformance";
const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";
const ACLS: &str = "org.apache.kafka.tools.AclCommand";
const ALL_GROUPS: &str = "org.apache.kafka.tools.GroupsCommand";
const REASSIGNMENTS: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const ELECTION: &str = "org.apache.kafka.tools.LeaderElectionCommand";
const CLIENT_METRICS: &str = "org.apache.kafka.tools.ClientMetricsCommand";
const FEATURES: &str = "org.apache.kafka.tools.FeatureCommand";
const VERSIONS: &str = "org.apache.kafka.tools.BrokerApiVersionsCommand";
const VERIFIABLE_WRITE: &str = "org.apache.kafka.tools.VerifiableProducer";
const VERIFIABLE_READ: &str = "org.apache.kafka.tools.VerifiableConsumer";

/// Which part of a tool's output is compared.
#[derive(Debug, Clone, Copy)]
enum Compared {
    /// Every line, in its order.
    Lines,
    /// Every line, in any order.
    Sorted,
    /// The lines with one of our names, in any order.
    Ours,
    /// The exit code, and lines that begin like this.
    Beginning(&'static str),
}
use Compared::{Beginning, Lines, Ours, Sorted};

struct Step {
    name: &'static str,
    class: &'static str,
    arguments: &'static str,
    input: &'static str,
    compared: Compared,
}

const fn step(name: &'static str, class: &'static str, arguments: &'static str, compared: Compared) -> Step {
    Step { name, class, arguments, input: "", compared }
}

const TO_STEPS: &str = "--topic tools-orders";

const STEPS: &[Step] = &[
    step("topics: create", TOPICS, "--create --topic tools-orders --partitions 3", Lines),
    step("topics: create again", TOPICS, "--create --topic tools-orders --partitions 3", Lines),
    step(
        "topics: create if not there",
        TOPICS,
        "--create --if-not-exists --topic tools.dots --config retention.ms=60000 --replication-factor 1",
        Lines,
    ),
    step("topics: create with a bad name", TOPICS, "--create --topic tools/orders", Lines),
    step(
        "topics: create with too many replicas",
        TOPICS,
        "--create --topic tools-two --replication-factor 2",
        Lines,
    ),
    step(
        "topics: create with a bad value",
        TOPICS,
        "--create --topic tools-bad --config cleanup.policy=x",
        Lines,
    ),
    step(
        "topics: create with an assignment",
        TOPICS,
        "--create --topic tools-assigned --replica-assignment 1,1",
        Lines,
    ),
    step("topics: more partitions", TOPICS, "--alter --topic tools-assigned --partitions 3", Lines),
    step("topics: fewer partitions", TOPICS, "--alter --topic tools-assigned --partitions 2", Lines),
    step("topics: list", TOPICS, "--list", Ours),
    step("topics: describe", TOPICS, "--describe --topic tools-(orders|assigned)", Sorted),
    step(
        "topics: describe those with configs",
        TOPICS,
        "--describe --topics-with-overrides --topic tools.*",
        Sorted,
    ),
    step(
        "topics: describe those in need",
        TOPICS,
        "--describe --unavailable-partitions --topic tools.*",
        Sorted,
    ),
    step("topics: describe an unknown one", TOPICS, "--describe --topic tools-nowhere", Lines),
    step("topics: delete", TOPICS, "--delete --topic tools-assigned", Lines),
    step("topics: delete an unknown one", TOPICS, "--delete --topic tools-nowhere", Lines),
    Step {
        input: "a:1\nb:2\nc:3\nd:4\n",
        ..step(
            "write",
            WRITE,
            "--topic tools-orders --reader-property parse.key=true --reader-property key.separator=:",
            Lines,
        )
    },
    Step {
        input: "e:5\n",
        ..step(
            "write with settings",
            WRITE,
            "--topic tools-orders --reader-property parse.key=true --reader-property key.separator=: --compression-codec gzip --command-property acks=1 --command-property enable.idempotence=false",
            Lines,
        )
    },
    step(
        "read",
        READ,
        "--topic tools-orders --from-beginning --timeout-ms 4000 --max-messages 5 --formatter-property print.key=true --formatter-property print.partition=true --formatter-property print.offset=true",
        Sorted,
    ),
    step(
        "read in a group",
        READ,
        "--topic tools-orders --from-beginning --group tools-group --max-messages 5 --timeout-ms 20000",
        Sorted,
    ),
    step(
        "read what is committed",
        READ,
        "--topic tools-orders --from-beginning --isolation-level read_committed --max-messages 5 --timeout-ms 20000",
        Sorted,
    ),
    step(
        "read one partition from an offset",
        READ,
        "--topic tools-orders --partition 0 --offset earliest --timeout-ms 2000",
        Sorted,
    ),
    step("offsets: last", OFFSETS, TO_STEPS, Lines),
    step("offsets: first", OFFSETS, "--topic tools-orders --time earliest", Lines),
    step("offsets: newest", OFFSETS, "--topic tools-orders --time max-timestamp", Lines),
    step("offsets: first here", OFFSETS, "--topic tools-orders --time -4", Lines),
    step("offsets: last elsewhere", OFFSETS, "--topic tools-orders --time -5", Lines),
    step("offsets: of a time", OFFSETS, "--topic-partitions tools-orders:0-2 --time 1600000000000", Lines),
    step("offsets: of an unknown topic", OFFSETS, "--topic tools-nowhere", Lines),
    step("groups: list", GROUPS, "--list", Ours),
    step("groups: list states", GROUPS, "--list --state", Ours),
    step("groups: list kinds", GROUPS, "--list --type classic", Ours),
    step("groups: list all kinds", ALL_GROUPS, "--list", Ours),
    step("groups: describe", GROUPS, "--describe --group tools-group", Sorted),
    step("groups: describe the state", GROUPS, "--describe --state --group tools-group", Sorted),
    step("groups: describe members", GROUPS, "--describe --members --verbose --group tools-live", Sorted),
    step("groups: describe a living one", GROUPS, "--describe --group tools-live", Sorted),
    step("groups: describe an unknown one", GROUPS, "--describe --group tools-nobodys", Sorted),
    step(
        "groups: reset, only to see",
        GROUPS,
        "--reset-offsets --to-earliest --group tools-group --topic tools-orders",
        Sorted,
    ),
    step(
        "groups: reset to the end",
        GROUPS,
        "--reset-offsets --to-latest --execute --group tools-group --topic tools-orders",
        Sorted,
    ),
    step(
        "groups: reset by steps",
        GROUPS,
        "--reset-offsets --shift-by -1 --execute --group tools-group --topic tools-orders:0",
        Sorted,
    ),
    step(
        "groups: reset to an offset",
        GROUPS,
        "--reset-offsets --to-offset 99 --execute --group tools-group --all-topics",
        Sorted,
    ),
    step(
        "groups: reset by a duration",
        GROUPS,
        "--reset-offsets --by-duration PT1H --execute --group tools-group --topic tools-orders",
        Sorted,
    ),
    step(
        "groups: reset to a date",
        GROUPS,
        "--reset-offsets --to-datetime 2020-01-01T00:00:00.000 --execute --group tools-group --topic tools-orders",
        Sorted,
    ),
    step(
        "groups: reset to where it is",
        GROUPS,
        "--reset-offsets --to-current --export --dry-run --group tools-group --topic tools-orders",
        Sorted,
    ),
    step(
        "groups: reset of a new one",
        GROUPS,
        "--reset-offsets --to-earliest --execute --group tools-fresh --topic tools-orders",
        Sorted,
    ),
    step(
        "groups: reset of a living one",
        GROUPS,
        "--reset-offsets --to-earliest --execute --group tools-live --topic tools-orders",
        Sorted,
    ),
    step("configs: of groups", CONFIGS, "--describe --entity-type groups --entity-name tools-group", Sorted),
    step(
        "groups: delete offsets",
        GROUPS,
        "--delete-offsets --group tools-group --topic tools-orders",
        Sorted,
    ),
    step(
        "groups: delete offsets of a living one",
        GROUPS,
        "--delete-offsets --group tools-live --topic tools-orders",
        Sorted,
    ),
    step(
        "groups: delete",
        GROUPS,
        "--delete --group tools-fresh --group tools-live --group tools-nobodys",
        Sorted,
    ),
    step(
        "configs: change",
        CONFIGS,
        "--alter --entity-type topics --entity-name tools-orders --add-config retention.ms=70000,cleanup.policy=[delete,compact]",
        Lines,
    ),
    step("configs: describe", CONFIGS, "--describe --entity-type topics --entity-name tools-orders", Sorted),
    step(
        "configs: take back",
        CONFIGS,
        "--alter --entity-type topics --entity-name tools-orders --delete-config cleanup.policy",
        Lines,
    ),
    step(
        "configs: take back an unknown one",
        CONFIGS,
        "--alter --entity-type topics --entity-name tools-orders --delete-config no.such.config",
        Lines,
    ),
    step(
        "configs: a bad value",
        CONFIGS,
        "--alter --entity-type topics --entity-name tools-orders --add-config retention.ms=x",
        Lines,
    ),
    step(
        "configs: describe all",
        CONFIGS,
        "--describe --all --entity-type topics --entity-name tools-orders",
        Sorted,
    ),
    step(
        "configs: of an unknown topic",
        CONFIGS,
        "--describe --entity-type topics --entity-name tools-nowhere",
        Sorted,
    ),
    step("configs: of a broker", CONFIGS, "--describe --entity-type brokers --entity-name 1", Sorted),
    step("configs: of all brokers", CONFIGS, "--describe --entity-type brokers --entity-default", Sorted),
    step("configs: of clients", CONFIGS, "--describe --entity-type clients --entity-default", Sorted),
    step(
        "configs: of loggers",
        CONFIGS,
        "--describe --entity-type broker-loggers --entity-name 1",
        Beginning("Dynamic"),
    ),
    step(
        "write many",
        WRITE_MANY,
        "--topic tools-orders --num-records 5000 --record-size 100 --throughput -1 --bootstrap-server {}",
        Beginning("5000 records sent"),
    ),
    step(
        "write many in transactions",
        WRITE_MANY,
        "--topic tools-orders --num-records 2000 --record-size 100 --throughput -1 --transactional-id tools-txn --transaction-duration-ms 100 --bootstrap-server {}",
        Beginning("2000 records sent"),
    ),
    step(
        "read many",
        READ_MANY,
        "--topic tools-orders --num-records 5000 --timeout 20000",
        Beginning("nothing"),
    ),
    step(
        "write and say so",
        VERIFIABLE_WRITE,
        "--topic tools-orders --max-messages 5 --acks -1",
        Beginning("{\"timestamp\":TIME,\"name\":\"tool_data\""),
    ),
    step(
        "read and say so",
        VERIFIABLE_READ,
        "--topic tools-orders --group-id tools-verify --reset-policy earliest --max-messages 10 --group-instance-id verify",
        Beginning("nothing"),
    ),
    step("transactions: list", TRANSACTIONS, "list", Ours),
    step(
        "transactions: describe",
        TRANSACTIONS,
        "describe --transactional-id tools-txn",
        Beginning("CoordinatorId"),
    ),
    step(
        "transactions: describe an unknown one",
        TRANSACTIONS,
        "describe --transactional-id tools-nobody",
        Beginning("nothing"),
    ),
    step(
        "transactions: describe producers",
        TRANSACTIONS,
        "describe-producers --topic tools-orders --partition 0",
        Beginning("ProducerId"),
    ),
    step(
        "transactions: find hanging ones",
        TRANSACTIONS,
        "find-hanging --broker-id 1 --topic tools-orders",
        Sorted,
    ),
    step(
        "log dirs",
        LOG_DIRS,
        "--describe --topic-list tools-orders --broker-list 1",
        Beginning("Received log directory information"),
    ),
    step("delete records", DELETE_RECORDS, "--offset-json-file records.json", Sorted),
    step("versions", VERSIONS, "", Beginning("localhost")),
    step(
        "features",
        FEATURES,
        "describe",
        Beginning(
            "Feature: transaction.version SupportedMinVersion: 0 SupportedMaxVersion: 2 FinalizedVersionLevel: 2",
        ),
    ),
    step("quorum", QUORUM, "describe --status", Beginning("LeaderId")),
    step("access lists", ACLS, "--list", Lines),
    step("reassignments", REASSIGNMENTS, "--list", Lines),
    step("leaders: elect all", ELECTION, "--election-type preferred --all-topic-partitions", Lines),
    step(
        "leaders: elect one",
        ELECTION,
        "--election-type preferred --topic tools-orders --partition 0",
        Lines,
    ),
    step("client metrics: list", CLIENT_METRICS, "--list", Lines),
    step("client metrics: describe", CLIENT_METRICS, "--describe", Lines),
    step("client metrics: change", CLIENT_METRICS, "--alter --name tools-metrics --interval 60000", Lines),
];

const RECORDS: &str = r#"{"version":1,"partitions":[{"topic":"tools-orders","partition":0,"offset":1},{"topic":"tools-orders","partition":1,"offset":99999}]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kafkas_own_tools_see_the_same() {
    compare("Java tools", play).await;
}

/// Creates a topic with Kafka's own tool, without noting it.
pub async fn make_topic(side: &Side, jars: &Jars, name: &str, partitions: i32) {
    let mut command = jars.java(TOPICS);
    command.args(["--bootstrap-server", &side.bootstrap, "--create", "--topic", name]);
    command.args(["--partitions", &partitions.to_string()]);
    let ended = run(command, "", PATIENCE).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

async fn play(side: Side, jars: Jars) -> Notes {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("records.json"), RECORDS).unwrap();
    let mut notes = Notes::default();
    let mut living = None;
    for step in STEPS {
        if step.name == "groups: describe members" {
            living = Some(crate::librdkafka::living_member(&side, "tools-live", "tools-orders").await);
        }
        let ended = start(&side, &jars, step, &folder).await;
        notes.note(step.name, seen(step, &ended, side.port));
        if step.name == "groups: delete" {
            living = None;
        }
    }
    drop(living);
    notes
}

async fn start(side: &Side, jars: &Jars, step: &Step, folder: &TempDir) -> Ended {
    let mut command = jars.java(step.class);
    command.current_dir(folder.path());
    let named = step.arguments.contains("{}");
    if !named {
        command.args(["--bootstrap-server", &side.bootstrap]);
    }
    let arguments = step.arguments.split(' ').filter(|argument| !argument.is_empty());
    command.args(arguments.map(|argument| argument.replace("{}", &side.bootstrap)));
    run(command, step.input, PATIENCE).await
}

/// Returns what is compared of a step: its exit code, and its lines without their layout.
fn seen(step: &Step, ended: &Ended, port: u16) -> String {
    let all = [&*ended.stdout, &*ended.stderr].concat();
    let lines = all.lines().filter(|line| !is_noise(line)).map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let line = words.join(" ").trim_start_matches("> ").trim_start_matches('>').to_owned();
        // A topic's id.
        let line = match line.split_once("TopicId: ") {
            Some((before, after)) => {
                let rest = after.split_once(' ').map_or("", |(_, rest)| rest);
                format!("{before}TopicId: … {rest}")
            }
            None => line,
        };
        // The time of a log line.
        let line = match line.split_once(' ') {
            Some((time, rest)) if time.starts_with("20") && time.ends_with('Z') => rest.to_owned(),
            _ => line,
        };
        crate::mask::mask(&without_cluster_wide(line), port)
    });
    let mut lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    match step.compared {
        Lines => {}
        Sorted => lines.sort(),
        Ours => {
            lines.retain(|line| line.contains("tools"));
            lines.sort();
        }
        Beginning(with) => {
            lines.retain(|line| line.starts_with(with));
            for line in &mut lines {
                line.truncate(with.len());
            }
            lines.sort();
        }
    }
    let code = ended.code.unwrap_or_else(|| panic!("{}: {}", step.name, ended.stderr));
    format!("exit {code}: {}", lines.join(" / "))
}

/// Leaves out the two configs of a topic that one of the brokers sets for all topics: Apache Kafka 4
/// `min.insync.replicas` (KIP-966), the embedded broker `retention.bytes`. Raw requests show each as a
/// difference of its own; the tools' lines are compared without them.
fn without_cluster_wide(line: String) -> String {
    const SET: [&str; 2] = ["min.insync.replicas=", "retention.bytes="];
    if SET.iter().any(|config| line.starts_with(config)) {
        return String::new();
    }
    match line.split_once(" Configs: ") {
        Some((before, configs)) => {
            let is_own = |config: &&str| !SET.iter().any(|set| config.starts_with(set));
            let configs: Vec<_> = configs.split(',').filter(is_own).collect();
            format!("{before} Configs: {}", configs.join(",")).trim_end().to_owned()
        }
        None => line,
    }
}

/// Returns whether a line is from the logging library or from a Java stack trace.
fn is_noise(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("SLF4J")
        || line.starts_with("at ")
        || line.starts_with("... ")
        || line.contains(" StatusLogger ")
}
