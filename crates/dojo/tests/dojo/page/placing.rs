//! Orders are placed with the form.

use super::{
    Browser, Page,
    browser::{ENTER, TAB},
};
use crate::process::Start;
use dojo_testbed::PATIENCE;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn an_order_placed_on_the_page_gets_its_verdict_there() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    let client = &browser.client;
    client.goto(&dojo.url).await.unwrap();

    let fields =
        [("customerName", "<b>Ada</b> & Söhne"), ("item", "Pizza"), ("quantity", "3"), ("price", "49.99")];
    for (name, value) in fields {
        let field = browser.wait_for(&format!("form [name={name}]")).await;
        field.clear().await.unwrap();
        field.send_keys(value).await.unwrap();
    }
    browser.wait_for("form [type=submit]").await.click().await.unwrap();
    let row = browser.wait_for("[data-order-id]").await;
    let id = row.attr("data-order-id").await.unwrap().unwrap();
    assert_eq!(dojo.get(&format!("/orders/{id}")).await["price"], json!(49.99));

    let begun = Instant::now();
    let text = loop {
        let text = browser.text_of(&format!("[data-order-id='{id}']")).await;
        if text.contains("NOTIFIED") && text.contains("AMOUNT") {
            break text;
        }
        assert!(begun.elapsed() < PATIENCE, "no verdicts in: {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(text.contains("<b>Ada</b> & Söhne"), "markup is shown as text: {text}");

    browser.keep_screenshot("first-order.png").await;
}

#[tokio::test]
async fn an_order_is_placed_by_keyboard_and_the_focus_stays() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    for (place, orders) in [("#new-order [name=price]", 2), ("#new-order [type=submit]", 3)] {
        browser.tab_to(place).await;
        browser.press(ENTER).await;
        browser.wait_for(&format!("#orders .row:nth-child({orders})")).await;
        browser.says("#placed", "is on the log").await;
        assert!(browser.has_focus(place).await);
    }
}

#[tokio::test]
async fn a_number_of_a_new_order_is_sent_as_it_was_typed_or_refused() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let exact = "0.1000000000000000000000000001";
    for (quantity, price, errors) in [
        (
            "0x10",
            "Infinity",
            ["is `0x10`: give a whole number such as 2", "is `Infinity`: give a number such as 12.50"],
        ),
        ("", "12,50", ["quantity is empty", "price is `12,50`: give a number such as 12.50"]),
        // JavaScript would round it to 0.1.
        ("1", exact, ["", exact]),
    ] {
        browser.tab_to("#new-order [name=item]").await;
        let delete = if quantity.is_empty() { "\u{e017}" } else { "" };
        browser.press(&[TAB, quantity, delete, TAB, price, ENTER].concat()).await;
        browser.says("#e-quantity", errors[0]).await;
        browser.says("#e-price", errors[1]).await;
    }
    assert_eq!(page.dojo.get("/orders").await.as_array().unwrap().len(), 1, "a refused order is on the log");
}
