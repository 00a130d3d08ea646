//! `--watch`: what makes a scenario play again, what doesn't, and what is shown then.
#![cfg(unix)]

use crate::{
    command::{ORDER, Written, dojo_run, scenario},
    fake_dojo::{FakeDojo, Script, version},
};
use dojo_run::exit;
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    process::{Child, Command},
    sync::watch,
};

const MISSED: &str = "expect: { action: DLQ, atLeast: 1 }";
const NOTIFIED: &str = "expect: { action: NOTIFIED, exactly: 1 }";

/// The program, and what it has said.
struct Watching {
    child: Child,
    _folder: Arc<TempDir>,
    said: watch::Receiver<String>,
    /// How much of that a test has waited for.
    read: usize,
}

/// Adds what a pipe says to the text.
fn follow(mut stream: pipe::Receiver, said: watch::Sender<String>) {
    tokio::spawn(async move {
        let mut bytes = [0; 4_096];
        while let Ok(read @ 1..) = stream.read(&mut bytes).await {
            said.send_modify(|said| said.push_str(&String::from_utf8_lossy(&bytes[..read])));
        }
    });
}

impl Watching {
    fn start(written: &Written, target: &str) -> Self {
        Self::start_with(written, target, &["scenario-0.yaml"])
    }

    fn start_with(written: &Written, target: &str, args: &[&str]) -> Self {
        let mut command = dojo_run();
        command.current_dir(written.dir()).args(args).args(["--watch", "--target", target]);
        // One pipe for both, so that the test sees what is said in its order.
        let (reader, writer) = std::io::pipe().unwrap();
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let child = command.spawn().unwrap();
        let (saying, said) = watch::channel(String::new());
        follow(pipe::Receiver::from_owned_fd(reader.into()).unwrap(), saying);
        Self { child, _folder: written.kept(), said, read: 0 }
    }

    /// Waits until the program says this, after what was waited for before.
    #[track_caller]
    fn until(&mut self, text: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let read = self.read;
            let heard = self.said.wait_for(|said| said[read..].contains(text));
            let heard = tokio::time::timeout(Duration::from_secs(30), heard).await;
            let found =
                heard.map(|said| said.map(|said| said[read..].find(text).unwrap() + read + text.len()));
            match found {
                Ok(Ok(read)) => self.read = read,
                _ => panic!("{text:?} at {caller} in\n{}", self.said.borrow().as_str()),
            }
        }
    }

    /// Waits until a verdict was shown and the program waits.
    #[track_caller]
    fn until_it_waits(&mut self) -> impl Future<Output = ()> {
        self.until("waiting for a change")
    }

    async fn interrupted(mut self) -> i32 {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait());
        ended.await.expect("it ends").unwrap().code().unwrap_or(-1)
    }
}

#[tokio::test]
async fn a_saved_scenario_is_played_again_and_the_difference_in_its_verdict_is_shown() {
    let dojo = FakeDojo::start(Script::default()).await;
    let written = Written::new(&[&scenario(&[ORDER, NOTIFIED, MISSED])]);
    let mut watching = Watching::start(&written, &dojo.url);
    watching.until("NOT MET  DLQ").await;
    watching.until_it_waits().await;
    written.write(
        "scenario-0.yaml",
        &scenario(&[ORDER, ORDER, NOTIFIED, "expect: { action: RETRY, none: true }"]),
    );
    watching.until("scenario-0.yaml changed").await;
    watching.until("no longer met: NOTIFIED: exactly 1, within 10s: 2 seen, of 2 orders\n").await;
    watching.until("new: RETRY").await;
    watching.until("removed: DLQ").await;
    watching.until_it_waits().await;
    written.write("scenario-0.yaml", &scenario(&[ORDER, NOTIFIED, "expect: { action: RETRY, none: true }"]));
    watching.until("now met: NOTIFIED: exactly 1, within 10s: 1 seen, of 1 order\n").await;
    watching.until("seen changed: RETRY").await;
    watching.until_it_waits().await;
    assert_eq!(dojo.verdicts(), ["notMet", "notMet", "met"]);
}

