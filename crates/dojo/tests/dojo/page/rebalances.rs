//! The panel of rebalances.

use super::Page;
use crate::rebalances::until_at_rest;
use dojo_testbed::eventually;
use reqwest::Method;
use serde_json::json;

/// The sentences of the newest rebalance of the notification group whose members differ from `before`.
const NEWEST: &str = "const rows = [...document.querySelectorAll('#rebalances .row')]; \
    const newest = rows.find((row) => row.querySelector('[data-f=group]').textContent === 'notification-group'); \
    return newest && newest.dataset.settled === 'true' ? newest.querySelector('[data-f=summary]').textContent : ''";

impl Page {
    async fn newest_rebalance_begins_with(&self, wanted: &str) {
        eventually(&format!("a rebalance: {wanted}"), async || {
            let shown = self.browser.js(NEWEST, Vec::new()).await;
            if shown.as_str().unwrap().starts_with(wanted) { Ok(()) } else { Err(shown) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_crash_is_shown_and_what_happened_while_the_stream_was_interrupted() {
    let Some(page) = Page::open().await else { return };
    let Page { browser, dojo, .. } = &page;
    until_at_rest(dojo).await;
    dojo.kill("notification-2").await;
    page.newest_rebalance_begins_with("notification-2 crashed and joined again.").await;

    page.hold_events().await;
    let stop = dojo.http.request(Method::POST, format!("{}/instances/notification-1/stop", dojo.url));
    assert!(stop.send().await.unwrap().status().is_success());
    eventually("the server to have seen it", async || {
        let shown = dojo.ask("/rebalances").await?;
        let newest = &shown["rebalances"][0];
        let is_shown = newest["left"][0]["member"] == "notification-1" && !newest["settledAt"].is_null();
        if is_shown { Ok(()) } else { Err(newest.to_string()) }
    })
    .await;
    page.resume_events().await;
    page.newest_rebalance_begins_with("notification-1 left. notification-2 now reads orders").await;
    let twice = "const times = [...document.querySelectorAll('#rebalances .row')].map((row) => row.textContent); \
        return times.length - new Set(times).size";
    assert_eq!(browser.js(twice, Vec::new()).await, json!(0), "no row is there twice");
    browser.js("document.querySelector('#rebalances details').open = true", Vec::new()).await;
    for (width, height) in [(1280, 800), (390, 844)] {
        browser.resize(width, height).await;
        let scroll = "document.getElementById('rebalances').scrollIntoView({block: 'center'})";
        browser.js(scroll, Vec::new()).await;
        browser.keep_screenshot(&format!("rebalances-{width}x{height}.png")).await;
    }
}
