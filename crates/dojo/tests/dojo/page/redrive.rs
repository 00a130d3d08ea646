//! An order fails, becomes a dead letter, and is sent back.

use super::{
    Browser, SETTINGS_OF_ALL,
    browser::{ARROW_DOWN, END, ENTER, HOME},
};
use crate::process::{Dojo, Start};
use dojo_testbed::eventually;
use serde_json::json;

/// What the rows of the dead letters say of their redrives, newest first.
async fn outcomes_are(browser: &Browser, wanted: [&str; 2]) {
    let script = "return [...document.querySelectorAll('#dead-letters .row')] \
        .map((row) => row.querySelector('.redriven').hidden ? '' : row.querySelector('[data-f=outcome]').textContent)";
    eventually(&format!("the outcomes to be {wanted:?}"), async || {
        let shown = browser.js(script, Vec::new()).await;
        if shown == json!(wanted) { Ok(()) } else { Err(shown) }
    })
    .await;
}

async fn place(browser: &Browser, dojo: &Dojo, customer: &str) -> String {
    let order = dojo.placed(customer, "9.50").await;
    browser.says("#dead-letters .row", customer).await;
    order
}

#[tokio::test]
async fn an_order_that_failed_is_sent_back_from_its_row_and_its_customer_is_notified() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    browser.open(&dojo).await;
    browser.set(SETTINGS_OF_ALL, "failRate", END).await;
    browser.set(SETTINGS_OF_ALL, "maxRetries", &format!("0{ENTER}")).await;
    let order = place(&browser, &dojo, "Ada").await;
    place(&browser, &dojo, "Grace").await;
    outcomes_are(&browser, ["", ""]).await;

    // Sent back while deliveries still fail, it becomes a dead letter again.
    browser.set(SETTINGS_OF_ALL, "failRate", HOME).await;
    browser.tab_to("#dead-letters [data-redrive]").await;
    browser.press(&[ARROW_DOWN, ENTER].concat()).await;
    outcomes_are(&browser, ["", "NOTIFIED"]).await;
    browser.says(&format!("#orders [data-order-id='{order}'] [data-f=delivery]"), "NOTIFIED").await;
    browser.tab_to("#dead-letters [data-redrive]").await;
    browser.press(&[ARROW_DOWN, ENTER].concat()).await;
    browser.says("#dead-letters .row:nth-child(2) .refused", "Not sent back: ").await;
    for (width, height) in [(1280, 800), (390, 844)] {
        browser.resize(width, height).await;
        browser
            .js("document.querySelector('#dead-letters').scrollIntoView({block: 'center'})", Vec::new())
            .await;
        browser.keep_screenshot(&format!("redrive-{width}x{height}.png")).await;
    }

    browser.tab_to("#dead-letters .row:nth-child(2) [data-journey]").await;
    browser.press(ENTER).await;
    browser.says("#steps", "REDRIVEN").await;
    browser.says("#steps", "attempt 1, redrive 1").await;
    browser.says("#steps .step:last-child [data-f=what]", "NOTIFIED").await;
    browser.resize(1280, 800).await;
    browser.keep_screenshot("journey-of-a-redrive-1280x800.png").await;

    browser.tab_to("[data-redrive-all]").await;
    browser.press(ENTER).await;
    browser.says("#redrive-outcome", "1 sent back.").await;
    outcomes_are(&browser, ["NOTIFIED", "NOTIFIED"]).await;
    // The log knows it, too.
    browser.client.refresh().await.unwrap();
    browser.wait_for("#dead-letters .row").await;
    outcomes_are(&browser, ["NOTIFIED", "NOTIFIED"]).await;
}
