//! Which scenarios are played, how often, and how much is said about it.

use crate::{
    command::{Ended, ORDER, Written, dojo_run, ended, scenario},
    fake_dojo::{FakeDojo, Script},
};
use dojo_run::exit;

const MISSED: &str = "expect: { action: DLQ, atLeast: 1 }";

async fn run(written: &Written, args: &[&str]) -> Ended {
    ended(dojo_run().current_dir(written.dir()).args(args).spawn().unwrap()).await
}

fn named(name: &str, tags: &str) -> String {
    format!("name: {name}\ntags: {tags}\nsteps: [{{ {ORDER} }}]\n")
}

/// A folder `all` with three scenarios and other files.
fn folder() -> Written {
    let written = Written::new(&[]);
    written.write("all/b.yml", &named("Second", "[fraud, short]"));
    written.write("all/a.yaml", &named("First", "[short]"));
    written.write("all/c.yaml", &named("Third", "[fraud]"));
    written.write("all/notes.md", "no scenario");
    written.write("all/deeper/d.yaml", &named("Deeper", "[short]"));
    written
}

/// The names of the scenarios that `--check` finds, in their order.
async fn checked(written: &Written, args: &[&str]) -> Vec<String> {
    let ended = run(written, &[&["--check"], args].concat()).await.expect(exit::MET);
    let name =
        |line: &str| line.split_once(": ").unwrap().1.strip_suffix(" is well written").unwrap().to_owned();
    ended.stdout.lines().map(name).collect()
}

