//! Other people's programs, run to their end within a bound.

use std::{
    process::{Command, Stdio},
    time::Duration,
};
use tokio::io::AsyncWriteExt;

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` where it was ended for taking too long, or by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `command` with `input` on its standard input.
pub async fn run(mut command: Command, input: &str, within: Duration) -> Ended {
    // Cargo lets its own build of librdkafka be found first, and then another client would be no other client.
    command.env_remove("LD_LIBRARY_PATH").env("PYTHONDONTWRITEBYTECODE", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.get_program().to_owned();
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut stdin = child.stdin.take().unwrap();
    let finish = async {
        // A program that ends without reading is none of our business.
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
