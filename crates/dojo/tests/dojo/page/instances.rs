//! Instances are stopped, started, crashed, added and removed, and their partitions move.

use super::{Browser, SETTINGS_OF_ALL, browser::ENTER};
use crate::process::Start;
use dojo_testbed::{eventually, until};
use serde_json::json;

impl Browser {
    /// Waits until the card of `instance` shows this state and so many partitions.
    async fn card_is(&self, instance: &str, state: &str, partitions: std::ops::RangeInclusive<usize>) {
        let script = "const card = document.querySelector(`[data-instance='${arguments[0]}'].instance`); \
            return card && [card.querySelector('.state').textContent, card.querySelectorAll('[data-f=partitions] > li').length]";
        eventually(&format!("{instance} to be {state} with {partitions:?} partitions"), async || {
            let card = self.js(script, vec![json!(instance)]).await;
            let is_so = partitions.clone().any(|partitions| card == json!([state, partitions]));
            if is_so { Ok(()) } else { Err(card) }
        })
        .await;
    }

    /// Presses a button on the card of `instance`.
    async fn ask(&self, instance: &str, act: &str) {
        self.tab_to(&format!("[data-instance={instance}] [data-act={act}]")).await;
        self.press(ENTER).await;
    }
}

#[tokio::test]
async fn an_instance_is_stopped_started_crashed_and_removed_and_its_partitions_move() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    browser.open(&dojo).await;
    let (one, two, three) = ("notification-1", "notification-2", "notification-3");
    browser.card_is(one, "running", 1..=2).await;
    browser.ask(one, "stop").await;
    browser.card_is(one, "stopped", 0..=0).await;
    browser.card_is(two, "running", 3..=3).await;
    // The same button starts it again.
    browser.focus_is_on(&format!("[data-instance={one}] [data-act=start]")).await;
    browser.press(ENTER).await;
    browser.card_is(one, "running", 1..=2).await;
    browser.card_is(two, "running", 1..=2).await;

    browser.tab_to("[data-add]").await;
    browser.press(ENTER).await;
    for instance in [one, two, three] {
        browser.card_is(instance, "running", 1..=1).await;
    }
    browser.set(SETTINGS_OF_ALL, "deliveryMillis", &format!("1000{ENTER}")).await;
    for n in 0..12 {
        dojo.placed(&format!("Customer {n}"), "1").await;
    }
    let lag = "return [...document.querySelectorAll('#instances [data-service=notification] .lag')].map((lag) => lag.textContent)";
    eventually("a card to show lag", async || {
        let lags = browser.js(lag, Vec::new()).await;
        let behind = |lag: &serde_json::Value| lag != "lag 0";
        if lags.as_array().unwrap().iter().any(behind) { Ok(()) } else { Err(lags) }
    })
    .await;
    for (width, height) in [(1280, 800), (390, 844)] {
        browser.resize(width, height).await;
        browser
            .js(
                "document.querySelector('#instances [data-instance=notification-3]').scrollIntoView({block: 'center'})",
                Vec::new(),
            )
            .await;
        browser.keep_screenshot(&format!("instances-{width}x{height}.png")).await;
    }
    browser.set(SETTINGS_OF_ALL, "deliveryMillis", &format!("0{ENTER}")).await;

    browser.ask(three, "remove").await;
    browser.wait_for(&format!("#instances:not(:has([data-instance={three}]))")).await;
    let started =
        format!("return document.querySelector('#instances [data-instance={two}]').dataset.startedAt");
    let before = browser.js(&started, Vec::new()).await;
    browser.ask(two, "crash").await;
    until("another process to report", async || browser.js(&started, Vec::new()).await != before).await;
    browser.card_is(two, "running", 1..=2).await;
    let no_buttons =
        "return document.querySelector('#instances [data-instance=order-1] .buttons').checkVisibility()";
    assert_eq!(browser.js(no_buttons, Vec::new()).await, false);
}
