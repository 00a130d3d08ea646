//! The command line: its messages when a dojo can't start, and its flags beside README's table of variables.

use crate::process::{DOJO, dojo_run, free_port, workspace};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    path::Path,
    process::Command,
};

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
fn an_address_that_no_client_can_connect_to_is_not_advertised() {
    for address in ["0.0.0.0:9092", "PLAINTEXT://localhost:9092", "localhost"] {
        let said = refused(&["--port", "0", "--broker-advertised", address]);
        assert!(said.contains("--broker-advertised") && said.contains(address), "{said}");
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
fn a_broker_that_could_not_keep_two_large_batches_is_refused() {
    let said = refused(&["--port", "0", "--broker-retention-bytes", "1000"]);
    assert!(said.contains("--broker-retention-bytes") && said.contains("2097152"), "{said}");
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

/// Reads the variables in a program's `--help`, and the default of each flag that has one.
fn variables(program: &Path, args: &[&str]) -> BTreeMap<String, Option<String>> {
    let output = Command::new(program).args(args).arg("--help").env_clear().output().unwrap();
    assert!(output.status.success(), "{args:?}");
    let help = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let variables = help.split("[env: ").skip(1).map(|rest| {
        let (name, rest) = rest.split_once("=]").unwrap();
        let default = rest.trim_start().strip_prefix("[default: ").and_then(|rest| rest.split(']').next());
        (name.to_owned(), default.filter(|default| !default.is_empty()).map(str::to_owned))
    });
    variables.collect()
}

/// Reads the rows of README's table of variables: each name, and its default where that is written as code.
fn table() -> BTreeMap<String, Option<String>> {
    let codes = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let rows = readme.lines().skip_while(|line| *line != "| variable | default | meaning |").skip(2);
    let mut table = BTreeMap::new();
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').collect();
        let (names, defaults) = (codes(cells[1]), codes(cells[2]));
        assert!(defaults.is_empty() || defaults.len() == names.len(), "{row}");
        for (n, name) in names.into_iter().enumerate() {
            table.insert(name, defaults.get(n).cloned());
        }
    }
    table
}

#[test]
fn every_variable_in_the_readme_is_a_flag_and_every_flag_with_a_variable_is_in_the_readme() {
    let mut shown = variables(&dojo_run(), &[]);
    for args in [&[][..], &["order"], &["notification"], &["fraud"], &["audit"], &["topics"], &["health"]] {
        for (name, default) in variables(Path::new(DOJO), args) {
            // The whole dojo has an embedded broker in place of this default.
            let default = default.filter(|_| name != "KAFKA_BROKERS");
            let before = shown.insert(name.clone(), default.clone());
            assert!(before.is_none_or(|before| before == default), "{name} has two defaults");
        }
    }
    let mut table = table();
    assert!(table.remove("KAFKA_CONFIG_<PROPERTY>").is_some());
    let help = Command::new(DOJO).arg("--help").output().unwrap().stdout;
    assert!(String::from_utf8(help).unwrap().contains("KAFKA_CONFIG_"));

    let names = |of: &BTreeMap<String, _>| of.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&table), names(&shown), "README's table on the left, --help on the right");
    for (name, default) in shown {
        // Settings have their defaults in the contract.
        if !["FAIL_RATE", "MAX_RETRIES"].contains(&name.as_str()) {
            assert_eq!(table[&name], default, "the default of {name} in README's table and in --help");
        }
    }
}
