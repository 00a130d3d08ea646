//! The programs that tests drive and that Rust does not bring: a browser, kcat, packages for Python and JavaScript, and what
//! Apache Kafka needs.
//!
//! What is there is used. What is missing is installed where that is allowed: Debian's packages as root, Python's and
//! JavaScript's in folders of their own below `target`. What then is still missing is said; its tests skip themselves, except
//! under `CI=true`, where they fail.

use crate::{
    kafka::under_ci,
    shell::{install, may_install, root, run, succeeds},
};
use anyhow::Result;
use std::{
    path::Path,
    process::{Command, Stdio},
};

/// Program, argument that makes it say its version, and Debian's package of it.
const PROGRAMS: [(&str, &str, &str); 9] = [
    ("chromium", "--version", "chromium"),
    ("chromedriver", "--version", "chromium-driver"),
    ("curl", "--version", "curl"),
    ("kcat", "-V", "kcat"),
    ("python3", "--version", "python3"),
    ("node", "--version", "nodejs"),
    ("npm", "--version", "npm"),
    ("java", "-version", "default-jre-headless"),
    ("mvn", "-version", "maven"),
];

/// Python packages: other people's Kafka clients, what asks the API whether it answers as described, and the schema reader that
/// stands for an editor. Of one version, since what the clients show is compared line by line.
const PYTHON: [&str; 5] = [
    "kafka-python==3.0.12",
    "confluent-kafka==2.16.1",
    "schemathesis==4.32.5",
    "jsonschema==4.26.0",
    "PyYAML==6.0.4",
];
/// JavaScript packages: a Kafka client, the parser of AsyncAPI, and what finds barriers on a page.
const JAVASCRIPT: [&str; 5] =
    ["kafkajs@2.2.4", "@asyncapi/parser@3.6.6", "ajv@8.20.0", "ajv-formats@3.0.1", "axe-core@4.14.1"];

/// Finds or installs them all; answers the environment that tells the tests where they are.
pub(crate) fn find_or_install() -> Result<Vec<(&'static str, String)>> {
    let missing = PROGRAMS.iter().filter(|(name, version, _)| !succeeds(name, &[version]));
    let mut packages: Vec<&str> = missing.map(|(_, _, package)| *package).collect();
    if !succeeds("python3", &["-c", "import ensurepip"]) {
        packages.push("python3-venv");
    }
    if !packages.is_empty() {
        if may_install() {
            println!("installing {}", packages.join(", "));
            packages.push("fonts-dejavu-core");
            match install(&packages) {
                Err(error) if !under_ci() => println!("not installed: {error:#}"),
                result => result?,
            }
        } else {
            println!("not there, and not installed without root and apt-get: {}", packages.join(", "));
        }
    }
    let mut environment = Vec::new();
    match python() {
        Ok(python) => environment.push(("DOJO_PYTHON", python)),
        Err(error) => println!("no packages for Python: {error:#}"),
    }
    if let Err(error) = javascript() {
        println!("no packages for JavaScript: {error:#}");
    }
    Ok(environment)
}

/// A Python that has the packages.
fn python() -> Result<String> {
    let folder = root().join("target/python");
    let python = folder.join("bin/python");
    let has_them = PYTHON.map(|package| {
        let (name, version) = package.split_once("==").unwrap_or((package, ""));
        format!("assert importlib.metadata.version('{name}') == '{version}'")
    });
    let has_them =
        format!("import importlib.metadata, kafka, confluent_kafka, schemathesis; {}", has_them.join("; "));
    if !succeeds(&python, &["-c", &has_them]) {
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(&folder);
        run(make)?;
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PYTHON);
        run(install)?;
    }
    Ok(Path::new(&python).display().to_string())
}

/// Has the packages for JavaScript where their tests look for them.
fn javascript() -> Result<()> {
    let folder = root().join("target/node");
    let has_them = JAVASCRIPT.map(|package| {
        // The name of a package may begin with the @ of its scope.
        let (name, version) = package.rsplit_once('@').unwrap_or((package, ""));
        format!("version('{name}') === '{version}'")
    });
    // A package need not let others read its package.json as a module.
    let has_them = format!(
        "const version = (name) => JSON.parse(require('fs').readFileSync(`${{process.argv[1]}}/${{name}}/package.json`)).version; \
         process.exit({} ? 0 : 1)",
        has_them.join(" && ")
    );
    let mut look = Command::new("node");
    look.args(["-e", &has_them]).arg(folder.join("node_modules"));
    if look.stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let mut install = Command::new("npm");
    install
        .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
        .arg(&folder)
        .args(JAVASCRIPT);
    run(install)
}
