//! The page's stream: shared by the tabs of a browser, resumed where it was interrupted, and missed when it is dead.

use super::{Browser, Page};
use crate::process::{Start, send_signal};
use dojo_testbed::{PATIENCE, eventually, until};
use serde_json::json;
use std::time::{Duration, Instant};

/// One tab more than a browser opens connections to a host.
const TABS: usize = 7;
/// What the order service gives to all clients together.
const STREAMS: usize = 256;
/// Keeps each state of the stream, also while the tab is hidden.
const NOTE_STATES: &str = "const place = document.querySelector('#stream'); \
    new MutationObserver(() => localStorage.setItem('state', place.dataset.state)).observe(place, {attributes: true})";

impl Browser {
    async fn new_tab(&self) {
        let tab = self.client.new_window(true).await.unwrap();
        self.client.switch_to_window(tab.handle).await.unwrap();
    }
}

#[tokio::test]
async fn seven_tabs_of_one_browser_all_show_the_next_order() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    browser.open(&dojo).await;
    for _ in 1..TABS {
        browser.new_tab().await;
        browser.open(&dojo).await;
    }
    let order = dojo.placed("Ada", "9.50").await;
    for tab in browser.client.windows().await.unwrap() {
        browser.client.switch_to_window(tab).await.unwrap();
        browser.wait_for("#stream[data-state=live]").await;
        browser.wait_for(&format!("#orders [data-order-id='{order}']")).await;
    }
}

#[tokio::test]
async fn a_hidden_tab_closes_its_stream_and_goes_on_at_its_cursor_when_it_is_shown() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let hidden = browser.client.window().await.unwrap();
    browser.js(NOTE_STATES, Vec::new()).await;
    browser.new_tab().await;
    browser.client.goto(&format!("{}/assets/icon.svg", page.dojo.url)).await.unwrap();
    until("the hidden tab to close its stream", async || {
        browser.js("return localStorage.getItem('state')", Vec::new()).await == "paused"
    })
    .await;
    let order = page.dojo.placed("Grace", "9.50").await;
    browser.client.switch_to_window(hidden).await.unwrap();
    browser.wait_for(&format!("#orders [data-order-id='{order}']")).await;
    browser.says("#stream", "live: resumed").await;
}

#[tokio::test]
async fn two_windows_that_are_both_shown_see_the_same_events_once() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let first = browser.client.window().await.unwrap();
    let second = browser.client.new_window(false).await.unwrap().handle;
    browser.client.switch_to_window(second.clone()).await.unwrap();
    browser.open(&page.dojo).await;
    // One of them falls behind, and the stream that they share goes back to it.
    page.hold_events().await;
    let orders = [page.dojo.placed("Grace", "9.50").await, page.dojo.placed("Alan", "9.50").await];
    browser.client.switch_to_window(first.clone()).await.unwrap();
    browser.wait_for(&format!("#orders [data-order-id='{}']", orders[1])).await;
    browser.client.switch_to_window(second.clone()).await.unwrap();
    page.resume_events().await;
    for window in [second, first] {
        browser.client.switch_to_window(window).await.unwrap();
        browser.wait_for(&format!("#orders [data-order-id='{}']", orders[1])).await;
        let rows = "return [...document.querySelectorAll('#orders .row')].map((row) => row.dataset.orderId)";
        assert_eq!(browser.js(rows, Vec::new()).await, json!([orders[1], orders[0], page.order]));
    }
}

#[tokio::test]
async fn a_page_that_was_cut_off_says_how_many_events_came_meanwhile() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    browser.says("#audit", "NOTIFIED").await;
    browser.says("#audit", "FRAUD_CHECK_PASSED").await;
    page.hold_events().await;
    let order = page.dojo.placed("Grace", "9.50").await;
    // An event of the last moment before the page goes on may as well have been on its way, so the page doesn't count it.
    let mut whole_since = None;
    eventually("its notification and its verdict, a second ago", async || {
        let journey = page.dojo.ask(&format!("/orders/{order}/journey")).await?;
        if journey["steps"].as_array().map_or(0, Vec::len) < 4 {
            return Err(journey.to_string());
        }
        let since = *whole_since.get_or_insert_with(Instant::now);
        if since.elapsed() > Duration::from_secs(1) { Ok(()) } else { Err("just now".to_owned()) }
    })
    .await;
    page.resume_events().await;
    // On `orders` the order, and on `audit` that it was created, notified and judged.
    browser.says("#stream", "live: resumed, 4 events came meanwhile").await;
    eventually("the sentence to go", async || match browser.text_of("#stream").await {
        said if said == "live" => Ok(()),
        said => Err(said),
    })
    .await;
}

#[tokio::test]
async fn a_dead_connection_is_noticed_within_ten_seconds_and_no_instance_is_called_silent() {
    let Some(page) = Page::open().await else { return };
    let Page { browser, dojo, .. } = &page;
    browser.wait_for("[data-instance=notification-2]").await;
    let order_service = dojo.services()["order-1"];
    send_signal("-STOP", order_service);
    let begun = Instant::now();
    browser.says("#stream", "interrupted").await;
    let took = begun.elapsed();
    let states =
        "return [...document.querySelectorAll('#instances .state')].map((state) => state.textContent)";
    let shown = browser.js(states, Vec::new()).await;
    send_signal("-CONT", order_service);
    assert!(took < Duration::from_secs(10), "noticed after {took:?}");
    assert!(!shown.to_string().contains("silent"), "{shown}");
    browser.wait_for("#stream[data-state=live]").await;
    let order = dojo.placed("Grace", "9.50").await;
    browser.wait_for(&format!("#orders [data-order-id='{order}']")).await;
}

#[tokio::test]
async fn a_page_that_gets_no_stream_says_why_and_takes_the_next_free_one() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let stream = reqwest::Client::new().get(format!("{}/events", dojo.url)).send();
        streams.push(tokio::time::timeout(PATIENCE, stream).await.unwrap().unwrap());
    }
    browser.client.goto(&dojo.url).await.unwrap();
    browser.says("#stream", "all 256 streams are in use").await;
    browser.keep_screenshot("no-stream.png").await;
    drop(streams);
    browser.wait_for("#stream[data-state=live]").await;
}
