//! The processes that are measured.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends when dropped.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let begun = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && begun.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    fn start(command: &mut Command) -> Self {
        let quiet = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().unwrap())
    }

    /// The most memory that the process had so far.
    pub fn peak_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    /// The program itself, with its own log silenced.
    pub fn dojo(args: &[&str]) -> Self {
        Self::dojo_with_rules(args, &shipped_rules())
    }

    pub fn dojo_with_rules(args: &[&str], rules: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dojo"));
        command
            .args(args)
            .args(["--supervised", "--log", "warn"])
            .env("RULES_DIR", rules)
            .env("FAIL_RATE", "0");
        Self::start(&mut command)
    }

    /// This benchmark in another role.
    pub fn role(args: &[&str]) -> Self {
        Self::start(Command::new(std::env::current_exe().unwrap()).args(args))
    }
}

pub fn shipped_rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules")
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Waits until something listens there.
pub async fn listening(port: u16) {
    let begun = Instant::now();
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "nothing listens on {port}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until `url` answers 200.
pub async fn answers(url: &str, patience: Duration) {
    let (client, begun) = (reqwest::Client::new(), Instant::now());
    loop {
        if client.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        assert!(begun.elapsed() < patience, "{url} does not answer");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
