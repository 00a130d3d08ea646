//! Runs other programs to their end, within a bound.

use std::{
    process::{Command, Stdio},
    time::Duration,
};
use tokio::io::AsyncWriteExt;

/// The output and the exit code of a program.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` if the program took too long or was ended by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `command` with `input` on its standard input.
pub async fn run(mut command: Command, input: &str, within: Duration) -> Ended {
    // Cargo puts its own build of librdkafka first on the path, which the other clients would then use.
    command.env_remove("LD_LIBRARY_PATH").env("PYTHONDONTWRITEBYTECODE", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.get_program().to_owned();
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut stdin = child.stdin.take().unwrap();
    let finish = async {
        // A program may end without reading its input.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await.unwrap()
    };
    match tokio::time::timeout(within, finish).await {
        Ok(output) => Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        },
        Err(_) => Ended { code: None, stdout: String::new(), stderr: format!("ended after {within:?}") },
    }
}
