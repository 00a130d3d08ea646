//! A flood keeps its schedule, or reports that it could not.

use crate::{
    command::{ORDER, play},
    fake_dojo::{FakeDojo, Script},
};
use dojo_run::exit;
use std::time::{Duration, Instant};

fn flood(count: usize, rate: &str) -> String {
    format!(
        r#"flood: {{ count: {count}, rate: {rate}, order: {{ customerName: "Guest ${{n}}", item: Soup, quantity: 1, price: 1 }} }}"#
    )
}

#[tokio::test]
async fn a_flood_does_not_wait_for_answers() {
    let dojo = FakeDojo::start(Script { answer_after: Duration::from_secs(1), ..Script::default() }).await;
    let start = Instant::now();
    play(&dojo.url, &[&flood(60, "60/s")]).await.expect(exit::MET);
    // One after another they would take a minute.
    assert!(start.elapsed() < Duration::from_secs(20));
    let names: Vec<_> = dojo.orders().into_iter().map(|(_, order)| order.customer_name).collect();
    assert!(
        names.contains(&"Guest 1".to_owned()) && names.contains(&"Guest 60".to_owned()) && names.len() == 60
    );
}

#[tokio::test]
async fn a_dojo_that_stands_still_is_told_also_if_the_rate_was_held() {
    let still_for = Duration::from_secs(3);
    let dojo = FakeDojo::start(Script { stands_still_at: 200, still_for, ..Script::default() }).await;
    let ended = play(&dojo.url, &[&flood(1_000, "200/s")]).await.expect(exit::MET);
    let figures = ended.stderr.split_once("1000 accepted, ").expect(&ended.stderr).1.to_owned();
    let seconds = |from: &str, to: &str| {
        let text = figures.split_once(from).unwrap().1.split_once(to).unwrap().0;
        text.trim_end_matches(" s").trim_end_matches('s').parse::<f64>().expect(&figures)
    };
    // A test machine is late now and then, on both sides.
    assert!(seconds("; nothing was answered for ", " (from") > 2.5, "{figures}");
    // Latency counts from the time at which an order was due.
    assert!(seconds("(p50), ", " (p99)") > 2.5, "{figures}");
}

#[tokio::test]
async fn a_rate_that_is_not_held_says_what_kept_it() {
    let dojo = FakeDojo::start(Script { answer_after: Duration::from_secs(2), ..Script::default() }).await;
    let ended = play(&dojo.url, &[&flood(3_000, "1000/s")]).await.expect(exit::COULD_NOT_RUN);
    for text in [
        "of 3000 orders were sent more than 500ms late, the latest ",
        " late (asked for 1000.0/s, sent ",
        "1024 requests were in flight",
        "verdict  none",
    ] {
        assert!(ended.stdout.contains(text), "{text}: {}", ended.stdout);
    }
}

#[tokio::test]
async fn orders_that_are_refused_end_the_flood_with_the_first_reason() {
    let dojo = FakeDojo::start(Script { accepts: 3, ..Script::default() }).await;
    let ended = play(&dojo.url, &[&flood(1_000, "50/s")]).await.expect(exit::COULD_NOT_RUN);
    assert!(ended.stdout.contains("; the first: POST /orders was answered with 503: Kafka is away"));
    assert!(!ended.stdout.contains("of 1000 orders"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_target_that_is_away_is_told_with_the_way_to_start_it() {
    // The system does not assign a port again right after it was closed.
    let url = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let ended = play(&url, &[ORDER]).await.expect(exit::COULD_NOT_RUN);
    assert!(ended.stdout.contains(&format!("nothing answers at {url}")), "{}", ended.stdout);
    assert!(ended.stdout.contains("cargo run --release"), "{}", ended.stdout);
}

#[tokio::test]
async fn something_else_at_the_port_is_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let other = axum::Router::new().fallback(|| async { "hello" });
    let serving = tokio::spawn(async move { axum::serve(listener, other).await });
    let ended = play(&url, &[ORDER]).await.expect(exit::COULD_NOT_RUN);
    assert!(ended.stdout.contains("is another program at the target's port?"), "{}", ended.stdout);
    serving.abort();
}
