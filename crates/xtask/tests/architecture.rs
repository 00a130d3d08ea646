//! The crates as ARCHITECTURE.md draws them: which crate may know which, which files stay pure, and who handles the prefix.
//! `import_circles.rs` is about the files within a crate.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, missing_docs, reason = "a test panics")]

use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

const SERVICES: [&str; 4] = ["dojo-orders", "dojo-notification", "dojo-fraud", "dojo-audit"];

/// Each crate, and those of the workspace that it may depend on.
const ARROWS: [(&str, &[&str]); 16] = [
    ("dojo-contract", &[]),
    ("dojo-kafka", &["dojo-contract"]),
    ("dojo-broker", &[]),
    ("dojo-excerpt", &[]),
    ("dojo-rules", &["dojo-contract", "dojo-excerpt"]),
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
            "dojo-run",
            "dojo-scenario",
        ],
    ),
    ("dojo-run", &["dojo-contract", "dojo-scenario"]),
    ("dojo-scenario", &["dojo-contract", "dojo-excerpt"]),
    ("kafka-node", &[]),
    ("dojo-testbed", &["dojo-broker", "dojo-contract", "dojo-kafka", "kafka-node"]),
    ("xtask", &["kafka-node"]),
];

/// The libraries that only one crate may know outside its tests.
const KEPT_TO_ONE: [(&str, &str); 3] =
    [("rdkafka", "dojo-kafka"), ("kafka-protocol", "dojo-broker"), ("rhai", "dojo-rules")];

/// Files that decide. They know no clock, no Kafka and no HTTP.
const PURE: [&str; 46] = [
    "dojo-contract/src",
    "dojo-fraud/src/backtest/compare.rs",
    "dojo-fraud/src/backtest/recorded_verdicts.rs",
    "dojo-fraud/src/window",
    "dojo-fraud/src/merge.rs",
    "dojo-fraud/src/verdict.rs",
    "dojo-notification/src/decide.rs",
    "dojo-notification/src/outcome.rs",
    "dojo-notification/src/read.rs",
    "dojo-notification/src/tally.rs",
    "dojo-run/src/load/figures.rs",
    "dojo-run/src/load/measured.rs",
    "dojo-run/src/load/shortfall.rs",
    "dojo-run/src/load/silence.rs",
    "dojo-scenario/src",
    "dojo-broker/src/group/member.rs",
    "dojo-broker/src/group/mod.rs",
    "dojo-broker/src/group/rebalance.rs",
    "dojo-fraud/src/detector.rs",
    "dojo-fraud/src/read.rs",
    "dojo-kafka/src/consume/ledger.rs",
    "dojo-run/src/report/charts.rs",
    "dojo-run/src/report/data.rs",
    "dojo-run/src/report/html.rs",
    "dojo-run/src/report/junit.rs",
    "dojo-run/src/report/recorder.rs",
    "dojo-run/src/report/text.rs",
    "dojo-run/src/report/timeline.rs",
    "dojo-run/src/terminal/region.rs",
    "dojo-run/src/watch/difference.rs",
    "dojo-orders/src/read_models/order_list.rs",
    "dojo-orders/src/read_models/redrives.rs",
    "dojo-orders/src/write/redrive/wanted.rs",
    "dojo-orders/src/log/topics/page.rs",
    "dojo-orders/src/rebalances/processes.rs",
    "dojo-orders/src/rebalances/readers.rs",
    "dojo-orders/src/write/record_body.rs",
    "dojo-orders/src/write/runs/body.rs",
    "dojo-orders/src/write/runs/changes.rs",
    "dojo-orders/src/write/runs/fields.rs",
    "dojo-orders/src/write/runs/guess.rs",
    "dojo-orders/src/write/runs/report.rs",
    "dojo-orders/src/write/runs/words.rs",
    "dojo-orders/src/journey/arrange.rs",
    "dojo-orders/src/journey/kept.rs",
    "dojo-orders/src/journey/steps.rs",
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

const CHANGES_OF_THE_HUB: &[&str] = &["hub.push(", "hub.open(", "hub.reset(", "set_cluster("];

/// What a folder must not know, and the invariant behind it.
const UNKNOWN_TO: [(&str, &[&str], &str); 9] = [
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
    ("dojo-orders/src/api", CHANGES_OF_THE_HUB, "only Kafka's records change the hub"),
    ("dojo-orders/src/log", CHANGES_OF_THE_HUB, "only Kafka's records change the hub"),
    (
        "dojo-orders/src/journey",
        &["Outgoing", "crate::read_models", "crate::write", "crate::api", "axum", "dojo_http"],
        "a journey shows what the log holds",
    ),
    ("dojo-orders/src/page", CHANGES_OF_THE_HUB, "only Kafka's records change the hub"),
    ("dojo-orders/src/write", CHANGES_OF_THE_HUB, "only Kafka's records change the hub"),
    ("dojo-http/src", &["dojo_", "rdkafka"], "the HTTP server knows nothing of ours"),
];

fn crates() -> PathBuf {
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

/// Returns the packages that a package depends on; with `all`, also for its tests and build scripts.
fn dependencies(package: &Value, all: bool) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    let counted = dependencies.filter(|dependency| all || dependency["kind"].is_null());
    counted.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn crates_depend_only_on_those_they_may() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let (_, allowed) = ARROWS
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("{name} is new: add its arrows"));
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
fn each_folder_has_its_crates_name() {
    for package in packages() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        assert_eq!(manifest.parent().unwrap().file_name().unwrap().to_str().unwrap(), package["name"]);
    }
}

