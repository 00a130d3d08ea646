//! What developers run: `cargo xtask test` checks everything, `cargo xtask bench` measures it.
//!
//! It starts other programs and reads what they say; it knows nothing of the dojo's own code.

mod compose;
mod kafka;
mod shell;
mod soak;
mod suite;
mod tools;
mod watch;

use anyhow::Result;
use clap::{Parser, Subcommand};
use shell::{Cargo, step};
use std::process::ExitCode;

/// Development tasks of the dojo
#[derive(Debug, Parser)]
struct Xtask {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything that must be green: format, lints, docs, all tests and scenarios on the embedded broker, and those
    /// that use a Kafka on Apache Kafka, too; KAFKA_BROKERS names one, else it starts its own
    Test,
    /// Many kills and restarts on both brokers; then the tests that use a Kafka again and again, and a table of what failed
    Soak {
        /// How often all tests run; 0 leaves it at the kills and restarts
        #[arg(long, default_value_t = 20)]
        times: u32,
        /// How many kills a test spreads over what it kills
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        kills: u32,
        /// How often Kafka restarts
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        restarts: u32,
    },
    /// The figures: start, memory, latency, and throughput beside a counterpart; then ten minutes of 500 events a second on the page
    Bench,
    /// The pictures in README.md: takes them anew, below docs/pictures
    Pictures,
    /// Apache Kafka to play with, until Ctrl-C; `KAFKA_BROKERS=localhost:19092 cargo run` is the dojo on it
    Kafka {
        /// Port for clients
        #[arg(long, default_value_t = 19092)]
        port: u16,
    },
    /// The container stack from end to end: the image, docker-compose.yml, every scenario through it, kills, live edits
    Compose {
        /// Only these parts, such as `up scenarios`
        parts: Vec<String>,
    },
    /// A dojo that is built and started again whenever its Rust changes, such as `cargo xtask watch -- fraud`
    Watch {
        /// Command and flags of `dojo`
        #[arg(last = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Xtask::parse().task {
        Task::Test => test(),
        Task::Soak { times, kills, restarts } => soak(times, kills, restarts),
        Task::Bench => bench(),
        Task::Pictures => pictures(),
        Task::Kafka { port } => kafka::play(port),
        Task::Compose { parts } => compose::compose(&parts),
        Task::Watch { args } => watch::watch(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn test() -> Result<()> {
    step("format", || Cargo::new(["fmt", "--check"]).run())?;
    step("lints", || {
        Cargo::new(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]).run()
    })?;
    step("documentation", || {
        Cargo::new(["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings").run()
    })?;
    let (tools, apache) =
        step("tools that the tests drive", || Ok((tools::find_or_install()?, kafka::Source::find()?)))?;
    step("tests", || {
        let cargo = Cargo::new(["test", "--workspace", "--locked", "--no-fail-fast"]);
        suite::embedded(cargo.envs(&tools)).run()
    })?;
    let Some(apache) = apache else { return Ok(()) };
    step("tests on Apache Kafka", || {
        let apache = apache.start()?;
        suite::on(&apache, suite::on_kafka()?.envs(&tools)).run()
    })
}

fn soak(times: u32, kills: u32, restarts: u32) -> Result<()> {
    let tools = step("tools that the tests drive", tools::find_or_install)?;
    let faults = soak::faults(kills, restarts, &tools);
    soak::soak(times, &tools)?;
    faults
}

fn bench() -> Result<()> {
    step("benchmarks", || Cargo::new(["bench", "--workspace", "--benches", "--locked"]).run())?;
    let tools = step("tools that the tests drive", tools::find_or_install)?;
    step("the page in a flood of ten minutes", || {
        tests_of_the_page("page::flood::").envs(&tools).env("DOJO_FLOOD_SECONDS", "600").run()
    })
}

fn pictures() -> Result<()> {
    let tools = step("tools that the tests drive", tools::find_or_install)?;
    step("pictures", || {
        tests_of_the_page("picture_in_the_readme").envs(&tools).env("DOJO_PICTURES", "true").run()
    })
}

fn tests_of_the_page(filter: &str) -> Cargo {
    let cargo = Cargo::new(["test", "--package", "dojo", "--locked", "--test", "dojo", "--", "--nocapture"]);
    suite::embedded(cargo.args([filter]))
}
