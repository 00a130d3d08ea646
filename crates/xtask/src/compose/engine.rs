//! Docker: the engine that is there, or one of our own for a while.
//!
//! An engine of our own has its socket, its data and its pid file in one folder, and changes two things of the machine, which are put
//! back at the end: whether packets are forwarded, and what the firewall does with those that are.

use crate::shell::{said, succeeds};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    ffi::OsStr,
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const STARTS_WITHIN: Duration = Duration::from_secs(60);
const ENDS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
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
}

/// An engine; where it is our own, it ends when this is dropped.
pub(crate) struct Engine {
    docker: Docker,
    own: Option<Own>,
}

struct Own {
    daemon: Child,
    ip_forward: String,
    forward_policy: String,
    _folder: TempDir,
}

impl Engine {
    /// The engine that answers; or, as root on Debian, one of our own.
    pub(crate) fn find_or_start() -> Result<Self> {
        let docker = Docker { host: None };
        if docker.says(["version", "--format", "{{.Server.Version}}"]).is_ok() {
            return Ok(Self { docker, own: None });
        }
        install()?;
        let folder =
            tempfile::Builder::new().prefix("dojo-docker-").tempdir().context("a folder for Docker")?;
        let at = |name: &str| folder.path().join(name).display().to_string();
        let host = format!("unix://{}", at("docker.sock"));
        let ip_forward = fs::read_to_string(IP_FORWARD).context(IP_FORWARD)?;
        let forward_policy = forward_policy()?;
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
        let mut engine =
            Self { docker, own: Some(Own { daemon, ip_forward, forward_policy, _folder: folder }) };
        engine.wait_until_up()?;
        Ok(engine)
    }

    /// The client for it.
    pub(crate) fn docker(&self) -> &Docker {
        &self.docker
    }

    fn wait_until_up(&mut self) -> Result<()> {
        let begun = Instant::now();
        while self.docker.says(["version", "--format", "{{.Server.Version}}"]).is_err() {
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
        let _ = Command::new("kill").arg(self.daemon.id().to_string()).status();
        let begun = Instant::now();
        while !matches!(self.daemon.try_wait(), Ok(Some(_)) | Err(_)) {
            if begun.elapsed() > ENDS_WITHIN {
                let _ = self.daemon.kill();
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        // As it was before.
        if let Err(error) = fs::write(IP_FORWARD, &self.ip_forward) {
            eprintln!("{IP_FORWARD} is not as it was: {error}");
        }
        let policy = Command::new("iptables").args(["-P", "FORWARD", &self.forward_policy]).status();
        if !policy.is_ok_and(|status| status.success()) {
            eprintln!(
                "the firewall's policy for forwarded packets is not as it was ({})",
                self.forward_policy
            );
        }
    }
}

/// `ACCEPT` or `DROP`.
fn forward_policy() -> Result<String> {
    let rules = said(Command::new("iptables").args(["-S", "FORWARD"]))?;
    let policy = rules.lines().find_map(|line| line.strip_prefix("-P FORWARD "));
    Ok(policy.unwrap_or("ACCEPT").to_owned())
}

fn install() -> Result<()> {
    if succeeds("dockerd", &["--version"]) && succeeds("docker", &["compose", "version"]) {
        return Ok(());
    }
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    ensure!(
        root && succeeds("apt-get", &["--version"]),
        "Docker does not answer, and only root on Debian may install it: start Docker, or see https://docs.docker.com/engine/install"
    );
    fs::write("/etc/apt/sources.list.d/kafka-dojo-trixie.sources", TRIXIE).context("a source of packages")?;
    fs::write("/etc/apt/preferences.d/kafka-dojo-trixie", PIN).context("a preference of packages")?;
    let apt = |args: &[&str]| {
        said(Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive")).map(drop)
    };
    apt(&["update", "-qq"])?;
    apt(&[
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        "docker.io/trixie",
        "docker-cli/trixie",
        "docker-compose/trixie",
        "docker-buildx/trixie",
        "iptables",
        "debootstrap",
    ])
}
