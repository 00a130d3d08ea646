//! What a run changes belongs to it, and is put back by the order service when the run ends.

use crate::{
    command::{Ended, ORDER, Written, ended, play},
    fake_dojo::{FakeDojo, Script},
};
use axum::http::StatusCode;
use dojo_run::exit;
use serde_json::json;

fn with_settings(settings: &str, steps: &[&str]) -> Written {
    Written::new(&[&format!("settings: {settings}\n{}", crate::command::scenario(steps))])
}

async fn play_alongside(written: &Written, dojo: &FakeDojo) -> Ended {
    ended(written.command().args(["--target", &dojo.url, "--alongside"]).spawn().unwrap()).await
}

#[tokio::test]
async fn every_change_belongs_to_the_run() {
    let dojo = FakeDojo::start(Script::default()).await;
    let written = with_settings("{ failRate: 1, instances: null }", &["settings: { maxRetries: 3 }", ORDER]);
    written.play(&dojo.url).await.expect(exit::MET);
    let run = dojo.runs()[0]["runId"].as_str().unwrap().to_owned();
    assert_eq!(
        dojo.patches(),
        [
            (json!({"failRate": 1, "instances": null}), Some(run.clone())),
            (json!({"maxRetries": 3}), Some(run)),
        ]
    );
}

#[tokio::test]
async fn what_was_put_back_is_told() {
    let dojo = FakeDojo::start(Script::default()).await;
    let ended = with_settings("{ failRate: 1 }", &[ORDER]).play(&dojo.url).await.expect(exit::MET);
    assert!(ended.stderr.contains("`failRate` is 0.3 again"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_run_reports_how_it_ended() {
    let dojo = FakeDojo::start(Script { accepts: 2, ..Script::default() }).await;
    play(&dojo.url, &[ORDER]).await.expect(exit::MET);
    play(&dojo.url, &[ORDER, "expect: { action: DLQ, atLeast: 1 }"]).await.expect(exit::NOT_MET);
    with_settings("{ failRate: 1 }", &[FLOOD]).play(&dojo.url).await.expect(exit::COULD_NOT_RUN);
    assert_eq!(dojo.verdicts(), ["met", "notMet", "failed"]);
}

const FLOOD: &str =
    "flood: { count: 2, rate: 10/s, order: { customerName: A, item: B, quantity: 1, price: 1 } }";

#[tokio::test]
async fn a_run_whose_end_cannot_be_reported_tries_again() {
    let dojo = FakeDojo::start(Script { away_at_the_end: 3, ..Script::default() }).await;
    with_settings("{ failRate: 0 }", &[ORDER]).play(&dojo.url).await.expect(exit::MET);
    assert_eq!(dojo.verdicts(), ["met"; 4]);
}

#[tokio::test]
async fn a_second_run_is_refused_and_told_who_plays() {
    let dojo = FakeDojo::start(Script { lent: true, ..Script::default() }).await;
    let ended = with_settings("{ failRate: 0 }", &[ORDER]).play(&dojo.url).await.expect(exit::COULD_NOT_RUN);
    assert!(ended.stdout.contains("\"Order flood\" (run a1b2c3) plays since 12:00:00"), "{}", ended.stdout);
    assert!(dojo.orders().is_empty() && dojo.patches().is_empty());
}

#[tokio::test]
async fn a_run_alongside_another_changes_nothing_and_needs_its_settings() {
    let dojo = FakeDojo::start(Script { lent: true, ..Script::default() }).await;
    let ended = play_alongside(&with_settings("{ failRate: 0.3 }", &[ORDER]), &dojo).await.expect(exit::MET);
    assert!(ended.stderr.contains("the settings are as this run needs them"), "{}", ended.stderr);
    let other = with_settings("{ failRate: 0 }", &[ORDER]);
    let ended = play_alongside(&other, &dojo).await.expect(exit::COULD_NOT_RUN);
    assert!(ended.stdout.contains("needs failRate 0, and the dojo has 0.3"), "{}", ended.stdout);
    assert_eq!((dojo.orders().len(), dojo.patches().len()), (1, 0));
}

#[tokio::test]
async fn a_step_that_changes_the_dojo_is_not_played_alongside() {
    let dojo = FakeDojo::start(Script { lent: true, ..Script::default() }).await;
    for step in ["settings: { failRate: 0 }", "instance: { stop: notification-1 }"] {
        let written = Written::new(&[&crate::command::scenario(&[ORDER, step])]);
        let ended = play_alongside(&written, &dojo).await.expect(exit::COULD_NOT_RUN);
        assert!(ended.stdout.contains("scenario-0.yaml:4:5"), "{}", ended.stdout);
    }
    assert!(dojo.orders().is_empty());
}

#[tokio::test]
async fn a_run_that_lost_its_lease_ends() {
    let dojo = FakeDojo::start(Script { requests: 1, ..Script::default() }).await;
    let ended = play(&dojo.url, &["pause: 10m"]).await.expect(exit::COULD_NOT_RUN);
    assert!(ended.stdout.contains("lost its lease"), "{}", ended.stdout);
}

#[tokio::test]
async fn an_instance_that_is_slow_to_apply_settings_is_a_note() {
    let dojo = FakeDojo::start(Script { patched: StatusCode::ACCEPTED, ..Script::default() }).await;
    let ended = with_settings("{ failRate: 0 }", &[ORDER]).play(&dojo.url).await.expect(exit::MET);
    assert!(ended.stderr.contains("not applied yet by notification-2\n"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_lesson_does_not_start_on_a_dojo_that_is_not_fit_for_it() {
    let dojo = FakeDojo::start(Script { no_notification: true, ..Script::default() }).await;
    let yaml = format!("before: {{ within: 1s }}\n{}", crate::command::scenario(&[ORDER]));
    let ended = Written::new(&[&yaml]).play(&dojo.url).await.expect(exit::COULD_NOT_RUN);
    assert!(ended.stdout.contains("no instance of the notification service is running"), "{}", ended.stdout);
    assert!(dojo.orders().is_empty());
}

#[tokio::test]
async fn check_and_dry_run_need_no_dojo() {
    let written = with_settings("{ failRate: 0 }", &[ORDER]);
    for flag in ["--check", "--dry-run"] {
        let nowhere = ["--target", "http://localhost:1", flag];
        ended(written.command().args(nowhere).spawn().unwrap()).await.expect(exit::MET);
    }
}
