//! A copy of the project with its containers: told what a person would tell it, asked what a person would see.

use super::{ending::continue_unless_ending, engine::Docker};
use crate::shell::{is_root, root, said};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::{
    cell::Cell,
    collections::BTreeSet,
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Where the page and the API are.
pub(crate) const PAGE: &str = "http://localhost:3001";
pub(crate) const KAFKA_UI: &str = "http://localhost:8080";
/// Apart from a stack of the same project that somebody works with.
const NAME: &str = "kafka-dojo-xtask";
/// Every service that stays; `kafka-init` ends.
pub(crate) const SERVICES: [&str; 7] =
    ["kafka", "kafka-ui", "order", "notification-1", "notification-2", "fraud", "audit"];
/// The owner of the copy: none that the image knows.
const OWNER: u32 = 4711;
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The copy, and its containers.
pub(crate) struct Stack<'a> {
    pub(crate) docker: &'a Docker,
    folder: TempDir,
    runtime: Runtime,
    http: reqwest::Client,
    /// Whether the development overlay is in force.
    developing: Cell<bool>,
    /// What Docker had before.
    before: BTreeSet<String>,
}

/// What a compose file or an engine's user may set, and is to be as the files have it.
const VARIABLES: [&str; 11] = [
    "COMPOSE_FILE",
    "COMPOSE_PROFILES",
    "DOJO_USER",
    "FAIL_RATE",
    "KAFKA_PORT",
    "KAFKA_UI_PORT",
    "LOG_FORMAT",
    "MAX_RETRIES",
    "PORT",
    "RULES_WATCH",
    "RUST_LOG",
];

