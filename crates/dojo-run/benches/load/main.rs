//! How well a flood holds its rate, and what it costs, against a dojo that runs already, best a release build:
//! `cargo bench -p dojo-run -- http://localhost:3001`.
//!
//! A name after the address runs one part: `held`, `cost`, `first`, `memory`, `bars`, `save` or `report`. `cost` compares with `oha` if it is installed
//! (`cargo install oha`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a bench")]

#[cfg(unix)]
mod stage;

use dojo_run::{Audience as _, Options, ReportFiles, Target, load};
use dojo_scenario::{
    Scenario, Sources,
    schedule::{Length, Phase, Schedule},
};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

const RATE: u64 = 3_000;
const ORDERS: u64 = 100_000;
const COMPARED_ORDERS: u64 = 30_000;
const COMPARED_RATE: u64 = 1_500;
const ROUNDS: usize = 3;
const STARTS: usize = 15;
/// A flood of ten minutes.
const LONG: (u64, u64) = (300_000, 500);
const SAMPLE_EVERY: Duration = Duration::from_secs(30);

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["as-sender", url, orders, rate] => send(url, orders.parse().unwrap(), rate.parse().unwrap()),
        [url] => [held, cost, first, memory, bars, save, report].iter().for_each(|part| part(url)),
        [url, "held"] => held(url),
        [url, "cost"] => cost(url),
        [url, "first"] => first(url),
        [url, "memory"] => memory(url),
        [url, "bars"] => bars(url),
        [url, "save"] => save(url),
        [url, "report"] => report(url),
        _ => println!("no address of a dojo was given, so nothing is measured"),
    }
}

/// A flood of `orders`, in steps that each scenario allows.
fn scenario(orders: u64, rate: u64) -> NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    writeln!(file, "name: Load\nsteps:").unwrap();
    let steps = orders.div_ceil(ORDERS);
    for _ in 0..steps {
        writeln!(
            file,
            "  - flood: {{ count: {}, rate: {rate}/s, \
             order: {{ customerName: \"Guest ${{n}}\", item: Soup, quantity: 1, price: 9.50 }} }}",
            orders / steps
        )
        .unwrap();
    }
    file
}

