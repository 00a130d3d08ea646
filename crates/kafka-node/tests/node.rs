//! A node as its users see it. Needs Java and, the first time, Maven Central.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use kafka_node::{Error, Jars, Node, Options};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const HOLD: &str = "KAFKA_NODE_TEST_HOLD";
const PATIENCE: Duration = Duration::from_secs(60);

/// The jars that `cargo xtask test` fetched; `None` where there are none to be had, except under `CI=true`.
fn jars() -> Option<Jars> {
    match Jars::find(&kafka_node::cache()) {
        Ok(jars) => Some(jars),
        Err(error) if std::env::var_os("CI").is_none_or(|ci| ci != "true") => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn runs(pid: u32) -> bool {
    Command::new("kill").args(["-0", &pid.to_string()]).output().unwrap().status.success()
}

/// What `kafka-topics.sh` says.
fn topics(jars: &Jars, node: &Node, args: &[&str]) -> String {
    let mut tool = jars.java("org.apache.kafka.tools.TopicCommand");
    let output = tool.args(["--bootstrap-server", node.bootstrap_servers()]).args(args).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn a_node_answers_keeps_its_topics_over_a_restart_and_ends_when_dropped() {
    let Some(jars) = jars() else { return };
    let mut node = Node::start(&jars, Options::default()).unwrap();
    let said = topics(&jars, &node, &["--create", "--topic", "orders", "--partitions", "3"]);
    assert!(said.contains("Created topic orders."), "{said}");
    let first = node.pid().unwrap();
    node.stop().unwrap();
    assert!(!runs(first));
    assert_eq!(node.pid(), None);
    node.stop().unwrap();
    node.start_again().unwrap();
    let second = node.pid().unwrap();
    assert_ne!(first, second);
    let said = topics(&jars, &node, &["--list"]);
    assert!(said.lines().any(|line| line == "orders"), "{said}");
    drop(node);
    assert!(!runs(second));
}

/// Not a test of its own, but the process that the next one kills.
#[test]
fn holds_a_node_until_it_is_killed() {
    if std::env::var_os(HOLD).is_none() {
        return;
    }
    let node = Node::start(&jars().unwrap(), Options::default()).unwrap();
    println!("\n{HOLD} {}", node.pid().unwrap());
    std::thread::sleep(PATIENCE);
}

#[test]
fn a_node_and_its_folder_go_with_a_process_that_is_killed() {
    if jars().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holds_a_node_until_it_is_killed", "--nocapture"])
        .env(HOLD, "1")
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines().map(Result::unwrap);
    let pid = lines.find_map(|line| line.strip_prefix(HOLD)?.trim().parse().ok()).unwrap();
    let left = || std::fs::read_dir(folder.path()).unwrap().count();
    assert!(runs(pid));
    assert_eq!(left(), 1);
    holder.kill().unwrap();
    holder.wait().unwrap();
    let begun = Instant::now();
    while runs(pid) || left() > 0 {
        assert!(begun.elapsed() < PATIENCE, "the node runs: {}, folders: {}", runs(pid), left());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_node_that_cannot_start_says_why() {
    let Some(jars) = jars() else { return };
    let configs = vec![("log.retention.ms".to_owned(), "soon".to_owned())];
    let error = Node::start(&jars, Options { configs, ..Options::default() }).unwrap_err();
    assert!(matches!(error, Error::Ended { .. }), "{error}");
    assert!(error.to_string().contains("log.retention.ms"), "{error}");
}

#[test]
fn a_port_that_is_taken_is_no_port_for_a_node() {
    let Some(jars) = jars() else { return };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = Some(taken.local_addr().unwrap().port());
    assert!(matches!(Node::start(&jars, Options { port, ..Options::default() }), Err(Error::Port { .. })));
}

#[test]
fn jars_that_are_not_there_are_named_with_the_remedy() {
    let empty = tempfile::tempdir().unwrap();
    let error = Jars::find(empty.path()).unwrap_err().to_string();
    assert!(error.contains("cargo xtask kafka"), "{error}");
}