#[tokio::test]
async fn a_saved_file_that_the_scenario_names_plays_it_again() {
    let dojo = FakeDojo::start(Script::default()).await;
    let written =
        Written::new(&[&scenario(&["include: parts/one.yaml", "rule: { name: fraud, file: strict.rhai }"])]);
    written.write("parts/one.yaml", &format!("steps: [{{ {ORDER} }}]\n"));
    written.write("strict.rhai", "LIMIT = 1");
    let mut watching = Watching::start(&written, &dojo.url);
    watching.until_it_waits().await;
    written.write("parts/one.yaml", &format!("steps: [{{ {ORDER} }}, {{ {ORDER} }}]\n"));
    watching.until("parts/one.yaml changed").await;
    watching.until_it_waits().await;
    written.write("strict.rhai", "LIMIT = 2");
    watching.until("strict.rhai changed").await;
    watching.until_it_waits().await;
    assert_eq!((dojo.orders().len(), dojo.runs().len()), (5, 3));
}

#[tokio::test]
async fn a_scenario_that_is_added_to_a_watched_folder_is_played() {
    let dojo = FakeDojo::start(Script::default()).await;
    let written = Written::new(&[]);
    written.write("all/a.yaml", &scenario(&[ORDER]));
    let mut watching = Watching::start_with(&written, &dojo.url, &["all"]);
    watching.until_it_waits().await;
    written.write("all/b.yaml", &scenario(&[ORDER]).replace("name: Test", "name: Second"));
    watching.until("all/b.yaml was added").await;
    watching.until("Second (run ").await;
    watching.until_it_waits().await;
}

#[tokio::test]
async fn a_rule_that_is_saved_in_the_dojo_plays_the_scenario_again_and_is_named() {
    let dojo = FakeDojo::start(Script::default()).await;
    let mut watching = Watching::start(&Written::new(&[&scenario(&[ORDER])]), &dojo.url);
    watching.until_it_waits().await;
    dojo.save_rule("fraud", "LIMIT = 8");
    let versions = format!("version {} → {}", version("LIMIT = 5"), version("LIMIT = 8"));
    watching.until(&format!("rules/fraud.rhai: {versions}\n")).await;
    watching.until_it_waits().await;
    assert_eq!(dojo.runs().len(), 2);
}

#[tokio::test]
async fn a_rule_that_the_scenario_itself_changes_plays_nothing_again() {
    let dojo = FakeDojo::start(Script::default()).await;
    let rule = "rule: { name: fraud, source: LIMIT = 1 }";
    let mut watching = Watching::start(&Written::new(&[&scenario(&[rule, "pause: 500ms"])]), &dojo.url);
    watching.until_it_waits().await;
    dojo.until_rules_are_asked_for(5).await;
    assert_eq!(dojo.runs().len(), 1);
    dojo.save_rule("fraud", "LIMIT = 8");
    watching.until("rules/fraud.rhai: version ").await;
}

#[tokio::test]
async fn a_change_while_a_scenario_plays_stops_it_in_order_and_plays_again() {
    let dojo = FakeDojo::start(Script::default()).await;
    let written = Written::new(&[&scenario(&["pause: 10m"])]);
    let mut watching = Watching::start(&written, &dojo.url);
    dojo.until_step(1).await;
    written.write("scenario-0.yaml", &scenario(&["pause: 9m"]));
    dojo.until_runs_ended(1).await;
    watching.until("scenario-0.yaml changed").await;
    dojo.until_steps(2).await;
    dojo.save_rule("notification", "other");
    dojo.until_runs_ended(2).await;
    written.write("scenario-0.yaml", &scenario(&[ORDER]));
    watching.until("the scenario has no expectation").await;
    let verdicts = dojo.verdicts();
    assert_eq!(
        (verdicts[0].as_str(), verdicts.last().unwrap().as_str()),
        ("interrupted", "met"),
        "{verdicts:?}"
    );
}

