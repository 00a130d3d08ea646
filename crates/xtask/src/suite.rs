//! One suite, two brokers: the tests that use a Kafka, run on the embedded broker or on Apache Kafka.

use crate::{
    kafka::{Apache, BROKERS},
    shell::Cargo,
};
use anyhow::{Context as _, Result};
use serde_json::Value;

/// The crate that gives a test its Kafka: whose tests know it differ from broker to broker.
const TESTBED: &str = "dojo-testbed";

/// A run of cargo's tests on the embedded broker, which each test starts for itself.
pub(crate) fn embedded(cargo: Cargo) -> Cargo {
    cargo.without(BROKERS).without("KAFKA_PREFIX")
}

/// A run of cargo's tests on `apache`.
pub(crate) fn on(apache: &Apache, cargo: Cargo) -> Cargo {
    cargo.env(BROKERS, apache.brokers()).without("KAFKA_PREFIX")
}

/// A run of the tests that use a Kafka, and of no others. The whole workspace is named, so that nothing is built with
/// other features than for all tests.
pub(crate) fn on_kafka() -> Result<Cargo> {
    let metadata = Cargo::new(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: Value = serde_json::from_str(&metadata).context("what cargo says of the workspace")?;
    let tests = tests_on_kafka(&metadata);
    let cargo = Cargo::new(["test", "--workspace", "--locked", "--no-fail-fast"]);
    Ok(cargo.args(tests.iter().flat_map(|test| ["--test", test])))
}

/// The integration tests of every package that depends on the test bed.
fn tests_on_kafka(metadata: &Value) -> Vec<&str> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let knowing = packages.filter(|package| {
        let mut dependencies = package["dependencies"].as_array().into_iter().flatten();
        dependencies.any(|dependency| dependency["name"] == TESTBED)
    });
    let targets = knowing.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let tests = targets.filter(|target| target["kind"][0] == "test");
    tests.filter_map(|target| target["name"].as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_test_uses_a_kafka_where_its_package_knows_the_test_bed() {
        let package = |dependency: &str, target: &str| {
            json!({
                "dependencies": [{"name": "serde"}, {"name": dependency}],
                "targets": [{"kind": ["lib"], "name": "x"}, {"kind": ["test"], "name": target}],
            })
        };
        let metadata = json!({"packages": [package(TESTBED, "audit"), package("uuid", "rules"), package(TESTBED, "http")]});
        assert_eq!(tests_on_kafka(&metadata), ["audit", "http"]);
    }
}
