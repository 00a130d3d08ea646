//! The messages of a dojo that can't start.

use crate::process::{DOJO, free_port};
use std::{net::TcpListener, process::Command};

/// Starts a dojo with the embedded broker, whatever Kafka the suite runs on, and returns its message.
fn refused(args: &[&str]) -> String {
    let output = Command::new(DOJO).args(args).env_remove("KAFKA_BROKERS").output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_taken_page_port_is_named_with_the_way_to_choose_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = refused(&["--port", &port, "--broker-listen", &format!("localhost:{}", free_port())]);
    assert!(said.contains(&port) && said.contains("--port"), "{said}");
}

#[test]
fn a_taken_broker_port_is_named_with_the_way_to_choose_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = refused(&["--port", "0", "--broker-listen", &format!("127.0.0.1:{port}")]);
    assert!(said.contains(&port) && said.contains("BROKER_LISTEN"), "{said}");
}

#[test]
fn a_wrong_value_is_refused_by_its_flag_before_anything_starts() {
    for (flag, value) in [
        ("--fail-rate", "2"),
        ("--max-retries", "11"),
        ("--rules-watch", "sometimes"),
        ("--host", "999.1.1.1"),
        ("--broker-listen", "9092"),
        ("--kafka-config", "no.such.property=1"),
    ] {
        let said = refused(&["--port", "0", flag, value]);
        assert!(said.contains(flag) && said.contains(value), "{said}");
        // A dojo that starts something logs it.
        assert!(said.starts_with("error: invalid value"), "{said}");
    }
}

#[test]
fn a_wrong_value_in_the_environment_is_refused_by_its_name_before_anything_starts() {
    for (name, value) in [
        ("FAIL_RATE", "2"),
        ("HOST", "999.1.1.1"),
        ("KAFKA_CONFIG_NO_SUCH_PROPERTY", "1"),
        ("KAFKA_CONFIG_LINGER_MS", "x"),
    ] {
        let output =
            Command::new(DOJO).args(["--port", "0"]).env_remove("KAFKA_BROKERS").env(name, value).output();
        let output = output.unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        let flag = format!("--{} ", name.to_lowercase().replace('_', "-"));
        assert!(said.contains(name) || said.contains(&flag), "{said}");
        assert!(said.lines().count() <= 3, "{said}");
    }
}

#[test]
fn an_address_of_another_machine_is_refused_with_the_flag_that_mends_it() {
    // Of the block for documentation, so no machine has it.
    let said = refused(&["--port", "0", "--host", "192.0.2.1", "--broker-listen", "localhost:0"]);
    assert!(said.contains("192.0.2.1") && said.contains("--host"), "{said}");
}

#[test]
fn a_wrong_log_filter_is_named() {
    let said = refused(&["--log", "a=b=c", "--port", "0"]);
    assert!(said.contains("a=b=c") && said.contains("RUST_LOG"), "{said}");
}

#[test]
fn a_prefix_that_no_topic_can_have_is_named_with_what_it_may_be() {
    let said = refused(&["--kafka-prefix", "class 7", "--port", "0"]);
    assert!(said.contains("--kafka-prefix") && said.contains("' '") && said.contains("letters"), "{said}");
}