/// Returns the Rust files at `path` or below it, but not those of tests.
fn sources(path: &Path) -> Vec<PathBuf> {
    // Tests may measure time.
    if path.file_stem().is_some_and(|name| name == "tests") {
        return Vec::new();
    }
    if path.is_dir() {
        return std::fs::read_dir(path).unwrap().flat_map(|entry| sources(&entry.unwrap().path())).collect();
    }
    let is_source = path.extension().is_some_and(|e| e == "rs");
    is_source.then(|| path.to_owned()).into_iter().collect()
}

/// Returns the lines of code in a file, without comments and without its tests.
fn code(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
    code.filter(|line| !line.trim_start().starts_with("//")).map(str::to_owned).collect()
}

/// Fails if a file at `place` or below it names one of `words` outside comments and tests.
fn assert_unknown(place: &str, words: &[&str], invariant: &str) {
    let path = crates().join(place);
    assert!(path.exists(), "{place} is gone: name the place that the invariant is about now");
    for file in sources(&path) {
        for line in code(&file) {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                panic!("{invariant}, but {} names {word}: {line}", file.display());
            }
        }
    }
}

#[test]
fn files_that_decide_are_pure() {
    PURE.iter().for_each(|place| assert_unknown(place, &IMPURE, "files that decide are pure"));
}

#[test]
fn a_folder_does_not_know_what_its_invariant_forbids() {
    UNKNOWN_TO.iter().for_each(|(place, words, invariant)| assert_unknown(place, words, invariant));
}

/// The crates that may know that there is a prefix: one puts it before names and takes it off, one configures it, one shows
/// it, and one chooses it for tests.
const KNOW_THE_PREFIX: [&str; 4] = ["dojo-kafka", "dojo", "dojo-orders", "dojo-testbed"];

#[test]
fn only_the_kafka_crate_puts_the_prefix_before_a_name() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        for file in sources(&crates().join(name).join("src")) {
            for line in code(&file) {
                let translates = line.contains("on_cluster") || line.contains("in_contract");
                assert!(!translates || name == "dojo-kafka", "{} must not translate: {line}", file.display());
                let knows = ["Prefix", "kafka.prefix", "kafka_prefix"].iter().any(|n| line.contains(n));
                assert!(
                    !knows || KNOW_THE_PREFIX.contains(&name),
                    "{} must not know it: {line}",
                    file.display()
                );
            }
        }
    }
}

/// Returns the names of the types in a file that describe themselves for machines.
fn described_types(file: &Path) -> Vec<String> {
    let code = code(file).join("\n");
    let derived = code.split("#[derive(").skip(1).filter(|rest| {
        rest.split(")]").next().is_some_and(|traits| traits.split(", ").any(|one| one == "ToSchema"))
    });
    let named = derived.filter_map(|rest| {
        rest.split_once("struct ")
            .into_iter()
            .chain(rest.split_once("enum "))
            .min_by_key(|(before, _)| before.len())
    });
    let written = code.split("ToSchema for ").skip(1);
    let names = named.map(|(_, rest)| rest).chain(written);
    names.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric()).collect()).collect()
}

#[test]
fn types_that_describe_themselves_have_names_of_their_own() {
    let mut seen = std::collections::BTreeMap::new();
    for name in ["dojo-contract", "dojo-http", "dojo-orders"] {
        for file in sources(&crates().join(name).join("src")) {
            for described in described_types(&file) {
                let before = seen.insert(described.clone(), file.clone());
                assert!(
                    before.is_none(),
                    "{described} in {} and {}: the schema of one would replace that of the other",
                    before.unwrap().display(),
                    file.display()
                );
            }
        }
    }
    assert!(seen.contains_key("Order") && seen.contains_key("SettingsPatch"), "{seen:?}");
}
