//! A broken event stream is resumed, or ends the run if events may be missing.

use crate::{
    command::{ORDER, play},
    fake_dojo::{FakeDojo, Script},
};
use dojo_run::exit;
use std::time::Duration;

const FIVE: &str = r#"flood: { count: 5, rate: 100/s, order: { customerName: "Ada ${run}", item: Pizza, quantity: 1, price: 1 } }"#;
const NOTIFIED: &str = "expect: { action: NOTIFIED, exactly: 5, within: 20s }";

#[tokio::test]
async fn a_broken_stream_is_resumed_where_it_broke() {
    let dojo = FakeDojo::start(Script { breaks_after: Some(4), ..Script::default() }).await;
    play(&dojo.url, &[FIVE, NOTIFIED]).await.expect(exit::MET);
    let streams = dojo.streams();
    assert_eq!(streams[..3], [None, Some("4".to_owned()), Some("8".to_owned())]);
}

#[tokio::test]
async fn a_gap_in_the_stream_ends_the_run() {
    let dojo = FakeDojo::start(Script { breaks_after: Some(2), gap: true, ..Script::default() }).await;
    let ended = play(&dojo.url, &[ORDER, NOTIFIED]).await.expect(exit::COULD_NOT_RUN);
    assert!(ended.stdout.contains("the counts are uncertain"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_stream_that_breaks_before_its_first_event_ends_the_run() {
    let dojo = FakeDojo::start(Script { breaks_after: Some(0), ..Script::default() }).await;
    let ended = play(&dojo.url, &[ORDER, NOTIFIED]).await.expect(exit::COULD_NOT_RUN);
    assert!(ended.stdout.contains("the counts are uncertain"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_stream_that_does_not_come_back_ends_the_run_within_a_bound() {
    let dojo =
        FakeDojo::start(Script { breaks_after: Some(1), never_resumes: true, ..Script::default() }).await;
    let steps = [ORDER, "expect: { action: NOTIFIED, exactly: 1, within: 10m }"];
    let ended = play(&dojo.url, &steps).await.expect(exit::COULD_NOT_RUN);
    assert!(ended.stdout.contains("could not be resumed within"), "{}", ended.stdout);
}

#[tokio::test]
async fn events_that_are_held_up_are_waited_for_after_the_time_is_up() {
    let dojo = FakeDojo::start(Script { stalls: Duration::from_secs(3), ..Script::default() }).await;
    let notified = "expect: { action: NOTIFIED, exactly: 1, within: 1s }";
    play(&dojo.url, &[ORDER, notified]).await.expect(exit::MET);
}