impl<'a> Stack<'a> {
    /// Copies what is tracked or could be. The copy belongs to a user of its own, as a project belongs to whoever cloned it.
    pub(crate) fn copy(docker: &'a Docker) -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("dojo-compose-").tempdir().context("a folder for the copy")?;
        let mut files = Command::new("git");
        files.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
        for file in said(&mut files)?.split_terminator('\0').filter(|file| root().join(file).is_file()) {
            let to = folder.path().join(file);
            fs::create_dir_all(to.parent().unwrap_or(folder.path()))
                .with_context(|| format!("cannot copy {file}"))?;
            fs::copy(root().join(file), to).with_context(|| format!("cannot copy {file}"))?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let http = reqwest::Client::builder().timeout(ANSWERS_WITHIN).build()?;
        let stack =
            Self { docker, folder, runtime, http, developing: Cell::new(false), before: things(docker)? };
        if is_root() {
            said(Command::new("chown").arg("-R").arg(format!("{OWNER}:{OWNER}")).arg(stack.folder()))?;
        }
        let owner = stack.owner("rules")?;
        fs::write(stack.folder().join(".env"), format!("DOJO_USER={owner}:{owner}\n"))
            .context("cannot write .env")?;
        Ok(stack)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The user whom a file or folder of the copy belongs to.
    pub(crate) fn owner(&self, path: &str) -> Result<u32> {
        use std::os::unix::fs::MetadataExt as _;
        Ok(fs::metadata(self.folder().join(path)).with_context(|| format!("no {path}"))?.uid())
    }

    /// From now on with the development overlay.
    pub(crate) fn develop(&self) {
        self.developing.set(true);
    }

    /// `docker compose` in the copy.
    pub(crate) fn command<'b>(&self, args: impl IntoIterator<Item = &'b str>) -> Command {
        let files: &[&str] =
            if self.developing.get() { &["-f", "docker-compose.yml", "-f", "compose.dev.yaml"] } else { &[] };
        let mut command = self.docker.command(["compose", "--ansi", "never"]);
        command.args(files).args(args).current_dir(self.folder());
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command.env("COMPOSE_PROJECT_NAME", NAME);
        command
    }

    /// What `docker compose` with these words says on its standard output.
    pub(crate) fn compose(&self, words: &str) -> Result<String> {
        said(&mut self.command(words.split_whitespace()))
    }

    /// Replaces text in a file of the copy as an editor saves: a new file in the place of the old one.
    pub(crate) fn edit(&self, file: &str, old: &str, new: &str) -> Result<Instant> {
        let path = self.folder().join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
        ensure!(text.contains(old), "{file} does not say {old:?}");
        let saved = path.with_extension("saved");
        fs::write(&saved, text.replacen(old, new, 1))?;
        fs::rename(saved, path)?;
        Ok(Instant::now())
    }

    /// What the address answers, or an error where that is no success.
    pub(crate) fn get(&self, url: &str) -> Result<String> {
        self.block_on(async {
            let answer = self.http.get(url).send().await?.error_for_status()?;
            Ok(answer.text().await?)
        })
    }

    /// The JSON at a path of the dojo.
    pub(crate) fn json(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.get(&format!("{PAGE}{path}"))?)?)
    }

    /// A client whose answers have to come in time.
    pub(crate) fn http(&self) -> reqwest::Client {
        self.http.clone()
    }

    /// A client for answers that do not end.
    pub(crate) fn stream(&self) -> reqwest::Client {
        reqwest::Client::new()
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(work)
    }

    /// The id of a service's container, which there must be.
    pub(crate) fn container(&self, service: &str) -> Result<String> {
        let id = self.compose(&format!("ps --all --quiet {service}"))?;
        ensure!(!id.is_empty(), "{service} has no container");
        Ok(id)
    }

    /// What Docker knows of a service's container, by a template of `docker inspect`.
    pub(crate) fn inspect(&self, service: &str, template: &str) -> Result<String> {
        self.docker.says(["inspect", "--format", template, &self.container(service)?])
    }

    /// Waits until every service is healthy, the page is ready and every instance has its share of the partitions.
    pub(crate) fn ready(&self, within: Duration) -> Result<Duration> {
        until("the stack to be ready", within, || {
            self.json("/readyz")?;
            self.running(&["order-1", "notification-1", "notification-2", "fraud-1", "audit-1"])?;
            for service in SERVICES.iter().filter(|service| **service != "kafka-ui") {
                let health = self.inspect(service, "{{.State.Status}} {{.State.Health.Status}}")?;
                ensure!(health == "running healthy", "{service} is {health}");
            }
            Ok(())
        })
    }

    /// An error unless these instances say that they are running, and no others do. One that was killed still says so.
    pub(crate) fn running(&self, wanted: &[&str]) -> Result<()> {
        let instances = self.json("/instances")?;
        let all = instances.as_array().context("no list of instances")?;
        let mut running: Vec<&str> = all
            .iter()
            .filter(|instance| instance["state"] == "running")
            .filter_map(|instance| instance["instanceId"].as_str())
            .collect();
        let mut wanted = wanted.to_vec();
        running.sort_unstable();
        wanted.sort_unstable();
        ensure!(running == wanted, "running are {}", running.join(", "));
        Ok(())
    }

    /// Plays a scenario through the stack; its exit code and what it says.
    pub(crate) fn play(&self, scenario: &str) -> Result<(Option<i32>, String)> {
        let mut play = self.command(["run", "--rm", "dojo-run"]);
        let output = play.arg(format!("scenarios/{scenario}")).output().context("cannot run docker")?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8_lossy(&text).into_owned()))
    }

    /// The end of what every container says.
    pub(crate) fn logs(&self) -> String {
        let states = self.compose("ps --all").unwrap_or_default();
        let logs =
            self.compose("logs --no-color --tail 15").unwrap_or_else(|error| format!("no logs: {error:#}"));
        format!("{states}\n{logs}")
    }

    /// Ends everything and forgets it; an error, where anything is left.
    pub(crate) fn take_down(&self) -> Result<()> {
        self.compose("--profile * down --volumes --remove-orphans")?;
        let left: Vec<_> = things(self.docker)?.difference(&self.before).cloned().collect();
        ensure!(left.is_empty(), "this is left: {}", left.join(", "));
        Ok(())
    }
}

/// Docker's containers, volumes and networks.
fn things(docker: &Docker) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for (what, list) in [
        ("container", &["ps", "--all", "--quiet"][..]),
        ("volume", &["volume", "ls", "--quiet"]),
        ("network", &["network", "ls", "--quiet"]),
    ] {
        let ids = docker.says(list)?;
        all.extend(ids.lines().map(|id| format!("{what} {id}")));
    }
    Ok(all)
}

/// Lets time go by, as the lesson wants it.
pub(crate) fn pause(time: Duration) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < time {
        continue_unless_ending()?;
        thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// Waits on a condition; how long it took. Where it does not come, the error is what it was waiting for last.
pub(crate) fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Result<T>,
) -> Result<Duration> {
    let begun = Instant::now();
    loop {
        continue_unless_ending()?;
        match look() {
            Ok(_) => return Ok(begun.elapsed()),
            Err(error) if begun.elapsed() > within => {
                bail!("waited {} s for {what}: {error:#}", within.as_secs())
            }
            Err(_) => thread::sleep(LOOK_AGAIN),
        }
    }
}