#[tokio::test]
async fn mistakes_are_shown_and_the_next_save_is_waited_for() {
    let dojo = FakeDojo::start(Script::default()).await;
    let written = Written::new(&["name: Test\nsteps: [{ paus: 1s }]\n"]);
    let mut watching = Watching::start(&written, &dojo.url);
    watching.until("--> scenario-0.yaml:2:").await;
    watching.until_it_waits().await;
    written.write("scenario-0.yaml", &scenario(&[ORDER]));
    watching.until("verdict").await;
    watching.until_it_waits().await;
    assert_eq!(watching.interrupted().await, i32::from(exit::MET));
}

#[tokio::test]
async fn a_stop_on_the_page_ends_the_run_and_not_the_watch() {
    let dojo = FakeDojo::start(Script { stops_at: Some(1), ..Script::default() }).await;
    let written = Written::new(&[&scenario(&["pause: 10m"])]);
    let mut watching = Watching::start(&written, &dojo.url);
    watching.until("stopped on the page").await;
    watching.until_it_waits().await;
    written.write("scenario-0.yaml", &scenario(&["say: hello"]));
    watching.until("scenario-0.yaml changed").await;
    watching.until_it_waits().await;
}

#[tokio::test]
async fn a_deleted_scenario_is_waited_for() {
    let dojo = FakeDojo::start(Script::default()).await;
    let written = Written::new(&[&scenario(&[ORDER])]);
    let mut watching = Watching::start(&written, &dojo.url);
    watching.until_it_waits().await;
    std::fs::remove_file(written.dir().join("scenario-0.yaml")).unwrap();
    watching.until("scenario-0.yaml was deleted").await;
    watching.until("`scenario-0.yaml` isn't there any more; waiting until it is back").await;
    watching.until_it_waits().await;
    written.write("scenario-0.yaml", &scenario(&[ORDER]));
    watching.until("scenario-0.yaml is there").await;
    watching.until("verdict").await;
    assert_eq!(dojo.runs().len(), 2);
}

#[tokio::test]
async fn a_dojo_that_is_away_is_waited_for() {
    // The system does not assign a port again right after it was closed.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let written = Written::new(&[&scenario(&[ORDER])]);
    let mut watching = Watching::start(&written, &format!("http://{address}"));
    watching.until("nothing answers at").await;
    watching.until("the dojo doesn't answer; the scenarios play again once it does").await;
    let _dojo = FakeDojo::start_at(&address, Script::default()).await;
    watching.until("the dojo is back").await;
    watching.until("played to its end").await;
}

#[tokio::test]
async fn ctrl_c_ends_with_the_last_verdict_or_with_130_while_a_scenario_plays() {
    let dojo = FakeDojo::start(Script::default()).await;
    let mut waits = Watching::start(&Written::new(&[&scenario(&[ORDER, MISSED])]), &dojo.url);
    waits.until_it_waits().await;
    assert_eq!(waits.interrupted().await, i32::from(exit::NOT_MET));
    let dojo = FakeDojo::start(Script::default()).await;
    let plays = Watching::start(&Written::new(&[&scenario(&["pause: 10m"])]), &dojo.url);
    dojo.until_step(1).await;
    assert_eq!(plays.interrupted().await, i32::from(exit::INTERRUPTED));
    assert_eq!(dojo.verdicts(), ["interrupted"]);
}

#[tokio::test]
async fn a_scenario_that_is_not_there_at_the_start_ends_with_1() {
    let written = Written::new(&[]);
    let mut watching = Watching::start_with(&written, "http://localhost:1", &["no-such.yaml"]);
    watching.until("cannot read `no-such.yaml`").await;
    assert_eq!(watching.child.wait().await.unwrap().code(), Some(i32::from(exit::COMMAND_LINE)));
    for other in ["--check", "--dry-run", "--repeat=2", "--run-id=r-1"] {
        let status = dojo_run().args(["x.yaml", "--watch", other]).status().await.unwrap();
        assert_eq!(status.code(), Some(i32::from(exit::COMMAND_LINE)), "{other}");
    }
}
