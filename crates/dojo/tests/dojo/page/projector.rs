//! Projector mode: what the last row of a room can read.

use super::{Page, browser::ESCAPE, views::VIEWS};
use chrono::Utc;
use dojo_contract::topic;
use dojo_kafka::{Outgoing, Producer};
use dojo_testbed::until;
use serde_json::json;
use std::time::Duration;

/// The smallest type that the last row can read at 1920x1080.
const SMALLEST: f64 = 22.0;

/// The texts that are smaller than that, and the controls that are shown.
const TOO_SMALL: &str = "const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); \
    const small = new Set(); \
    for (let node; (node = walker.nextNode());) { \
        const of = node.parentElement; \
        const size = parseFloat(getComputedStyle(of).fontSize); \
        if (node.data.trim() !== '' && size < arguments[0] && of.checkVisibility({visibilityProperty: true}) && of.getBoundingClientRect().width > 1 \
            && !of.closest('.unseen, script, template, option')) small.add(`${of.tagName}.${of.className} ${size}: ${node.data.trim().slice(0, 20)}`); \
    } \
    const controls = [...document.querySelectorAll('input, select, textarea, form, header nav a, .acts button')] \
        .filter((control) => control.checkVisibility()).map((control) => control.outerHTML.slice(0, 60)); \
    return [[...small], controls]";

#[tokio::test]
async fn one_key_turns_it_on_and_another_one_off_but_not_while_somebody_types() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    browser.tab_to("#new-order [name=item]").await;
    browser.press("p").await;
    assert!(!browser.has_focus("body.projector *").await);
    browser.js("document.activeElement.blur()", Vec::new()).await;
    browser.press("p").await;
    browser.wait_for("body.projector").await;
    browser.says("#announcement", "Projector mode is on").await;
    assert_eq!(browser.js("return location.hash", Vec::new()).await, "#/orders?projector");
    browser.client.refresh().await.unwrap();
    browser.wait_for("body.projector").await;
    browser.press(ESCAPE).await;
    browser.wait_for("body:not(.projector)").await;
    browser.says("#announcement", "Projector mode is off").await;
}

#[tokio::test]
async fn nothing_is_small_there_are_no_controls_and_the_words_of_the_scenario_are_the_largest() {
    let Some(page) = Page::open().await else { return };
    let Page { browser, dojo, .. } = &page;
    for n in 1..8 {
        dojo.placed("Grace", &format!("{n}5")).await;
    }
    browser.resize(1920, 1080).await;
    let said = "Every delivery fails now. Watch the retries go round.";
    say(&page, said).await;
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        for (view, _) in VIEWS {
            browser.js("location.hash = `#/${arguments[0]}?projector`", vec![json!(view)]).await;
            browser.wait_for(&format!("[data-view={view}]:not([hidden])")).await;
            browser.wait_for("body.projector").await;
            let shown = browser.js(TOO_SMALL, vec![json!(SMALLEST)]).await;
            assert_eq!(shown, json!([[], []]), "{view}");
            browser.keep_screenshot(&format!("projector-{view}-{scheme}.png")).await;
        }
        let largest = "const size = (e) => parseFloat(getComputedStyle(e).fontSize); \
            const said = document.querySelector('#said'); \
            return [said.textContent, [...document.querySelectorAll('main *, h1')].every((e) => !e.checkVisibility() || size(e) < size(said))]";
        assert_eq!(browser.js(largest, Vec::new()).await, json!([said, true]));
    }
}

/// Has a run say something.
async fn say(page: &Page, said: &str) {
    let run = json!({
        "runId": "01988888-0000-7000-8000-000000000000", "scenario": "retry-storm", "alongside": false,
        "startedAt": "2026-01-31T09:30:00.000Z", "state": "ended", "verdict": "met", "endedAt": "2026-01-31T09:31:00.000Z",
        "orderService": "order-1", "leaseOffset": 0, "findings": [], "changes": [], "putBack": [], "said": ["Before.", said],
    });
    let producer = Producer::new(&page.dojo.kafka, "test", Duration::from_secs(5)).unwrap();
    let id = run["runId"].as_str().unwrap();
    producer.send(Outgoing::json(topic::RUNS, id, &run, Utc::now()).unwrap()).await.unwrap();
    until("the page to show it", async || {
        page.browser.js("return document.querySelector('#said').textContent", Vec::new()).await == said
    })
    .await;
}
