//! The house as ARCHITECTURE.md draws it: which crate may know which, and which files stay pure.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, missing_docs, reason = "a test panics")]

use serde_json::Value;
use std::{collections::BTreeSet, path::Path, process::Command};

const SERVICES: [&str; 4] = ["dojo-orders", "dojo-notification", "dojo-fraud", "dojo-audit"];

/// Each crate, and which of ours it may depend on.
const ARROWS: [(&str, &[&str]); 14] = [
    ("dojo-contract", &[]),
    ("dojo-kafka", &["dojo-contract"]),
    ("dojo-broker", &[]),
    ("dojo-rules", &[]),
    ("dojo-http", &[]),
    ("dojo-orders", &["dojo-contract", "dojo-http", "dojo-kafka", "dojo-rules"]),
    ("dojo-notification", &["dojo-contract", "dojo-kafka", "dojo-rules"]),
    ("dojo-fraud", &["dojo-contract", "dojo-kafka", "dojo-rules"]),
    ("dojo-audit", &["dojo-contract", "dojo-kafka"]),
    (
        "dojo",
        &[
            "dojo-audit",
            "dojo-broker",
            "dojo-contract",
            "dojo-fraud",
            "dojo-http",
            "dojo-kafka",
            "dojo-notification",
            "dojo-orders",
            "dojo-rules",
        ],
    ),
    ("dojo-run", &["dojo-contract"]),
    ("kafka-node", &[]),
    ("dojo-testbed", &["dojo-broker", "dojo-contract", "dojo-kafka", "kafka-node"]),
    ("xtask", &["kafka-node"]),
];

/// A library that only one crate may know outside its tests.
const KEPT_TO_ONE: [(&str, &str); 3] =
    [("rdkafka", "dojo-kafka"), ("kafka-protocol", "dojo-broker"), ("rhai", "dojo-rules")];

/// Files that decide, and know no clock, no Kafka and no HTTP.
const PURE: [&str; 14] = [
    "dojo-contract/src",
    "dojo-fraud/src/window.rs",
    "dojo-fraud/src/merge.rs",
    "dojo-notification/src/decide.rs",
    "dojo-run/src/scenario",
    "dojo-run/src/scenario.rs",
    "dojo-broker/src/group/member.rs",
    "dojo-broker/src/group/mod.rs",
    "dojo-broker/src/group/rebalance.rs",
    "dojo-fraud/src/detector.rs",
    "dojo-fraud/src/read.rs",
    "dojo-kafka/src/consume/ledger.rs",
    "dojo-run/src/verdict.rs",
    "dojo-orders/src/read_models/order_list.rs",
];

const IMPURE: [&str; 10] = [
    "Instant::now",
    "SystemTime::now",
    "Utc::now",
    "Local::now",
    "dojo_kafka",
    "rdkafka",
    "axum",
    "reqwest",
    "tokio::",
    "std::net",
];

/// What a folder must not know, and the invariant behind it.
const UNKNOWN_TO: [(&str, &[&str], &str); 4] = [
    (
        "dojo-orders/src/write",
        &["axum", "dojo_http", "hyper", "crate::api", "crate::page"],
        "the write path knows no HTTP",
    ),
    (
        "dojo-orders/src/read_models",
        &["Producer", "Outgoing", "crate::write", "crate::api", "axum", "dojo_http"],
        "the read models write nothing to Kafka, and no request changes them",
    ),
    (
        "dojo-orders/src/event_stream",
        &["Outgoing", "crate::read_models", "crate::write", "crate::api", "axum", "dojo_http"],
        "the streams show what Kafka delivered",
    ),
    ("dojo-http/src", &["dojo_", "rdkafka"], "the HTTP server knows nothing of ours"),
];

fn crates() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(crates())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The names a package depends on; those of its tests and build scripts only where `all`.
fn dependencies(package: &Value, all: bool) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    let counted = dependencies.filter(|dependency| all || dependency["kind"].is_null());
    counted.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn crates_know_only_whom_they_may() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let (_, allowed) = ARROWS
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("{name} is new: give it its arrows"));
        let ours =
            dependencies(&package, false).into_iter().filter(|d| ARROWS.iter().any(|(known, _)| known == d));
        for other in ours {
            assert!(allowed.contains(&other.as_str()), "{name} must not depend on {other}");
        }
    }
}

#[test]
fn services_do_not_know_each_other_even_in_tests() {
    for package in packages().iter().filter(|p| SERVICES.iter().any(|s| p["name"] == *s)) {
        let dependencies = dependencies(package, true);
        let known: Vec<_> = SERVICES.iter().filter(|service| dependencies.contains(**service)).collect();
        assert!(known.is_empty(), "{} knows {known:?}", package["name"]);
    }
}

#[test]
fn one_crate_alone_knows_each_of_the_big_libraries() {
    for package in packages() {
        for (library, owner) in KEPT_TO_ONE {
            let knows = dependencies(&package, false).contains(library);
            assert_eq!(
                knows,
                package["name"] == owner,
                "{library} belongs to {owner}; {} differs",
                package["name"]
            );
        }
    }
}

#[test]
fn a_folder_is_called_as_its_crate() {
    for package in packages() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        assert_eq!(manifest.parent().unwrap().file_name().unwrap().to_str().unwrap(), package["name"]);
    }
}

fn sources_below(place: &str) -> Vec<std::path::PathBuf> {
    fn sources(path: &Path, found: &mut Vec<std::path::PathBuf>) {
        if path.is_dir() {
            std::fs::read_dir(path).unwrap().for_each(|entry| sources(&entry.unwrap().path(), found));
        } else if path.extension().is_some_and(|e| e == "rs") {
            // A file of tests may measure time.
            if path.file_stem().is_none_or(|stem| stem != "tests") {
                found.push(path.to_owned());
            }
        }
    }
    let mut files = Vec::new();
    let path = crates().join(place);
    assert!(path.exists(), "{place} is gone: name the place that this is about now");
    sources(&path, &mut files);
    files
}

/// Fails if a file below `place` names one of `words` outside comments and unit tests.
fn assert_unknown(place: &str, words: &[&str], why: &str) {
    for file in sources_below(place) {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
        for line in code.filter(|line| !line.trim_start().starts_with("//")) {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                panic!("{why}, but {} names {word}: {line}", file.display());
            }
        }
    }
}

#[test]
fn what_decides_is_pure() {
    PURE.iter().for_each(|place| assert_unknown(place, &IMPURE, "what decides is pure"));
}

#[test]
fn a_folder_does_not_know_what_its_invariant_forbids() {
    UNKNOWN_TO.iter().for_each(|(place, words, why)| assert_unknown(place, words, why));
}
