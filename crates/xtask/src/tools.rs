//! The programs that tests drive and that Rust does not bring: a browser, kcat, Kafka clients for Python and JavaScript, and
//! what Apache Kafka needs.
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

/// Python packages: other people's Kafka clients. Of one version, since what they show is compared line by line.
const CLIENTS: [&str; 2] = ["kafka-python==3.0.12", "confluent-kafka==2.16.1"];
/// JavaScript's, likewise.
const KAFKAJS: &str = "kafkajs@2.2.4";

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
        Err(error) => println!("no Kafka clients for Python: {error:#}"),
    }
    if let Err(error) = kafkajs() {
        println!("no Kafka client for JavaScript: {error:#}");
    }
    Ok(environment)
}

/// A Python that has the clients.
fn python() -> Result<String> {
    let folder = root().join("target/python");
    let python = folder.join("bin/python");
    let has_them = CLIENTS.map(|client| {
        let (name, version) = client.split_once("==").unwrap_or((client, ""));
        format!("assert importlib.metadata.version('{name}') == '{version}'")
    });
    let has_them = format!("import importlib.metadata, kafka, confluent_kafka; {}", has_them.join("; "));
    if !succeeds(&python, &["-c", &has_them]) {
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(&folder);
        run(make)?;
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(CLIENTS);
        run(install)?;
    }
    Ok(Path::new(&python).display().to_string())
}

/// Has kafkajs where its test looks for it.
fn kafkajs() -> Result<()> {
    let folder = root().join("target/node");
    let version = KAFKAJS.split_once('@').map_or("", |(_, version)| version);
    let has_it = format!("process.exit(require('kafkajs/package.json').version === '{version}' ? 0 : 1)");
    let mut look = Command::new("node");
    look.args(["-e", &has_it]).env("NODE_PATH", folder.join("node_modules"));
    if look.stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let mut install = Command::new("npm");
    install.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(KAFKAJS);
    run(install)
}
