//! A dojo for one test.

use crate::events::Events;
use dojo_kafka::KafkaConfig;
use dojo_testbed::{brokers, eventually, own_prefix};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

/// The program under test.
pub const DOJO: &str = env!("CARGO_BIN_EXE_dojo");

/// Returns how often a test kills processes: twenty times, or as often as `DOJO_KILLS` says.
pub fn kills() -> usize {
    std::env::var("DOJO_KILLS").map_or(20, |kills| kills.parse().expect("DOJO_KILLS is a number"))
}

/// Returns the folder of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the path of `dojo-run`, which `cargo test --workspace` builds beside `dojo`.
pub fn dojo_run() -> PathBuf {
    let path = Path::new(DOJO).with_file_name(format!("dojo-run{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is not there: build it with `cargo build --package dojo-run`", path.display());
    path
}

/// Returns a port that was free a moment ago, and that no other test gets. It is below the range from which the system chooses
/// the port of a listener on port 0, such as the embedded broker of the same dojo.
pub fn free_port() -> u16 {
    const PORTS: std::ops::Range<u16> = 20_000..32_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let first = std::process::id() as u16;
    let candidate =
        || PORTS.start + first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS.len() as u16;
    std::iter::repeat_with(candidate).take(PORTS.len()).find(is_free).expect("a free port")
}

/// The arguments of a dojo.
pub struct Start {
    command: Command,
    kafka: KafkaConfig,
    rules: bool,
    stdout_lines: usize,
    log_lines: usize,
}

impl Start {
    /// A dojo with its own copy of the rules, which delivers every notification. It runs on the suite's Kafka, under its own
    /// prefix, or else on the embedded broker.
    pub fn new() -> Self {
        match brokers() {
            Some(brokers) => {
                Self::on(KafkaConfig { prefix: own_prefix(), ..KafkaConfig::new(brokers) }, "--kafka-brokers")
            }
            None => Self::embedded(),
        }
    }

    /// The same, always on the embedded broker, for tests of that broker.
    pub fn embedded() -> Self {
        Self::on(KafkaConfig::new(format!("localhost:{}", free_port())), "--broker-listen")
    }

    /// The same, on the Kafka of another dojo, under its own prefix.
    pub fn beside(dojo: &Dojo) -> Self {
        Self::on(KafkaConfig { prefix: own_prefix(), ..dojo.kafka.clone() }, "--kafka-brokers")
    }

    /// The same, on a running Kafka.
    pub fn at(kafka: &KafkaConfig) -> Self {
        Self::on(kafka.clone(), "--kafka-brokers")
    }

    /// A dojo on `kafka`, whose address `flag` passes.
    fn on(kafka: KafkaConfig, flag: &str) -> Self {
        let mut command = Command::new(DOJO);
        let passed =
            |name: &str| matches!(name, "PATH" | "HOME" | "RUST_LOG") || name.starts_with("KAFKA_CONFIG_");
        command.env_clear().envs(std::env::vars().filter(|(name, _)| passed(name)));
        command.args(["--fail-rate", "0", flag, &kafka.brokers, "--kafka-prefix", &kafka.prefix.to_string()]);
        Self { command, kafka, rules: true, stdout_lines: usize::MAX, log_lines: usize::MAX }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: &str) -> Self {
        self.command.arg(arg);
        self
    }

    /// Leaves out the rules folder.
    pub fn without_rules(mut self) -> Self {
        self.rules = false;
        self
    }

    /// Closes standard output after one line, as `head -1` does.
    pub fn head(mut self) -> Self {
        self.stdout_lines = 1;
        self
    }

    /// Closes standard error after one line.
    pub fn head_of_log(mut self) -> Self {
        self.log_lines = 1;
        self
    }

    /// Starts the dojo and waits until every instance runs.
    pub async fn ready(self) -> Dojo {
        let dojo = self.spawn();
        dojo.is_ready().await;
        dojo
    }

    fn spawn(mut self) -> Dojo {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("rules");
        if self.rules {
            std::fs::create_dir(&rules).unwrap();
            for file in ["fraud.rhai", "notification.rhai"] {
                std::fs::copy(workspace().join("rules").join(file), rules.join(file)).unwrap();
            }
        }
        let port = free_port();
        self.command
            .args(["--supervised", "--port", &port.to_string()])
            .arg("--rules-dir")
            .arg(&rules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let stdout = head(child.stdout.take().unwrap(), self.stdout_lines);
        let log = head(child.stderr.take().unwrap(), self.log_lines);
        let stdin = child.stdin.take();
        Dojo {
            child,
            stdin,
            stdout,
            log,
            rules,
            url: format!("http://localhost:{port}"),
            kafka: self.kafka,
            http: client(),
            _folder: folder,
        }
    }
}

/// Returns a client that closes an idle connection before the service does, which waits for a minute.
pub fn client() -> reqwest::Client {
    let bounded = reqwest::Client::builder().timeout(Duration::from_secs(20));
    bounded.pool_idle_timeout(Duration::from_secs(20)).build().unwrap()
}

/// The lines that a process has written so far.
pub type Lines = Arc<Mutex<Vec<String>>>;

/// Reads all lines on a thread, so that their writer never blocks.
pub fn lines(from: impl Read + Send + 'static) -> Lines {
    head(from, usize::MAX)
}

/// Reads at most `most` lines, on a thread, and then closes `from`.
fn head(from: impl Read + Send + 'static, most: usize) -> Lines {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok).take(most) {
            keep.lock().unwrap().push(line);
        }
    });
    kept
}

