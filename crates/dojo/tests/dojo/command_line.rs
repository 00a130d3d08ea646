//! What a person reads when something is wrong at the start.

use crate::process::{DOJO, Start, free_port};
use std::{net::TcpListener, process::Command};

fn refused(args: &[&str]) -> String {
    let output = Command::new(DOJO).args(args).output().unwrap();
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

#[tokio::test]
async fn two_dojos_run_side_by_side() {
    let (one, other) = tokio::join!(Start::new().ready(), Start::new().ready());
    one.order("Ada", "1").await.unwrap();
    assert_eq!(other.get("/orders").await.as_array().unwrap().len(), 0);
}
