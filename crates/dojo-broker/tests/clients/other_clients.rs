//! Other clients: kcat, kafka-python and confluent-kafka.
//!
//! If a client isn't installed, its test is skipped and says so; with `CI=true`, it fails. Python is the
//! interpreter that `DOJO_PYTHON` names, with `kafka-python` and `confluent-kafka` from PyPI.

use crate::support::start;
use std::process::{Command, Output, Stdio};

/// Runs a command to its end, outside the runtime's threads. The command has its own time limits.
async fn run(mut command: Command) -> Output {
    // Cargo puts its own build of librdkafka first on the path, which kcat would then use.
    command.stdin(Stdio::null()).env_remove("LD_LIBRARY_PATH");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
}

fn skip(what: &str, how: &str) {
    assert!(!is_ci(), "{what} is not installed: {how}");
    eprintln!("skipped: {what} is not installed; {how}");
}

fn expect(output: &Output, expected: &str) {
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains(expected), "{}\n{said}\n{complained}", output.status);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kcat_lists_writes_reads_and_joins_a_group() {
    if Command::new("kcat").arg("-V").output().is_err() {
        return skip("kcat", "install it, such as with `apt-get install kcat`");
    }
    let running = start().await;
    let bootstrap = running.address.to_string();
    let kcat = |arguments: &str| {
        let mut command = Command::new("timeout");
        command.args(["30", "kcat", "-b", &bootstrap]).args(arguments.split(' '));
        command
    };
    expect(&run(kcat("-L")).await, "topic \"orders\" with 3 partitions");
    for codec in ["none", "gzip", "snappy", "lz4"] {
        let mut write = Command::new("sh");
        let line = format!("timeout 30 kcat -b {bootstrap} -P -t orders -p 1 -K : -z {codec} -d msg");
        write.args(["-c", &format!("printf 'key:{codec}\\n' | {line} && echo written")]);
        let written = run(write).await;
        expect(&written, "written");
        // If the broker didn't support the codec, kcat would log it and send plain batches.
        let log = String::from_utf8_lossy(&written.stderr).into_owned();
        assert!(log.contains("MessageSet") && !log.contains("not compressing"), "{log}");
    }
    let read = run(kcat("-C -t orders -p 1 -e -q -f %k=%s@%o;")).await;
    expect(&read, "key=none@0;key=gzip@1;key=snappy@2;key=lz4@3;");
    expect(&run(kcat("-Q -t orders:1:0")).await, "orders [1] offset 0");
    let group = run(kcat("-G kcat-group -X auto.offset.reset=earliest -e -q -f %s; orders")).await;
    expect(&group, "none;gzip;snappy;lz4;");
}

async fn python(module: &str, script: &str, expected: &str) {
    let how = format!("set DOJO_PYTHON to a Python that can import `{module}`");
    let Ok(interpreter) = std::env::var("DOJO_PYTHON") else {
        return skip(module, &how);
    };
    let import = Command::new(&interpreter).args(["-c", &format!("import {module}")]).output();
    if !import.is_ok_and(|import| import.status.success()) {
        return skip(module, &how);
    }
    let running = start().await;
    let mut command = Command::new("timeout");
    command.args(["60", &interpreter, "-c", script, &running.address.to_string()]);
    expect(&run(command).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_python_writes_reads_commits_and_administers() {
    python("kafka", include_str!("with_kafka_python.py"), "all well").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confluent_kafka_writes_reads_commits_and_administers() {
    python("confluent_kafka", include_str!("with_confluent_kafka.py"), "all well").await;
}