fn play(url: &str, scenario: &NamedTempFile) -> Child {
    Command::new(env!("CARGO_BIN_EXE_dojo-run"))
        .arg(scenario.path())
        .args(["--target", url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The sender alone, without the event stream and the ledger: this program in another role.
fn sender(url: &str, orders: u64, rate: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["as-sender", url, &orders.to_string(), &rate.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn send(url: &str, orders: u64, rate: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let target: Target = url.parse().unwrap();
        let client = Arc::new(load::OrderClient::new(&target).await.unwrap());
        let place = move |number, _| {
            let client = Arc::clone(&client);
            let order =
                format!(r#"{{"customerName":"Guest {number}","item":"Soup","quantity":1,"price":9.50}}"#);
            async move { client.place(order.into()).await?.with(&[201]).map(drop) }
        };
        let phase = Phase::Steady { rate: rate as f64, length: Length::Orders(orders) };
        let schedule = Schedule::new(&[phase]).unwrap();
        let figures = load::Figures::new(&schedule).unwrap();
        match load::send(schedule, place, |_| (), figures, &CancellationToken::new()).await {
            Ok(report) => println!("{report}"),
            Err(error) => println!("{error}"),
        }
    });
}

/// Waits until a process ends; returns the processor time that it took, and what it said.
fn ended(child: Child) -> (Duration, String) {
    let before = children();
    let output = child.wait_with_output().unwrap();
    let took = children() - before;
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (took, said)
}

/// Returns the processor time of all child processes that ended.
fn children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(13).take(2).map(|field| field.parse::<u64>().unwrap());
    // Linux shows a hundred ticks a second on every architecture.
    Duration::from_millis(10 * ticks.sum::<u64>())
}

/// Returns the line that says how a flood went.
fn figures(said: &str) -> &str {
    let figures = said.lines().find(|line| line.contains("accepted") || line.contains("rate not held"));
    let figures = figures.unwrap_or(said);
    figures.rsplit_once("→ ").map_or(figures, |(_, figures)| figures).trim()
}

fn held(url: &str) {
    println!("{ORDERS} orders at {RATE}/s:");
    let (_, said) = ended(play(url, &scenario(ORDERS, RATE)));
    println!("  dojo-run:     {}", figures(&said));
    let (_, said) = ended(sender(url, ORDERS, RATE));
    println!("  sender alone: {}", figures(&said));
}

fn cost(url: &str) {
    println!("processor time for an order, {COMPARED_ORDERS} orders at {COMPARED_RATE}/s, {ROUNDS} rounds:");
    let scenario = scenario(COMPARED_ORDERS, COMPARED_RATE);
    let mut sums = [Duration::ZERO; 3];
    for _ in 0..ROUNDS {
        for (n, sum) in sums.iter_mut().enumerate() {
            let child = match n {
                0 => Some(play(url, &scenario)),
                1 => Some(sender(url, COMPARED_ORDERS, COMPARED_RATE)),
                _ => oha(url),
            };
            *sum += child.map_or(Duration::ZERO, |child| ended(child).0);
        }
    }
    let [whole, alone, oha] =
        sums.map(|sum| sum.as_secs_f64() * 1e6 / (ROUNDS as u64 * COMPARED_ORDERS) as f64);
    println!("  dojo-run, with its event stream: {whole:.0} µs, the sender alone: {alone:.0} µs");
    if oha > 0.0 {
        println!("  oha: {oha:.0} µs; ratio {:.2}, of the sender alone {:.2}", whole / oha, alone / oha);
    }
}

/// Starts `oha` with the same orders; `None` if it is not installed.
fn oha(url: &str) -> Option<Child> {
    let (orders, rate) = (COMPARED_ORDERS.to_string(), COMPARED_RATE.to_string());
    Command::new("oha")
        .args(["--no-tui", "--latency-correction", "-c", "256", "-n", &orders, "-q", &rate, "-m", "POST"])
        .args(["-T", "application/json", "-d"])
        .arg(r#"{"customerName":"Guest","item":"Soup","quantity":1,"price":9.50}"#)
        .arg(format!("{url}/orders"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()
}

fn first(url: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut times: Vec<_> = (0..STARTS).map(|_| runtime.block_on(until_first_order(url))).collect();
    times.sort_unstable();
    println!(
        "from the start of the process to its first order: {:.1?} (median of {STARTS}), {:.1?} at most",
        times[STARTS / 2],
        times[STARTS - 1]
    );
}

/// Plays through a proxy that sees the first order go by.
async fn until_first_order(url: &str) -> Duration {
    let (proxy, mut orders, proxying) = proxied(url, b"POST /orders").await;
    let scenario = scenario(1, 1);
    let start = Instant::now();
    let child = play(&proxy, &scenario);
    let seen = orders.recv().await.unwrap();
    tokio::task::spawn_blocking(move || ended(child)).await.unwrap();
    proxying.abort();
    seen - start
}

/// Starts a proxy of the dojo. Returns its address, and when each connection begins whose first request begins so.
async fn proxied(
    url: &str,
    first_request: &'static [u8],
) -> (String, mpsc::UnboundedReceiver<Instant>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let dojo = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let (seen, requests) = mpsc::unbounded_channel();
    let proxying = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (dojo, seen) = (dojo.clone(), seen.clone());
            tokio::spawn(async move {
                let mut head = [0; 4_096];
                let read = client.read(&mut head).await?;
                if head.starts_with(first_request) {
                    let _ = seen.send(Instant::now());
                }
                let mut server = TcpStream::connect(dojo).await?;
                server.write_all(&head[..read]).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (proxy, requests, proxying)
}

#[cfg(unix)]
use stage::{bars, save};

#[cfg(not(unix))]
fn bars(_: &str) {
    println!("what bars cost is measured on Unix");
}

#[cfg(not(unix))]
fn save(_: &str) {
    println!("how soon a saved scenario is played again is measured on Unix");
}

fn memory(url: &str) {
    let (orders, rate) = LONG;
    println!(
        "memory over a flood of {} s at {rate}/s, in MiB every {} s:",
        orders / rate,
        SAMPLE_EVERY.as_secs()
    );
    let scenario = scenario(orders, rate);
    for name in ["dojo-run", "sender alone"] {
        let mut child = if name == "dojo-run" { play(url, &scenario) } else { sender(url, orders, rate) };
        let (start, mut samples) = (Instant::now(), Vec::new());
        while child.try_wait().unwrap().is_none() {
            if start.elapsed() >= SAMPLE_EVERY * samples.len() as u32 + Duration::from_secs(1) {
                samples.push(resident_mib(child.id()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let samples: Vec<_> = samples.iter().map(|mib| format!("{mib:.1}")).collect();
        println!("  {name}: {}; {}", samples.join(" "), figures(&ended(child).1));
    }
}

/// Plays a flood and measures how long its report takes to write, and how large it is.
fn report(url: &str) {
    let mut file = scenario(ORDERS, RATE);
    writeln!(file, "  - expect: {{ action: NOTIFIED, perOrder: 1, within: 60s }}").unwrap();
    let bytes = std::fs::read(file.path()).unwrap();
    let no_other = |_: &Path| Err(io::ErrorKind::NotFound.into());
    let sources = Sources { read: &no_other, variables: &BTreeMap::new() };
    let scenario = Scenario::parse("bench.yaml", &bytes, &sources).unwrap();
    let (folder, target) = (tempfile::tempdir().unwrap(), url.parse().unwrap());
    let mut files = ReportFiles::create(folder.path(), &target).unwrap();
    files.begin(&scenario);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (options, stop) = (Options::default(), CancellationToken::new());
    let mut audience = |progress| files.progress(&progress);
    let played = runtime.block_on(dojo_run::play(&scenario, &target, &options, &mut audience, &stop));
    let start = Instant::now();
    files.end(&scenario, &played);
    assert!(files.error().is_none());
    println!("report of {} orders: written in {:.1?}", played.orders, start.elapsed());
    for name in ["report.html", "report.json", "junit.xml"] {
        let size = std::fs::metadata(folder.path().join(name)).unwrap().len();
        println!("  {name}: {:.1} kB", size as f64 / 1e3);
    }
}

fn resident_mib(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1_024.0
}