#[tokio::test]
async fn a_folder_stands_for_the_yaml_files_directly_in_it_sorted() {
    assert_eq!(checked(&folder(), &["all"]).await, ["First", "Second", "Third"]);
    assert_eq!(checked(&folder(), &["all/c.yaml", "all"]).await, ["Third", "First", "Second", "Third"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_named_pipe_in_a_folder_is_not_waited_for() {
    let written = folder();
    let pipe = written.dir().join("all/pipe.yaml");
    let made = tokio::process::Command::new("mkfifo").arg(pipe).status().await.unwrap();
    assert!(made.success());
    assert_eq!(checked(&written, &["all"]).await, ["First", "Second", "Third"]);
}

#[tokio::test]
async fn a_name_with_a_line_end_stays_on_one_line() {
    let dojo = FakeDojo::start(Script::default()).await;
    let forged = "  verdict  all 9 expectations were met";
    let written = Written::new(&[&format!("name: \"Test\\n{forged}\"\nsteps: [{{ {ORDER} }}]\n")]);
    for args in [&["--check"][..], &["--dry-run"], &["--target", &dojo.url]] {
        let ended = run(&written, &[&["scenario-0.yaml"], args].concat()).await.expect(exit::MET);
        assert!(ended.stdout.contains("Test   verdict  all 9"), "{}", ended.stdout);
        let said = [ended.stdout, ended.stderr].concat();
        assert!(!said.lines().any(|line| line.starts_with(forged)), "{said}");
    }
}

#[tokio::test]
async fn a_folder_without_a_scenario_ends_with_1() {
    let written = Written::new(&[]);
    written.write("empty/notes.md", "no scenario");
    let ended = run(&written, &["empty"]).await.expect(exit::COMMAND_LINE);
    assert_eq!(ended.stderr, "error: the folder `empty` has no scenario; it needs .yaml or .yml files\n");
}

#[tokio::test]
async fn a_file_of_a_folder_without_a_name_is_a_part_if_another_file_includes_it() {
    let written = folder();
    written.write("all/part.yaml", &format!("steps: [{{ {ORDER} }}]\n"));
    let ended = run(&written, &["--check", "all"]).await.expect(exit::NOT_PARSED);
    assert!(ended.stderr.contains("`name` is missing"), "{}", ended.stderr);
    written.write("all/z.yaml", "name: Whole\nsteps: [{ include: part.yaml }]\n");
    assert_eq!(checked(&written, &["all"]).await, ["First", "Second", "Third", "Whole"]);
    // A part that is named on the command line is read as a scenario.
    run(&written, &["--check", "all", "all/part.yaml"]).await.expect(exit::NOT_PARSED);
}

#[tokio::test]
async fn a_tag_chooses_scenarios_and_several_tags_choose_those_with_any_of_them() {
    let written = folder();
    assert_eq!(checked(&written, &["all", "--tag", "fraud"]).await, ["Second", "Third"]);
    assert_eq!(
        checked(&written, &["all", "--tag", "fraud", "--tag", "short"]).await,
        ["First", "Second", "Third"]
    );
    let ended = run(&written, &["all", "--dry-run", "--tag", "fraud"]).await.expect(exit::MET);
    assert!(ended.stdout.contains("Third") && !ended.stdout.contains("First"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_tag_that_no_scenario_has_ends_with_1_and_the_tags_are_named() {
    let ended = run(&folder(), &["all", "--tag", "frau"]).await.expect(exit::COMMAND_LINE);
    assert_eq!(ended.stderr, "error: --tag: no scenario has the tag `frau`; their tags are fraud, short\n");
    run(&folder(), &["all", "--tag", "A B"]).await.expect(exit::COMMAND_LINE);
}

#[tokio::test]
async fn several_scenarios_end_with_one_summary() {
    let dojo = FakeDojo::start(Script::default()).await;
    let written = folder();
    written.write("all/c.yaml", &scenario(&[ORDER, MISSED]));
    let ended = run(&written, &["all", "--target", &dojo.url]).await.expect(exit::NOT_MET);
    let table = ended.stdout.split_once("\n\nscenario ").expect(&ended.stdout).1;
    let rows: Vec<Vec<_>> = table.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[1][..2], ["First", "met"], "{table}");
    assert_eq!(rows[3][..3], ["Test", "not", "met"], "{table}");
    assert!(table.contains("\n3 played: 2 met, 1 not met; "), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
}

#[tokio::test]
async fn one_scenario_has_no_summary() {
    let dojo = FakeDojo::start(Script::default()).await;
    let ended = run(&folder(), &["all/a.yaml", "--target", &dojo.url]).await.expect(exit::MET);
    assert!(!ended.stdout.contains(" played: "), "{}", ended.stdout);
}

#[tokio::test]
async fn repeat_plays_the_whole_selection_again_and_again() {
    let dojo = FakeDojo::start(Script::default()).await;
    let args = ["all", "--tag", "fraud", "--repeat", "3", "--target", &dojo.url];
    let ended = run(&folder(), &args).await.expect(exit::MET);
    let names: Vec<_> = dojo.runs().iter().map(|run| run["scenario"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["Second", "Third", "Second", "Third", "Second", "Third"]);
    assert!(
        ended.stdout.contains("met 3 of 3") && ended.stdout.contains("6 played: 6 met"),
        "{}",
        ended.stdout
    );
    for wrong in ["0", "1001"] {
        run(&folder(), &["all", "--repeat", wrong]).await.expect(exit::COMMAND_LINE);
    }
}

/// The seeds that the reports name.
fn seeds(stdout: &str) -> Vec<&str> {
    stdout.split(", seed ").skip(1).map(|rest| rest.split(',').next().unwrap()).collect()
}

#[tokio::test]
async fn a_repetition_has_a_new_seed_unless_one_is_given() {
    let dojo = FakeDojo::start(Script::default()).await;
    let args = ["all/a.yaml", "--repeat", "2", "--target", &dojo.url];
    let ended = run(&folder(), &args).await.expect(exit::MET);
    let drawn = seeds(&ended.stdout);
    assert!(drawn.len() == 2 && drawn[0] != drawn[1], "{}", ended.stdout);
    let ended = run(&folder(), &[&args[..], &["--seed", "7"]].concat()).await.expect(exit::MET);
    assert_eq!(seeds(&ended.stdout), ["7", "7"]);
}

#[tokio::test]
async fn fail_fast_stops_after_the_first_scenario_that_is_not_met() {
    let dojo = FakeDojo::start(Script::default()).await;
    let written = folder();
    written.write("all/b.yml", &scenario(&[ORDER, MISSED]));
    let args = ["all", "--fail-fast", "--repeat", "2", "--target", &dojo.url];
    let ended = run(&written, &args).await.expect(exit::NOT_MET);
    assert_eq!(dojo.verdicts(), ["met", "notMet"]);
    assert!(ended.stdout.contains("2 played: 1 met, 1 not met"), "{}", ended.stdout);
}

#[tokio::test]
async fn quiet_shows_only_verdicts_and_errors() {
    let dojo = FakeDojo::start(Script::default()).await;
    let written = Written::new(&[&scenario(&[ORDER, "say: hello", MISSED])]);
    let args = ["scenario-0.yaml", "--quiet", "--target", &dojo.url];
    let ended = run(&written, &args).await.expect(exit::NOT_MET);
    assert!(ended.stderr.is_empty() && ended.stdout.contains("NOT MET  DLQ"), "{}", ended.stderr);
    let ended = run(&written, &["no-such.yaml", "--quiet"]).await.expect(exit::COMMAND_LINE);
    assert!(ended.stderr.contains("cannot read `no-such.yaml`"), "{}", ended.stderr);
}

#[tokio::test]
async fn verbose_shows_every_state_of_a_step_and_the_events_too() {
    let dojo = FakeDojo::start(Script::default()).await;
    let flood =
        "flood: { count: 20, rate: 20/s, order: { customerName: A, item: B, quantity: 1, price: 1 } }";
    let args = ["scenario-0.yaml", "--target", &dojo.url];
    let written = Written::new(&[&scenario(&[flood, "expect: { action: NOTIFIED, perOrder: 1 }"])]);
    let lines = |ended: &Ended, text: &str| ended.stderr.lines().filter(|line| line.contains(text)).count();
    let ended = run(&written, &args).await.expect(exit::MET);
    assert_eq!((lines(&ended, "of 20 sent"), lines(&ended, "events: ")), (0, 1), "{}", ended.stderr);
    assert!(ended.stderr.contains("  events: orders 20, notified 20, "), "{}", ended.stderr);
    let ended = run(&written, &[&args[..], &["--verbose"]].concat()).await.expect(exit::MET);
    assert!(lines(&ended, "of 20 sent") > 2 && lines(&ended, "events: ") > 2, "{}", ended.stderr);
}
