//! Running other programs, with a heading and a time for each step.

use anyhow::{Context as _, Result, ensure};
use std::{
    ffi::OsStr,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs one step of a task and says how long it took.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("\n== {name}");
    let begun = Instant::now();
    let done = work().with_context(|| format!("{name} failed"))?;
    println!("== {name}: {:.0} s", begun.elapsed().as_secs_f32());
    Ok(done)
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let crates = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    crates.canonicalize().unwrap_or(crates)
}

/// One run of cargo in the workspace.
pub(crate) struct Cargo(Command);

impl Cargo {
    pub(crate) fn new<const N: usize>(args: [&str; N]) -> Self {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(args).current_dir(root());
        Self(command)
    }

    pub(crate) fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn envs(self, all: &[(&'static str, String)]) -> Self {
        all.iter().fold(self, |cargo, (name, value)| cargo.env(name, value))
    }

    /// Takes a variable of ours away from it.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn into_command(self) -> Command {
        self.0
    }

    pub(crate) fn run(self) -> Result<()> {
        run(self.0)
    }

    /// Runs it and answers what it says on its standard output; an error where it fails.
    pub(crate) fn output(mut self) -> Result<String> {
        self.0.stderr(Stdio::inherit());
        let (succeeded, output) = self.capture()?;
        ensure!(succeeded, "cargo failed");
        Ok(output)
    }

    /// Runs it quietly; answers whether it succeeded, and what it said: first its standard output, then its errors.
    pub(crate) fn capture(mut self) -> Result<(bool, String)> {
        let output = self.0.stdin(Stdio::null()).output().context("cannot run cargo")?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }
}

/// Runs `command` with its output on ours.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let status =
        command.status().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(status.success(), "{} ended with {status}", command.get_program().display());
    Ok(())
}

/// What a command says on its standard output; an error, with its words, where it fails.
pub(crate) fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} ended with {}: {}", output.status, error.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether we may install packages.
pub(crate) fn may_install() -> bool {
    is_root() && succeeds("apt-get", &["--version"])
}

/// Whether everything is allowed.
pub(crate) fn is_root() -> bool {
    said(Command::new("id").arg("-u")).is_ok_and(|id| id == "0")
}

/// Installs packages, quietly unless it fails.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let apt_get = |args: &[&str]| {
        said(Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive")).map(drop)
    };
    apt_get(&["update", "-qq"])?;
    apt_get(&[&["install", "-y", "-qq", "--no-install-recommends"], packages].concat())
}

/// The signals that are to end this process; it is no longer ended by them where one of these is.
pub(crate) struct End {
    interrupt: Signal,
    terminate: Signal,
}

impl End {
    /// Listens from now on. Needs an asynchronous runtime around it.
    pub(crate) fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Returns once one of them has come.
    pub(crate) async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Whether `program` with `args` runs and succeeds, quietly.
pub(crate) fn succeeds(program: impl AsRef<OsStr>, args: &[&str]) -> bool {
    let quiet = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    quiet.is_ok_and(|status| status.success())
}