/// Sends a process a signal, such as `-STOP`.
pub fn send_signal(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// A running dojo; ends when dropped.
pub struct Dojo {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines,
    log: Lines,
    /// Its rules, to be edited.
    pub rules: PathBuf,
    /// Its page.
    pub url: String,
    /// Its Kafka.
    pub kafka: KafkaConfig,
    pub http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Drop for Dojo {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        if std::thread::panicking() {
            let log = self.log.lock().unwrap();
            eprintln!("-- the dojo's log, last lines");
            log.iter().skip(log.len().saturating_sub(80)).for_each(|line| eprintln!("{line}"));
        }
    }
}

impl Dojo {
    pub async fn get(&self, path: &str) -> Value {
        self.ask(path).await.unwrap()
    }

    /// The same, while the service may be starting or busy.
    pub async fn ask(&self, path: &str) -> Result<Value, String> {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.map_err(|e| e.to_string())?;
        answer.json().await.map_err(|e| e.to_string())
    }

    /// Changes settings, and waits until every instance has applied them.
    pub async fn patch_settings(&self, patch: &Value) {
        eventually("every instance to apply the settings", async || {
            let answer = self.http.patch(format!("{}/settings", self.url)).json(patch).send().await;
            let answer = answer.map_err(|e| e.to_string())?;
            let (status, said) = (answer.status(), answer.text().await.unwrap_or_default());
            assert!(!status.is_client_error(), "{patch} is refused: {said}");
            if status == 200 { Ok(()) } else { Err(format!("{status} {said}")) }
        })
        .await;
    }

    /// Ends the dojo and returns how long that took.
    pub async fn end(self) -> Duration {
        let begun = Instant::now();
        tokio::task::spawn_blocking(move || drop(self)).await.unwrap();
        begun.elapsed()
    }

    /// Sends the supervisor a signal, such as `-INT`.
    pub fn signal(&self, signal: &str) {
        send_signal(signal, self.child.id());
    }

    /// Waits until the supervisor has ended by itself, and returns its exit code.
    pub async fn exit_code(&mut self) -> Option<i32> {
        eventually("the dojo to end", async || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status.code()),
            None => Err("it still runs"),
        })
        .await
    }

    /// Returns the audit lines so far.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.lock().unwrap().clone()
    }

    /// Returns the log so far, as one text.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    async fn is_ready(&self) {
        eventually("every instance to run", async || {
            let instances = self.running().await?;
            if instances.len() >= 5 { Ok(()) } else { Err(format!("{instances:?}")) }
        })
        .await;
    }

    /// Returns the ids and process ids of the services' instances that report to run.
    pub async fn running(&self) -> Result<Vec<(String, u64)>, String> {
        let ready = self.http.get(format!("{}/readyz", self.url)).send().await.map_err(|e| e.to_string())?;
        if !ready.status().is_success() {
            return Err(ready.text().await.unwrap_or_default());
        }
        let instances = self.ask("/instances").await?;
        let is_running = |i: &&Value| i["state"] == "running" && i["service"] != "supervisor";
        let running = instances.as_array().unwrap().iter().filter(is_running);
        Ok(running
            .map(|i| (i["instanceId"].as_str().unwrap().to_owned(), i["pid"].as_u64().unwrap()))
            .collect())
    }

    /// Returns the process ids of the services by instance id (from Linux's `/proc`).
    pub fn services(&self) -> BTreeMap<String, u32> {
        let parent = format!("PPid:\t{}", self.child.id());
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let read = |pid: u32, file: &str| std::fs::read(format!("/proc/{pid}/{file}")).ok();
        let instance = |pid: u32| {
            let status = String::from_utf8(read(pid, "status")?).ok()?;
            if !status.lines().any(|line| line == parent) {
                return None;
            }
            let environment = String::from_utf8_lossy(&read(pid, "environ")?).into_owned();
            let mut variables = environment.split('\0');
            let id = variables.find_map(|variable| variable.strip_prefix("INSTANCE_ID="))?;
            Some((id.to_owned(), pid))
        };
        pids.filter_map(instance).collect()
    }

    /// Kills `instance` with SIGKILL, and waits until another process runs under its name.
    pub async fn kill_and_wait(&self, instance: &str) {
        let old = self.kill(instance).await;
        eventually("the killed instance to run again", async || {
            let running = self.running().await?;
            match running.iter().find(|(id, pid)| id == instance && *pid != old) {
                Some(_) => Ok(()),
                None => Err(format!("{running:?}")),
            }
        })
        .await;
    }

    /// Kills `instance` with SIGKILL, and returns its old process id.
    pub async fn kill(&self, instance: &str) -> u64 {
        eventually("the instance to run and be killed", async || {
            let running = self.running().await?;
            let found = running.iter().find(|(id, _)| id == instance).map(|(_, pid)| *pid);
            let pid = found.ok_or_else(|| format!("{running:?}"))?;
            // A process that has just been killed still counts as running until its successor reports.
            let kill = Command::new("kill").args(["-9", &pid.to_string()]).output().unwrap();
            if kill.status.success() { Ok(pid) } else { Err(format!("{kill:?}")) }
        })
        .await
    }

    /// Places an order and returns its id. On a busy machine the service may answer that the list doesn't show the order yet;
    /// then the same request is sent again.
    pub async fn placed(&self, customer: &str, price: &str) -> String {
        let key = uuid::Uuid::new_v4().to_string();
        eventually("the order to be placed", async || self.post_order(customer, price, Some(&key)).await)
            .await
    }

    /// Places an order with a single request, and returns its id.
    pub async fn order(&self, customer: &str, price: &str) -> Result<String, String> {
        self.post_order(customer, price, None).await
    }

    async fn post_order(&self, customer: &str, price: &str, key: Option<&str>) -> Result<String, String> {
        let price: Value = serde_json::from_str(price).unwrap();
        let order = json!({"customerName": customer, "item": "Pizza", "quantity": 1, "price": price});
        let mut request = self.http.post(format!("{}/orders", self.url)).json(&order);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.map_err(|e| e.to_string())?;
        let (status, body) = (answer.status(), answer.text().await.map_err(|e| e.to_string())?);
        let order: Value = serde_json::from_str(&body).map_err(|e| format!("{status} {e}: {body}"))?;
        if status == 201 {
            Ok(order["id"].as_str().unwrap().to_owned())
        } else {
            Err(format!("{status} {body}"))
        }
    }

    /// Opens the event stream from now on.
    pub async fn events(&self) -> Events {
        Events::open(&self.url).await
    }

    /// Plays a scenario with `dojo-run`, and returns its exit code and all its output.
    pub async fn play(&self, scenario: &str) -> (i32, String) {
        self.play_with(scenario, &[]).await
    }

    /// The same, with further arguments.
    pub async fn play_with(&self, scenario: &str, args: &[&str]) -> (i32, String) {
        let path = workspace().join("scenarios").join(scenario).with_extension("yaml");
        let mut command = tokio::process::Command::new(dojo_run());
        let output = command.arg(path).args(args).env("DOJO_TARGET", &self.url).output().await.unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (output.status.code().unwrap(), said)
    }
}
