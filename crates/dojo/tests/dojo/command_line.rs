//! What a person reads when something is wrong at the start.

use crate::process::{DOJO, free_port};
use std::{net::TcpListener, process::Command};

/// Whatever Kafka the suite runs on, these are about a dojo with its own.
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
fn an_address_that_no_client_can_connect_to_is_not_advertised() {
    for address in ["0.0.0.0:9092", "PLAINTEXT://localhost:9092", "localhost"] {
        let said = refused(&["--port", "0", "--broker-advertised", address]);
        assert!(said.contains("--broker-advertised") && said.contains(address), "{said}");
    }
}

#[test]
fn a_broker_that_could_not_keep_two_large_batches_is_refused() {
    let said = refused(&["--port", "0", "--broker-retention-bytes", "1000"]);
    assert!(said.contains("--broker-retention-bytes") && said.contains("2097152"), "{said}");
}

#[test]
fn a_value_that_no_service_takes_ends_the_dojo_with_that_services_message() {
    let ports = ["--port", "0", "--broker-listen", "localhost:0"];
    let said = refused(&[&ports[..], &["--fail-rate", "7"]].concat());
    assert!(said.contains("--fail-rate") || said.contains("FAIL_RATE"), "{said}");
    let said = refused(&[&ports[..], &["--kafka-config", "no.such.property=1"]].concat());
    assert!(said.contains("no.such.property"), "{said}");
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
