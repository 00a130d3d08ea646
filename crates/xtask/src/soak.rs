//! `cargo xtask soak`: on both brokers, more kills and restarts than the test command makes; and the tests that use a Kafka
//! again and again, to find what fails one time in twenty.

use crate::{
    kafka::{self, Source},
    shell::{Cargo, root, step},
    suite,
};
use anyhow::{Context as _, Result, ensure};
use std::{fmt, fs, time::Instant};

/// One run of the tests on one broker.
struct Run {
    number: u32,
    broker: &'static str,
    seconds: f32,
    found: Found,
}

/// What libtest says, all binaries of a run together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    passed: u32,
    failed: Vec<String>,
    /// It ended before it had said what it found, or without any test.
    broken: bool,
}

/// The tests that kill and restart, and those that the test command leaves out because they take long.
const FAULTS: [&str; 4] = ["kills::", "fraud_crashes::", "returns::", "disk_full::"];

/// Runs the tests of faults with so many kills and restarts on each broker; their tables go to our output.
pub(crate) fn faults(kills: u32, restarts: u32, environment: &[(&'static str, String)]) -> Result<()> {
    let source = kafka::Source::find()?;
    let run = |broker: &str, on: &dyn Fn(Cargo) -> Cargo| {
        let cargo = Cargo::new(["test", "--workspace", "--locked", "--no-fail-fast", "--test", "dojo", "--"])
            .args(["--include-ignored", "--nocapture", "--test-threads=1"])
            .args(FAULTS)
            .envs(environment)
            .env("DOJO_KILLS", kills.to_string())
            .env("DOJO_RESTARTS", restarts.to_string());
        step(&format!("faults, {broker}"), || on(cargo).run())
    };
    let embedded = run("embedded", &suite::embedded);
    let Some(source) = source else { return embedded };
    let apache = source.start()?;
    let on_apache = run("Apache Kafka", &|cargo| suite::on(&apache, cargo));
    embedded.and(on_apache)
}

/// Runs the tests `times` times on each broker; the output of a run that failed is kept below `target/soak`.
pub(crate) fn soak(times: u32, environment: &[(&'static str, String)]) -> Result<()> {
    let source = kafka::Source::find()?;
    step("build", || Cargo::new(["test", "--workspace", "--locked", "--no-run"]).run())?;
    let kept = root().join("target/soak");
    fs::create_dir_all(&kept).with_context(|| format!("cannot make {}", kept.display()))?;
    let mut runs = Vec::new();
    for number in 1..=times {
        for on in std::iter::once(None).chain(source.as_ref().map(Some)) {
            let cargo = suite::on_kafka()?.envs(environment);
            // A node of its own for each run, so that what one leaves behind is not the next one's.
            let apache = on.map(Source::start).transpose()?;
            let (broker, cargo) = match &apache {
                None => ("embedded", suite::embedded(cargo)),
                Some(apache) => ("Apache Kafka", suite::on(apache, cargo)),
            };
            let begun = Instant::now();
            let (succeeded, output) = cargo.capture()?;
            let mut found = Found::in_output(&output);
            found.broken |= succeeded != found.failed.is_empty();
            let run = Run { number, broker, seconds: begun.elapsed().as_secs_f32(), found };
            println!("{run}");
            if run.is_bad() {
                let file = kept.join(format!("{number}-{}.txt", broker.replace(' ', "-").to_lowercase()));
                fs::write(&file, output).with_context(|| format!("cannot write {}", file.display()))?;
            }
            runs.push(run);
        }
    }
    println!("\n{HEADING}");
    runs.iter().for_each(|run| println!("{run}"));
    let bad = runs.iter().filter(|run| run.is_bad()).count();
    ensure!(bad == 0, "{bad} of {} runs failed; their output is in {}", runs.len(), kept.display());
    Ok(())
}

const HEADING: &str = " run  broker        passed  failed  seconds  failed tests";

impl Run {
    fn is_bad(&self) -> bool {
        self.found.broken || !self.found.failed.is_empty()
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, broker, seconds, found: Found { passed, failed, broken } } = self;
        write!(f, "{number:>4}  {broker:<12}  {passed:>6}  {:>6}  {seconds:>7.0}  ", failed.len())?;
        f.write_str(&failed.join(", "))?;
        if *broken { f.write_str("(ended without saying all that it found)") } else { Ok(()) }
    }
}

impl Found {
    /// Reads libtest's lines: `test NAME ... ok`, `test NAME ... FAILED`, and one `test result: …` for each binary.
    fn in_output(output: &str) -> Self {
        let mut found = Self::default();
        let (mut begun, mut ended) = (0, 0);
        for line in output.lines() {
            if line.starts_with("running ") {
                begun += 1;
            } else if line.starts_with("test result: ") {
                ended += 1;
            } else if let Some((name, verdict)) =
                line.strip_prefix("test ").and_then(|test| test.rsplit_once(" ... "))
            {
                match verdict {
                    "ok" => found.passed += 1,
                    "FAILED" => found.failed.push(name.to_owned()),
                    _ => {}
                }
            }
        }
        found.broken = begun == 0 || begun != ended;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libtest_found_is_counted_over_all_binaries() {
        let output = "\nrunning 2 tests\ntest a::b ... ok\ntest c ... FAILED\n\nfailures:\n---- c stdout ----\n\
                      test result: FAILED. 1 passed; 1 failed\n\nrunning 1 test\ntest d ... ok\n\
                      test result: ok. 1 passed; 0 failed\n";
        let expected = Found { passed: 2, failed: vec!["c".to_owned()], broken: false };
        assert_eq!(Found::in_output(output), expected);
    }

    #[test]
    fn a_binary_that_ended_without_a_result_is_noticed() {
        assert!(Found::in_output("running 2 tests\ntest a ... ok\n").broken);
        assert!(Found::in_output("error: could not compile\n").broken);
    }
}
