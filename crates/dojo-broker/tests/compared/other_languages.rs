//! Scripts in the clients' own languages, in `clients/`.
//!
//! Each gets the bootstrap server as its argument and prints one observation a line, as JSON. Python is the
//! interpreter that `DOJO_PYTHON` names, or the one in `target/python`; kafkajs is in `target/node`. `cargo
//! xtask test` installs both.

use crate::{
    brokers::{Side, compare, skip},
    notes::Notes,
    program::run,
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// A script takes a minute, most of which it waits for sessions to end.
const PATIENCE: Duration = Duration::from_secs(240);

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compared/clients").join(name)
}

fn works(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

async fn play(side: Side, mut command: Command) -> Notes {
    command.arg(&side.bootstrap);
    let ended = run(command, "", PATIENCE).await;
    let mut notes = Notes::default();
    for line in ended.stdout.lines() {
        let Ok(observation) = serde_json::from_str::<Value>(line) else {
            notes.note(format!("line {}", notes.list.len()), line);
            continue;
        };
        let seen =
            observation["seen"].as_str().map_or_else(|| observation["seen"].to_string(), str::to_owned);
        notes.note(observation["name"].as_str().unwrap(), seen);
    }
    assert_eq!(ended.code, Some(0), "the script fails on {}\n{}", side.name, ended.stderr);
    notes
}

async fn python(client: &str, module: &str, name: &'static str) {
    let venv = workspace().join("target/python/bin/python");
    let interpreter = std::env::var_os("DOJO_PYTHON").map_or(venv, PathBuf::from);
    if !works(Command::new(&interpreter).args(["-c", &format!("import {module}")])) {
        return skip(&format!(
            "{client} is not installed: set DOJO_PYTHON to a Python that can import `{module}`"
        ));
    }
    compare(client, |side, _| {
        let mut command = Command::new(&interpreter);
        command.arg(script(name));
        play(side, command)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn confluent_kafka_sees_the_same() {
    python("confluent-kafka", "confluent_kafka", "with_confluent_kafka.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kafka_python_sees_the_same() {
    python("kafka-python", "kafka", "with_kafka_python.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kafkajs_sees_the_same() {
    let modules = workspace().join("target/node/node_modules");
    if !works(Command::new("node").args(["-e", "require('kafkajs')"]).env("NODE_PATH", &modules)) {
        return skip("kafkajs is not installed: `npm install --prefix target/node kafkajs`");
    }
    compare("kafkajs", |side, _| {
        let mut command = Command::new("node");
        command.env("NODE_PATH", &modules).arg(script("with_kafkajs.js"));
        play(side, command)
    })
    .await;
}
