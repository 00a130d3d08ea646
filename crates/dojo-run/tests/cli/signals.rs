//! Ctrl-C and SIGTERM, sent to the real program.
#![cfg(unix)]

use crate::{
    command::{ORDER, Written, ended},
    fake_dojo::{FakeDojo, Script},
};
use dojo_run::exit;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

async fn signal(name: &str, child: &Child) {
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([format!("-{name}"), pid]).status().await.unwrap().success());
}

async fn interrupted(with: &str, step: &str) {
    let dojo = FakeDojo::start(Script::default()).await;
    let yaml = format!("name: Test\nsettings: {{ failRate: 0 }}\nsteps:\n  - {ORDER}\n  - {step}\n");
    let written = Written::new(&[&yaml, &yaml]);
    let child = written.start(&dojo.url);
    dojo.until_step(2).await;
    signal(with, &child).await;
    let ended = ended(child).await.expect(exit::INTERRUPTED);
    assert_eq!((dojo.verdicts(), dojo.runs().len()), (vec!["interrupted".to_owned()], 1), "{}", ended.stderr);
    assert!(ended.stdout.contains("interrupted"), "{}", ended.stdout);
}

#[tokio::test]
async fn ctrl_c_during_a_pause_ends_the_run_and_plays_nothing_more() {
    interrupted("INT", "pause: 10m").await;
}

#[tokio::test]
async fn ctrl_c_during_an_expectation_ends_the_run() {
    interrupted("INT", "expect: { action: REDRIVEN, exactly: 1, within: 10m }").await;
}

#[tokio::test]
async fn ctrl_c_during_a_flood_ends_the_run() {
    interrupted(
        "INT",
        "flood: { count: 600, rate: 60/min, order: { customerName: A, item: B, quantity: 1, price: 1 } }",
    )
    .await;
}

#[tokio::test]
async fn a_termination_is_as_good_as_ctrl_c() {
    interrupted("TERM", "pause: 10m").await;
}

#[tokio::test]
async fn the_first_ctrl_c_after_a_stop_on_the_page_still_waits_for_the_end() {
    let script = Script { stops_at: Some(1), hangs_at_the_end: true, ..Script::default() };
    let dojo = FakeDojo::start(script).await;
    let written = Written::new(&["name: Test\nsteps:\n  - pause: 10m\n"]);
    let child = written.start(&dojo.url);
    dojo.until_ended().await;
    signal("INT", &child).await;
    let ended = ended(child).await.expect(exit::INTERRUPTED);
    assert!(ended.stdout.contains("error    stopped on the page"), "{}", ended.stdout);
}

#[tokio::test]
async fn nobody_who_stops_a_run_on_the_page_is_told_to_press_ctrl_c_again() {
    let dojo = FakeDojo::start(Script { stops_at: Some(1), ..Script::default() }).await;
    let ended = Written::new(&["name: Test\nsteps:\n  - pause: 10m\n"]).play(&dojo.url).await;
    assert!(!ended.stderr.contains("again not to wait"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_second_ctrl_c_does_not_wait_for_the_order_service() {
    let dojo = FakeDojo::start(Script { hangs_at_the_end: true, ..Script::default() }).await;
    let written = Written::new(&["name: Test\nsettings: { failRate: 0 }\nsteps:\n  - pause: 10m\n"]);
    let child = written.start(&dojo.url);
    dojo.until_step(1).await;
    signal("INT", &child).await;
    dojo.until_ended().await;
    signal("INT", &child).await;
    let second = Instant::now();
    ended(child).await.expect(exit::INTERRUPTED);
    assert!(second.elapsed() < Duration::from_secs(10), "an answer would be waited for longer");
}
