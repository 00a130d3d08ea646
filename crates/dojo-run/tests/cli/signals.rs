//! Ctrl-C and SIGTERM, sent to the real program.
#![cfg(unix)]

use crate::{
    command::{ORDER, Written, ended},
    fake_dojo::{FakeDojo, Script},
};
use dojo_run::exit;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

async fn signal(name: &str, child: &Child) {
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([format!("-{name}"), pid]).status().await.unwrap().success());
}

async fn interrupted(with: &str, step: &str) {
    let dojo = FakeDojo::start(Script::default()).await;
    dojo.set("failRate", "0.5");
    let yaml = format!("name: Test\nsettings: {{ failRate: 0 }}\nsteps:\n  - {ORDER}\n  - {step}\n");
    let written = Written::new(&[&yaml, &yaml]);
    let child = written.start(&dojo.url);
    dojo.until_patched(|patches| patches.len() == 1).await;
    signal(with, &child).await;
    let ended = ended(child).await.expect(exit::INTERRUPTED);
    assert_eq!(dojo.patches(), [json!({"failRate": 0}), json!({"failRate": 0.5})], "{}", ended.stderr);
    assert!(ended.stdout.contains("interrupted"), "{}", ended.stdout);
}

#[tokio::test]
async fn ctrl_c_during_a_pause_puts_settings_back_and_plays_nothing_more() {
    interrupted("INT", "pause: 10m").await;
}

#[tokio::test]
async fn ctrl_c_during_an_expectation_puts_settings_back() {
    interrupted("INT", "expect: { action: REDRIVEN, exactly: 1, within: 10m }").await;
}

#[tokio::test]
async fn ctrl_c_during_a_flood_puts_settings_back() {
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
async fn a_second_ctrl_c_does_not_wait_for_the_settings() {
    let dojo = FakeDojo::start(Script { hangs_on_patch: 2, ..Script::default() }).await;
    let written = Written::new(&["name: Test\nsettings: { failRate: 0 }\nsteps:\n  - pause: 10m\n"]);
    let child = written.start(&dojo.url);
    for patches in [1, 2] {
        dojo.until_patched(|taken| taken.len() == patches).await;
        signal("INT", &child).await;
    }
    let second = Instant::now();
    ended(child).await.expect(exit::INTERRUPTED);
    assert!(second.elapsed() < Duration::from_secs(10), "an answer would be waited for longer");
}
