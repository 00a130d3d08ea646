//! What the bars of a terminal cost, and how soon `--watch` plays a saved scenario again.

use crate::{children, ended, play, proxied, scenario};
use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const ORDERS: u64 = 20_000;
const RATE: u64 = 1_000;
const ROUNDS: u32 = 3;
const SAVES: usize = 10;

/// Compares the processor time of a flood on a terminal with that of one without.
pub fn bars(url: &str) {
    let scenario = scenario(ORDERS, RATE);
    let (mut with, mut without) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        without += ended(play(url, &scenario)).0;
        let before = children();
        let (mut pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(24, 80)).unwrap();
        let command = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_dojo-run"));
        let args = [scenario.path().to_str().unwrap(), "--target", url];
        let mut child = command.args(args).env("TERM", "xterm-256color").spawn(pts).unwrap();
        let mut bytes = [0; 4_096];
        // The end is an error on Linux.
        while let Ok(1..) = pty.read(&mut bytes) {}
        child.wait().unwrap();
        with += children() - before;
    }
    println!(
        "processor time of {ORDERS} orders at {RATE}/s, {ROUNDS} rounds: {:.2?} with bars, {:.2?} without; ratio {:.2}",
        with / ROUNDS,
        without / ROUNDS,
        with.as_secs_f64() / without.as_secs_f64()
    );
}

/// Measures the time from saving a watched scenario to the first request of its next run.
pub fn save(url: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (proxy, mut runs, proxying) = runtime.block_on(proxied(url, b"POST /runs HTTP"));
    let mut file = scenario(1, 1);
    let mut child = Command::new(env!("CARGO_BIN_EXE_dojo-run"))
        .arg(file.path())
        .args(["--watch", "--quiet", "--target", &proxy])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut times = Vec::new();
    for _ in 0..SAVES {
        lines.by_ref().find(|line| line.as_ref().unwrap().starts_with("waits")).unwrap().unwrap();
        while runs.try_recv().is_ok() {}
        writeln!(file, "# saved").unwrap();
        let saved = Instant::now();
        times.push(runtime.block_on(runs.recv()).unwrap() - saved);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    proxying.abort();
    times.sort_unstable();
    println!(
        "from saving a watched scenario to the first request of its next run: {:.1?} (median of {SAVES}), {:.1?} at most",
        times[SAVES / 2],
        times[SAVES - 1]
    );
}
