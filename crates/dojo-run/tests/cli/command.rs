//! Starts the real program and waits for it, at most for a minute.

use std::{fmt::Write, path::Path, process::Stdio, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::process::{Child, Command};

pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Fails with everything the program said, if it did not end with `code`.
    #[track_caller]
    pub fn expect(self, code: u8) -> Self {
        assert_eq!(self.code, i32::from(code), "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }
}

/// The program, which knows nothing of the environment the tests run in.
pub fn dojo_run() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dojo-run"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

pub async fn ended(child: Child) -> Ended {
    let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output());
    let output = output.await.expect("it ends within a minute").unwrap();
    Ended {
        // A signal that ended it is no code of its own.
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Scenarios written to files of their own.
pub struct Written {
    dir: Arc<TempDir>,
    names: Vec<String>,
}

impl Written {
    pub fn new(scenarios: &[&str]) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let mut names = Vec::new();
        for (n, yaml) in scenarios.iter().enumerate() {
            names.push(format!("scenario-{n}.yaml"));
            std::fs::write(dir.path().join(&names[n]), yaml).unwrap();
        }
        Self { dir, names }
    }

    /// The folder that they are in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Keeps the folder for as long as a program that plays them.
    pub fn kept(&self) -> Arc<TempDir> {
        self.dir.clone()
    }

    /// The names of their files.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Writes another file into their folder, or one of them again.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Starts playing all of them against `target`.
    pub fn start(&self, target: &str) -> Child {
        self.command().args(["--target", target]).spawn().unwrap()
    }

    /// The program with all of them, before it is started.
    pub fn command(&self) -> Command {
        let mut command = dojo_run();
        command.current_dir(self.dir.path()).args(&self.names);
        command
    }

    pub async fn play(&self, target: &str) -> Ended {
        ended(self.start(target)).await
    }
}

/// Plays one scenario with these steps (and settings before them, if it names them) to its end.
pub async fn play(target: &str, steps: &[&str]) -> Ended {
    Written::new(&[&scenario(steps)]).play(target).await
}

pub fn scenario(steps: &[&str]) -> String {
    let mut yaml = "name: Test\nsteps:\n".to_owned();
    for step in steps {
        writeln!(yaml, "  - {step}").unwrap();
    }
    yaml
}

pub const ORDER: &str = r#"order: { customerName: "Ada ${run}", item: Pizza, quantity: 2, price: 9.50 }"#;
