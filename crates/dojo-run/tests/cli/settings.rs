//! Settings are as they were, whatever happened.

use crate::{
    command::{ORDER, Written, play},
    fake_dojo::{FakeDojo, Script},
};
use axum::http::StatusCode;
use dojo_run::exit;
use serde_json::json;

fn with_settings(settings: &str, steps: &[&str]) -> Written {
    Written::new(&[&format!("settings: {settings}\n{}", crate::command::scenario(steps))])
}

#[tokio::test]
async fn settings_are_put_back_after_a_run() {
    let dojo = FakeDojo::start(Script::default()).await;
    dojo.set("maxRetries", "1");
    dojo.set("instances.notification-2.failRate", "0.9");
    let written = with_settings(
        "{ failRate: 1, instances: null }",
        &["settings: { maxRetries: 3 }", ORDER, "expect: { event: dlq, perOrder: 1 }"],
    );
    written.play(&dojo.url).await.expect(exit::MET);
    assert_eq!(
        dojo.patches(),
        [
            json!({"failRate": 1, "instances": null}),
            json!({"maxRetries": 3}),
            json!({"failRate": null, "maxRetries": 1, "instances": {"notification-2": {"failRate": 0.9}}}),
        ]
    );
}

#[tokio::test]
async fn settings_are_put_back_after_a_failure() {
    let dojo = FakeDojo::start(Script { accepts: 0, ..Script::default() }).await;
    with_settings("{ failRate: 1 }", &[ORDER]).play(&dojo.url).await.expect(exit::COULD_NOT_RUN);
    assert_eq!(dojo.patches().last(), Some(&json!({"failRate": null})));
}

#[tokio::test]
async fn settings_that_cannot_be_put_back_are_an_error_with_the_remedy() {
    let dojo = FakeDojo::start(Script { takes_patches: 1, ..Script::default() }).await;
    let ended = with_settings("{ failRate: 0 }", &[ORDER]).play(&dojo.url).await.expect(exit::COULD_NOT_RUN);
    assert!(
        ended.stdout.contains(r#"curl -X PATCH"#) && ended.stdout.contains(r#"'{"failRate":null}'"#),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn an_instance_that_is_slow_to_apply_settings_is_a_note() {
    let dojo = FakeDojo::start(Script { patched: StatusCode::ACCEPTED, ..Script::default() }).await;
    let ended = with_settings("{ failRate: 0 }", &[ORDER]).play(&dojo.url).await.expect(exit::MET);
    assert!(ended.stderr.contains("not applied yet by notification-2\n"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_scenario_without_settings_touches_none() {
    let dojo = FakeDojo::start(Script::default()).await;
    play(&dojo.url, &[ORDER]).await.expect(exit::MET);
    assert!(dojo.patches().is_empty());
}
