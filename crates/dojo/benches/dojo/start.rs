//! From start to ready, and the memory of all processes together.

use crate::{
    broker::{Broker, On},
    processes::{Process, free_port},
};
use serde_json::Value;
use std::time::{Duration, Instant};

const INSTANCES: usize = 5;

/// A whole dojo.
pub struct WholeDojo {
    pub process: Process,
    /// Of its page.
    pub url: String,
    /// How long it took until every instance ran.
    pub ready_after: Duration,
    _broker: Option<Broker>,
}

pub async fn whole_dojo(on: On) -> WholeDojo {
    let (broker, kafka) = match on {
        On::Embedded => (None, format!("--broker-listen=localhost:{}", free_port())),
        On::Apache => {
            let (broker, brokers) = on.broker().await;
            (Some(broker), format!("--kafka-brokers={brokers}"))
        }
    };
    let port = free_port();
    let begun = Instant::now();
    let process = Process::dojo(&["--port", &port.to_string(), &kafka]);
    let (url, client) = (format!("http://localhost:{port}"), reqwest::Client::new());
    loop {
        if running(&client, &url).await == Some(INSTANCES) {
            return WholeDojo { process, url, ready_after: begun.elapsed(), _broker: broker };
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the dojo does not start");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn running(client: &reqwest::Client, url: &str) -> Option<usize> {
    if !client.get(format!("{url}/readyz")).send().await.ok()?.status().is_success() {
        return None;
    }
    let instances: Value = client.get(format!("{url}/instances")).send().await.ok()?.json().await.ok()?;
    let is_running = |i: &&Value| i["state"] == "running" && i["service"] != "supervisor";
    Some(instances.as_array()?.iter().filter(is_running).count())
}

/// Resident memory of `pid` and its children, in MiB (Linux's `/proc`; elsewhere 0).
pub fn resident(pid: u32) -> f64 {
    let field = |pid: &str, name: &str| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().into_string().ok());
    let ours = pids.filter(|p| *p == pid.to_string() || field(p, "PPid:") == Some(u64::from(pid)));
    ours.filter_map(|p| field(&p, "VmRSS:")).sum::<u64>() as f64 / 1024.0
}

pub async fn measure(on: On) {
    let mut times = Vec::new();
    for _ in 0..5 {
        let dojo = whole_dojo(on).await;
        times.push(dojo.ready_after);
        if times.len() == 5 {
            println!(
                "memory: {:.0} MiB resident in all processes after the start (aim 150)",
                resident(dojo.process.id())
            );
        }
    }
    times.sort();
    println!(
        "start: ready after {:.2} s, median of 5, {:.2} s at most (aim 1.5)",
        times[2].as_secs_f32(),
        times[4].as_secs_f32()
    );
}
