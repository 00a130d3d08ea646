//! Rule files that aren't what a rule file should be.
#![cfg(unix)]

use crate::fixture::Orders;
use dojo_testbed::Kafka;
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

/// Opens and closes a pipe's other end when dropped, so that a reader that waits for it can't hold up the failed test.
struct ReleasedReader(PathBuf);

impl Drop for ReleasedReader {
    fn drop(&mut self) {
        let _ = fs::File::options().read(true).write(true).open(&self.0);
    }
}

/// Puts something in place of `fraud.rhai`; then `GET /rules/fraud` shows `reason` and no source.
async fn shows_no_source(put: impl FnOnce(&Path), reason: &str) {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let path = orders.rules.path().join("fraud.rhai");
    put(&path);
    let _released = ReleasedReader(path);
    let (status, rule) = orders.get("/rules/fraud").await;
    assert_eq!(status, 200, "{rule}");
    assert!(rule["error"].as_str().unwrap().contains(reason), "{rule}");
    assert_eq!((&rule["source"], &rule["builtIn"]), (&Value::Null, &Value::Bool(true)), "{rule}");
    orders.stop().await;
}

#[tokio::test]
async fn a_rule_file_of_300_mb_is_not_sent() {
    let put = |path: &Path| fs::File::create(path).unwrap().set_len(300_000_000).unwrap();
    shows_no_source(put, "fraud.rhai: the file is larger than the 262144 bytes allowed").await;
}

#[tokio::test]
async fn a_pipe_in_place_of_a_rule_file_does_not_block_the_answer() {
    let put = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    shows_no_source(put, "fraud.rhai: the file cannot be read: it is not a regular file").await;
}

#[tokio::test]
async fn a_device_in_place_of_a_rule_file_is_not_read() {
    let put = |path: &Path| symlink("/dev/zero", path).unwrap();
    shows_no_source(put, "fraud.rhai: the file cannot be read: it is not a regular file").await;
}
