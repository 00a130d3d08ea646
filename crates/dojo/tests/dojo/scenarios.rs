//! Every scenario happens as it says, after any other, and puts back what it changed.

use crate::process::{Dojo, Start, workspace};
use dojo_testbed::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

/// The scenarios that take a few seconds at most.
const SHORT: [&str; 5] = ["first-order", "fraud-spam", "order-flood", "big-spender", "failure-burst"];

/// The names of all scenarios, in an order that is as good as random and the same every time.
fn shuffled() -> Vec<String> {
    let files = std::fs::read_dir(workspace().join("scenarios")).unwrap();
    let files = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = files.filter_map(|file| file.strip_suffix(".yaml").map(str::to_owned)).collect();
    names.sort_by_key(|name| Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()));
    assert!(names.len() >= 15, "{names:?}");
    names
}

/// What a scenario can change: the settings, what is asked of which instances, and the rules.
async fn state(dojo: &Dojo) -> Result<Value, String> {
    let instances = dojo.ask("/instances").await?;
    let instances = instances.as_array().ok_or("no list of instances")?.iter();
    let instances: Vec<_> =
        instances.map(|one| json!([one["instanceId"], one["desired"], one["live"]])).collect();
    let rules = ["fraud", "notification"].map(|rule| {
        std::fs::read_to_string(dojo.rules.join(rule).with_extension("rhai")).map_err(|e| e.to_string())
    });
    let [fraud, notification] = rules;
    Ok(json!({
        "settings": dojo.ask("/settings").await?, "instances": instances, "rules": [fraud?, notification?],
    }))
}

/// How often a scenario is tried that could not run.
const TRIES: usize = 3;
const COULD_NOT_RUN: i32 = 3;

/// Plays a scenario. A machine that is busy with other tests may not hold its rate; that is no verdict, so it is tried again.
async fn verdict(dojo: &Dojo, name: &str) -> (i32, String) {
    // Debug builds take fewer orders a second than these scenarios ask for.
    let slow: &[&str] = &["--var", "rate=150/s"];
    let args = if ["at-least-once", "exactly-once"].contains(&name) { slow } else { &[] };
    let mut last = dojo.play_with(name, args).await;
    for _ in 1..TRIES {
        if last.0 != COULD_NOT_RUN {
            break;
        }
        eprintln!("{name} could not run, and is tried again:\n{}", last.1);
        last = dojo.play_with(name, args).await;
    }
    last
}

async fn is_met(dojo: &Dojo, name: &str) {
    let before = state(dojo).await.unwrap();
    let (code, said) = verdict(dojo, name).await;
    assert_eq!(code, 0, "{name}:\n{said}");
    eventually(&format!("everything to be as it was before {name}"), async || {
        let after = state(dojo).await?;
        if after == before { Ok(()) } else { Err(format!("{after:#}, and it was {before:#}")) }
    })
    .await;
}

#[tokio::test]
async fn every_scenario_is_met_after_any_other_and_puts_everything_back() {
    let dojo = Start::new().ready().await;
    for name in shuffled() {
        is_met(&dojo, &name).await;
    }
}

#[tokio::test]
async fn a_scenario_is_met_again_at_once() {
    let dojo = Start::new().ready().await;
    for name in SHORT {
        is_met(&dojo, name).await;
        is_met(&dojo, name).await;
    }
}

#[tokio::test]
async fn without_a_dojo_a_scenario_could_not_run() {
    let path = workspace().join("scenarios/first-order.yaml");
    let mut command = tokio::process::Command::new(crate::process::dojo_run());
    let nowhere = format!("http://localhost:{}", crate::process::free_port());
    let output = command.arg(path).env("DOJO_TARGET", nowhere).output().await.unwrap();
    assert_eq!(output.status.code(), Some(3));
}
