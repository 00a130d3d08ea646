//! Exit codes 0 and 1, and what `--help` promises.

use crate::command::{dojo_run, ended};
use dojo_run::exit;

async fn run(args: &[&str]) -> crate::command::Ended {
    ended(dojo_run().args(args).spawn().unwrap()).await
}

#[tokio::test]
async fn help_names_every_exit_code_and_goes_to_stdout() {
    let ended = run(&["--help"]).await.expect(exit::MET);
    for code in [
        exit::MET,
        exit::COMMAND_LINE,
        exit::NOT_PARSED,
        exit::COULD_NOT_RUN,
        exit::NOT_MET,
        exit::INTERRUPTED,
    ] {
        assert!(ended.stdout.contains(&format!("\n  {code:<5}")), "{code} in\n{}", ended.stdout);
    }
    assert!(ended.stdout.contains("DOJO_TARGET"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_wrong_command_line_ends_with_1() {
    for args in [&[][..], &["--colour"], &["--target", "https://localhost", "x.yaml"]] {
        let ended = run(args).await.expect(exit::COMMAND_LINE);
        assert!(ended.stdout.is_empty() && ended.stderr.starts_with("error: "), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_ends_with_1_and_is_named() {
    let ended = run(&["no-such-scenario.yaml"]).await.expect(exit::COMMAND_LINE);
    assert!(ended.stderr.contains("cannot read `no-such-scenario.yaml`"), "{}", ended.stderr);
}
