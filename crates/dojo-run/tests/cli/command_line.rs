//! Exit codes 0 and 1, and what `--help` promises.

use crate::command::{Written, dojo_run, ended};
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

/// Two scenarios, of which only the first has a variable.
fn with_and_without_a_variable() -> Written {
    Written::new(&[
        "name: With\nvars: { rate: 20/s }\nsteps: [{ say: 'at ${rate}' }]\n",
        "name: Without\nsteps: [{ say: hello }]\n",
    ])
}

#[tokio::test]
async fn a_variable_is_for_the_files_that_have_it() {
    let files = with_and_without_a_variable();
    let child = files.command().args(["--dry-run", "--var", "rate=100/s"]).spawn();
    let ended = ended(child.unwrap()).await.expect(exit::MET);
    assert!(ended.stdout.contains("at 100/s"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_variable_that_no_file_has_or_that_is_given_twice_ends_with_1() {
    let wrong: [(&[&str], &str); 2] = [
        (&["--var", "rat=1/s"], "no scenario has a variable `rat`; did you mean `rate`?"),
        (&["--var", "rate=1/s", "--var", "rate=2/s"], "--var gives `rate` twice, first as `1/s`"),
    ];
    let files = with_and_without_a_variable();
    for (args, words) in wrong {
        let child = files.command().arg("--check").args(args).spawn();
        let ended = ended(child.unwrap()).await.expect(exit::COMMAND_LINE);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}
