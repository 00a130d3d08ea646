//! Docker: the engine that is there, or one of our own for a while.
//!
//! An engine of our own has its socket, its data and its pid file in one folder. What it changes of the machine is put back at
//! the end: whether packets are forwarded, the firewall's rules, and its bridge.

use crate::shell::{self, may_install, said, succeeds};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const STARTS_WITHIN: Duration = Duration::from_secs(60);
const ENDS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
/// The firewall's tables in which Docker writes.
const TABLES: [&str; 2] = ["filter", "nat"];
const BRIDGE: &str = "docker0";
const SOURCE: &str = "/etc/apt/sources.list.d/kafka-dojo-trixie.sources";
const PREFERENCE: &str = "/etc/apt/preferences.d/kafka-dojo-trixie";
/// Debian 12's own engine is too old for this compose file (`start_interval`); Debian 13's is not.
const TRIXIE: &str = "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: trixie\nComponents: main\n\
                      Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";
/// Nothing comes from there but what is asked for by name.
const PIN: &str = "Package: *\nPin: release n=trixie\nPin-Priority: 100\n";

/// A Docker client with an engine behind it.
#[derive(Debug, Clone)]
pub(crate) struct Docker {
    /// `DOCKER_HOST`, where it is not the default.
    host: Option<String>,
}

impl Docker {
    /// `docker` with arguments.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("docker");
        command.args(args).stdin(Stdio::null());
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
        command
    }

    /// What `docker` with these arguments says on its standard output; an error, with its words, where it fails.
    pub(crate) fn says<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<String> {
        said(&mut self.command(args))
    }

    /// Whether there is an engine behind it.
    fn answers(&self) -> bool {
        self.says(["version", "--format", "{{.Server.Version}}"]).is_ok()
    }
}

/// An engine; where it is our own, it ends when this is dropped.
pub(crate) struct Engine {
    docker: Docker,
    own: Option<Own>,
}

struct Own {
    daemon: Child,
    before: Network,
    _folder: TempDir,
}

impl Engine {
    /// The engine that answers; or, as root on Debian, one of our own.
    pub(crate) fn find_or_start() -> Result<Self> {
        let docker = Docker { host: None };
        if docker.answers() {
            return Ok(Self { docker, own: None });
        }
        install()?;
        let folder =
            tempfile::Builder::new().prefix("dojo-docker-").tempdir().context("a folder for Docker")?;
        let at = |name: &str| folder.path().join(name).display().to_string();
        let host = format!("unix://{}", at("docker.sock"));
        let before = Network::look()?;
        let log = fs::File::create(at("dockerd.log")).context("a log for Docker")?;
        let daemon = Command::new("dockerd")
            .args(["--host", &host, "--data-root", &at("data"), "--exec-root", &at("run")])
            .args(["--pidfile", &at("dockerd.pid"), "--storage-driver", "overlay2", "--mtu", "1400"])
            // Far from the networks that a machine in a data centre is in.
            .args(["--bip", "172.30.255.1/24", "--default-address-pool", "base=172.30.0.0/17,size=24"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("a log for Docker")?)
            .stderr(log)
            .spawn()
            .context("cannot run dockerd")?;
        let docker = Docker { host: Some(host) };
        let mut engine = Self { docker, own: Some(Own { daemon, before, _folder: folder }) };
        engine.wait_until_up()?;
        Ok(engine)
    }

    /// The client for it.
    pub(crate) fn docker(&self) -> &Docker {
        &self.docker
    }

    fn wait_until_up(&mut self) -> Result<()> {
        let begun = Instant::now();
        while !self.docker.answers() {
            let ended = self.own.as_mut().and_then(|own| own.daemon.try_wait().ok().flatten());
            if ended.is_some() || begun.elapsed() > STARTS_WITHIN {
                let log = self.own.as_ref().map(|own| own._folder.path().join("dockerd.log"));
                let log = log.and_then(|log| fs::read_to_string(log).ok()).unwrap_or_default();
                bail!("Docker's engine did not start: {}", log.lines().last().unwrap_or("it says nothing"));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let begun = Instant::now();
        if let Ok(None) = self.daemon.try_wait() {
            let _ = Command::new("kill").arg(self.daemon.id().to_string()).status();
        }
        while let Ok(None) = self.daemon.try_wait() {
            if begun.elapsed() > ENDS_WITHIN {
                let _ = self.daemon.kill();
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        if let Err(error) = self.before.restore() {
            eprintln!("the machine's network is not quite as it was: {error:#}");
        }
    }
}

/// What an engine changes of the machine's network.
struct Network {
    ip_forward: String,
    /// As `iptables-save` writes them.
    tables: Vec<String>,
    had_bridge: bool,
}

impl Network {
    fn look() -> Result<Self> {
        let tables = TABLES.map(|table| said(Command::new("iptables-save").args(["-t", table])));
        Ok(Self {
            ip_forward: fs::read_to_string(IP_FORWARD).context(IP_FORWARD)?,
            tables: tables.into_iter().collect::<Result<_>>()?,
            had_bridge: has_bridge(),
        })
    }

    fn restore(&self) -> Result<()> {
        fs::write(IP_FORWARD, &self.ip_forward).context(IP_FORWARD)?;
        for table in &self.tables {
            let mut restore = Command::new("iptables-restore").stdin(Stdio::piped()).spawn()?;
            if let Some(mut stdin) = restore.stdin.take() {
                writeln!(stdin, "{table}")?;
            }
            ensure!(restore.wait()?.success(), "iptables-restore failed");
        }
        if !self.had_bridge && has_bridge() {
            said(Command::new("ip").args(["link", "delete", BRIDGE]))?;
        }
        Ok(())
    }
}

fn has_bridge() -> bool {
    Path::new("/sys/class/net").join(BRIDGE).exists()
}

fn install() -> Result<()> {
    let debian =
        fs::read_to_string("/etc/os-release").is_ok_and(|text| text.lines().any(|line| line == "ID=debian"));
    ensure!(
        debian && may_install(),
        "Docker does not answer, and only root on Debian may start one of its own: start Docker, or see \
         https://docs.docker.com/engine/install"
    );
    if succeeds("dockerd", &["--version"])
        && succeeds("docker", &["compose", "version"])
        && succeeds("debootstrap", &["--version"])
    {
        return Ok(());
    }
    fs::write(SOURCE, TRIXIE).context(SOURCE)?;
    fs::write(PREFERENCE, PIN).context(PREFERENCE)?;
    let packages = [
        "docker.io/trixie",
        "docker-cli/trixie",
        "docker-compose/trixie",
        "docker-buildx/trixie",
        "iptables",
        "iproute2",
        "debootstrap",
    ];
    let installed = shell::install(&packages);
    // Nothing else is to come from there.
    fs::remove_file(SOURCE).context(SOURCE)?;
    fs::remove_file(PREFERENCE).context(PREFERENCE)?;
    installed
}
