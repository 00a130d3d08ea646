//! What the dojo says of itself to machines, checked by other people's tools: the document of the API by schemathesis, which
//! asks the API whether it answers as described, and the document of the events by AsyncAPI's own parser.
//!
//! `cargo xtask test` installs the tools. If one is missing, its test is skipped and says so; with `CI=true`, it fails.

mod asyncapi;
mod openapi;

use std::{
    process::{Output, Stdio},
    time::Duration,
};
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

fn skip(tool: &str, how: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{tool} is not installed, and CI needs it");
    eprintln!("skipped: {tool} is not installed; {how}");
}

/// Runs a program with `input` to its end.
async fn run(command: &mut Command, input: &[u8], within: Duration) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let finish = async {
        // A program may end without reading its input.
        let _ = stdin.write_all(input).await;
        drop(stdin);
        child.wait_with_output().await.unwrap()
    };
    timeout(within, finish).await.unwrap_or_else(|_| panic!("{command:?} has not ended within {within:?}"))
}

/// Whether a program ends well, such as one that only imports a tool.
async fn works(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().await.is_ok_and(|status| status.success())
}
