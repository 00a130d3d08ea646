//! Every view has an address and a title, and is reached by keyboard.

use super::{
    Page,
    browser::{ENTER, ESCAPE},
};
use dojo_testbed::until;
use serde_json::json;

/// The views with their names, the one that the page begins with last.
pub const VIEWS: [(&str, &str); 9] = [
    ("orders", "Orders"),
    ("audit", "Audit"),
    ("fraud", "Fraud"),
    ("dead-letters", "Dead letters"),
    ("topics", "Topics"),
    ("rules", "Rules"),
    ("instances", "Instances"),
    ("scenarios", "Scenarios"),
    ("board", "Board"),
];

impl Page {
    /// The views that are shown, the marked links, and the title of the tab.
    async fn shown(&self) -> serde_json::Value {
        let script = "const names = (css, name) => [...document.querySelectorAll(css)].map((e) => e.dataset[name]).join(); \
            return [names('[data-view]:not([hidden])', 'view'), names('nav [aria-current=page]', 'opens'), document.title]";
        self.browser.js(script, Vec::new()).await
    }

    async fn shows(&self, view: &str, title: &str) {
        let wanted = json!([view, view, format!("{title} · Kafka Dojo")]);
        until(&format!("{view} with the title {title}"), async || self.shown().await == wanted).await;
    }
}

#[tokio::test]
async fn every_view_is_reached_by_keyboard_and_by_its_address_and_named_in_the_title() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    browser.js("location.hash = '#/board'", Vec::new()).await;
    for (view, title) in VIEWS {
        browser.js("document.querySelector('h1').scrollIntoView()", Vec::new()).await;
        browser.tab_to(&format!("nav [data-opens={view}]")).await;
        browser.press(ENTER).await;
        page.shows(view, title).await;
        browser.focus_is_on(&format!("[data-view={view}]")).await;
        browser.client.refresh().await.unwrap();
        page.shows(view, title).await;
    }
    browser.client.back().await.unwrap();
    page.shows("scenarios", "Scenarios").await;
}

#[tokio::test]
async fn a_journey_has_an_address_and_opens_over_the_view_that_is_shown() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let title = format!("Journey of order {}", &page.order[28..]);
    browser.says("#audit", "NOTIFIED").await;
    browser.tab_to("#audit [data-journey]").await;
    browser.press(ENTER).await;
    browser.wait_for("#journey[open]").await;
    page.shows("audit", &title).await;
    browser.press(ESCAPE).await;
    page.shows("audit", "Audit").await;
    browser.focus_is_on("#audit [data-journey]").await;

    // A reload of its address opens the journey over the orders.
    browser.client.goto(&format!("{}/#/orders/{}", page.dojo.url, page.order)).await.unwrap();
    browser.client.refresh().await.unwrap();
    browser.wait_for("#journey[open] .step:nth-child(3)").await;
    page.shows("orders", &title).await;
    browser.press(ESCAPE).await;
    page.shows("orders", "Orders").await;
    assert_eq!(browser.js("return location.hash", Vec::new()).await, "#/orders");
}

#[tokio::test]
async fn an_unknown_address_opens_the_board() {
    let Some(page) = Page::open().await else { return };
    for address in ["#/nonsense", "#/orders%", "#<img src=x>", "#/topics/%E0%A4%A"] {
        page.browser.js("location.hash = arguments[0]", vec![json!(address)]).await;
        let view = if address.starts_with("#/topics") { ("topics", "Topics") } else { ("board", "Board") };
        page.shows(view.0, view.1).await;
    }
}
