//! schemathesis reads `/openapi.json`, and asks the API for a minute whether it answers as described.

use super::{run, skip, works};
use crate::process::{Start, workspace};
use dojo_testbed::brokers;
use std::{path::PathBuf, time::Duration};
use tokio::process::Command;

/// How long schemathesis asks, in seconds; `DOJO_SCHEMATHESIS_SECONDS` sets another time.
const SECONDS: u64 = 60;
/// How much longer the run may take: to load the program and the document, and to report.
const BESIDES: Duration = Duration::from_secs(120);
/// Every run asks the same, as far as the answers allow.
const SEED: &str = "20260301";

/// What is asked of each answer: no status, type, header or body that isn't described, and no 5xx except the 503
/// (`schemathesis.toml`).
///
/// Whether the API accepts everything that the schemas allow isn't asked: a schema can't say everything, such as that a name has a
/// visible character, or that a cursor must be one that the service gave. Nor is it asked whether a created order is there and
/// a deleted one isn't: a repeated `Idempotency-Key` answers the first order, also once it is deleted, and its journey stays.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance";

/// What is left out: a stream that doesn't end, what would end the instances or start sixty processes, and records by hand, which
/// can be anything.
const LEFT_OUT: [&str; 6] =
    ["streamEvents", "crashInstance", "stopInstance", "removeInstance", "addInstance", "writeRecord"];

#[tokio::test]
async fn the_api_answers_as_it_is_described() {
    // The API is the same on every Kafka, and one minute is enough.
    if brokers().is_some() {
        return;
    }
    let venv = workspace().join("target/python/bin/python");
    let python = std::env::var_os("DOJO_PYTHON").map_or(venv, PathBuf::from);
    if !works(Command::new(&python).args(["-c", "import schemathesis"])).await {
        return skip("schemathesis", "set DOJO_PYTHON to a Python that can import `schemathesis`");
    }
    // Its templates are built in, its rules are a copy.
    let dojo = Start::embedded().ready().await;
    dojo.placed("Ada", "19.99").await;
    let seconds = std::env::var("DOJO_SCHEMATHESIS_SECONDS");
    let seconds = seconds.map_or(SECONDS, |seconds| seconds.parse().expect("a number of seconds"));
    let folder = tempfile::tempdir().unwrap();
    let config = workspace().join("crates/dojo/tests/dojo/descriptions/schemathesis.toml");
    let mut schemathesis = Command::new(&python);
    schemathesis
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(config)
        .args(["run", &format!("{}/openapi.json", dojo.url), "--checks", CHECKS, "--seed", SEED])
        .args(["--max-time", &seconds.to_string(), "--continue-on-failure"])
        .args(LEFT_OUT.iter().flat_map(|operation| ["--exclude-operation-id", operation]))
        // It keeps what it found in the folder in which it runs.
        .current_dir(folder.path());
    let output = run(&mut schemathesis, b"", Duration::from_secs(seconds) + BESIDES).await;
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "the API does not answer as described:\n{said}");
    println!("{said}");
}
