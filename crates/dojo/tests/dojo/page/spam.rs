//! Many orders at once, the list of orders, and the windows that they fill.

use super::{Browser, Page, browser::ENTER};
use crate::process::Start;
use dojo_testbed::eventually;
use serde_json::json;

impl Browser {
    async fn spam(&self, kind: &str) {
        self.tab_to(&format!("[data-spam={kind}]")).await;
        self.press(ENTER).await;
    }
}

#[tokio::test]
async fn twelve_orders_of_one_customer_fill_a_window_above_its_limit() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    browser.open(&dojo).await;
    browser.spam("one").await;
    browser.says("#spam-outcome", "1 order on the log").await;
    browser.spam("twelve").await;
    browser.says("#spam-outcome", "12 orders on the log").await;
    browser.focus_is_on("[data-spam=twelve]").await;
    let meter = "#windows-of-customers .meter:first-child";
    for reloaded in [false, true] {
        browser.says(&format!("{meter} [data-f=count]"), "12 of 5").await;
        browser.says(&format!("{meter} [data-f=note]"), "above the limit").await;
        browser.says("#window-of-all [data-f=count]", "13 of 20").await;
        let version = dojo.get("/rules/fraud").await["version"].as_str().unwrap().to_owned();
        browser.says("#windows-rule", &format!("Judged by fraud-1 with version {version}")).await;
        browser.says("#severities", "7 HIGH").await;
        if !reloaded {
            browser.client.refresh().await.unwrap();
        }
    }
    browser.keep_screenshot("windows.png").await;
}

#[tokio::test]
async fn a_flood_shows_how_far_it_is_and_stops_when_it_is_told_to() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    browser.open(&dojo).await;
    browser.spam("flood").await;
    browser.wait_for("#spam-progress:not([hidden])").await;
    browser.says("#spam-outcome", "of 300 orders are on the log").await;
    browser.tab_to("#spam-stop").await;
    browser.press(ENTER).await;
    browser.says("#spam-outcome", "were not sent").await;
    browser.wait_for("#spam-progress[hidden]").await;
    let said = browser.text_of("#spam-outcome").await;
    let placed: usize = said.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(dojo.get("/orders?limit=1000").await.as_array().unwrap().len(), placed, "{said}");
    assert!(said.contains(&format!("{} were not sent", 300 - placed)), "{said}");
}

#[tokio::test]
async fn an_order_shows_its_total_its_place_and_its_key_and_is_found_by_them() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let order = json!({"customerName": "Midas", "item": "Gold", "quantity": 8, "price": 12.51});
    let answer = page.dojo.http.post(format!("{}/orders", page.dojo.url)).json(&order).send().await.unwrap();
    let id = answer.json::<serde_json::Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
    let row = format!("#orders [data-order-id='{id}']");
    browser.says(&format!("{row} [data-f=total]"), "100.08").await;
    browser.says(&format!("{row} [data-f=short]"), &id[28..]).await;
    let journey = page.dojo.get(&format!("/orders/{id}/journey")).await;
    let steps = journey["steps"].as_array().unwrap();
    let record = steps.iter().find(|step| step["topic"] == "orders").unwrap();
    let place = format!("{}@{}", record["partition"], record["offset"]);
    browser.says(&format!("{row} [data-f=place]"), &place).await;
    browser.says("#alerts", "the order comes to $100.08, more than $100.00").await;
    // A page that is opened later shows the same.
    browser.client.refresh().await.unwrap();
    for (field, text) in [("total", "100.08"), ("place", &*place), ("short", &id[28..])] {
        browser.says(&format!("{row} [data-f={field}]"), text).await;
    }

    browser.tab_to("#order-filter [name=text]").await;
    browser.press(&id).await;
    let rows = "return [...document.querySelectorAll('#orders .row')].map((row) => row.dataset.orderId)";
    eventually("only that order", async || match browser.js(rows, Vec::new()).await {
        rows if rows == json!([id]) => Ok(()),
        rows => Err(rows),
    })
    .await;
    browser.says("#order-matches", "1 of the newest 2 orders").await;
}

#[tokio::test]
async fn the_form_says_what_the_order_will_come_to() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    for (quantity, price, total) in [("8", "12.51", "$100.08"), ("0x10", "12.51", "?"), ("1", "0.1", "$0.10")]
    {
        browser.tab_to("#new-order [name=item]").await;
        browser.press(&format!("\u{e004}{quantity}\u{e004}{price}")).await;
        browser.says("#new-total", total).await;
    }
}
