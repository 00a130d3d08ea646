//! Orders are edited and deleted in their rows.

use super::{
    Browser, Page,
    browser::{ENTER, ESCAPE, TAB},
};
use dojo_testbed::eventually;
use serde_json::{Value, json};

#[tokio::test]
async fn an_order_is_edited_by_keyboard_on_a_phone_and_its_row_changes_when_the_event_comes_back() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    browser.resize(360, 640).await;
    page.edit().await;
    page.hold_events().await;
    browser.press(&["Pasta", TAB, "3", TAB, "12.50", TAB, "delivering", TAB, ENTER].concat()).await;
    // The answer is there, and so is the change; only its event is missing.
    let answered = "return !document.querySelector('.editor') || !!document.querySelector('.editor').parentElement.editor.awaited";
    eventually("the answer", async || match browser.js(answered, Vec::new()).await {
        Value::Bool(true) => Ok(()),
        _ => Err(browser.text_of(".editor").await),
    })
    .await;
    assert_eq!(page.dojo.get(&format!("/orders/{}", page.order)).await["item"], "Pasta");
    assert_eq!(page.row().await, "1 Pizza 9.50 created", "the row goes ahead of its event");
    browser.says(".editor .outcome", "Waiting for the event").await;
    assert!(browser.has_focus(".editor [type=submit]").await);
    browser.keep_screenshot("edit-360x640.png").await;

    page.resume_events().await;
    page.row_is(json!("3 Pasta 12.50 delivering")).await;
    browser.focus_is_on("#orders [data-edit]").await;
    browser.says("#order-outcome", "is changed").await;
}

#[tokio::test]
async fn wrong_fields_of_an_edit_are_named_beside_them_and_keep_what_was_typed() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.edit().await;
    for (typed, errors) in [
        // What isn't a number is refused on the page, and what isn't allowed by the API.
        (
            ["Pasta", "0x10", "12,50"],
            [
                "",
                "quantity is `0x10`: give a whole number such as 2",
                "price is `12,50`: give a number such as 12.50",
            ],
        ),
        (
            [" ", "0", "9.999"],
            ["item is empty", "quantity is 0: give a whole number", "price is 9.999: give dollars"],
        ),
    ] {
        browser.tab_to(".editor [name=item]").await;
        browser.press(&[typed[0], TAB, typed[1], TAB, typed[2], ENTER].concat()).await;
        for (name, (typed, error)) in
            ["item", "quantity", "price"].into_iter().zip(typed.into_iter().zip(errors))
        {
            browser.says(&format!(".editor [data-error-of={name}]"), error).await;
            let script = "const field = document.querySelector(`.editor [name=${arguments[0]}]`); \
                const error = document.getElementById(field.getAttribute('aria-describedby')); \
                return [field.value, field.ariaInvalid, error.dataset.errorOf]";
            let field = browser.js(script, vec![json!(name)]).await;
            assert_eq!(field, json!([typed, (!error.is_empty()).to_string(), name]));
        }
        assert!(browser.has_focus(".editor [name=price]").await);
    }
    browser.keep_screenshot("field-errors.png").await;
    assert_eq!(page.row().await, "1 Pizza 9.50 created");
}

#[tokio::test]
async fn an_order_is_deleted_by_keyboard_after_a_question_that_escape_takes_back() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    browser.tab_to("#orders [data-delete]").await;
    browser.press(ENTER).await;
    browser.says(".editor", "Delete this order?").await;
    browser.press(ESCAPE).await;
    browser.focus_is_on("#orders [data-delete]").await;

    page.hold_events().await;
    browser.press(&[ENTER, TAB, ENTER].concat()).await;
    eventually("the order to be deleted", async || {
        let order = page.dojo.ask(&format!("/orders/{}", page.order)).await?;
        if order["status"] == 404 { Ok(()) } else { Err(order.to_string()) }
    })
    .await;
    assert_eq!(page.row().await, "1 Pizza 9.50 created", "the row goes ahead of its event");
    page.resume_events().await;
    page.row_is(Value::Null).await;
    browser.focus_is_on("#orders").await;
    browser.says("#order-outcome", "is deleted").await;
}

#[tokio::test]
async fn what_was_typed_stays_when_the_order_changes_elsewhere_and_rows_come_above_it() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.edit().await;
    browser.press("Soup").await;
    page.change_elsewhere(json!({"item": "Bread", "price": 1})).await;
    browser.says(".editor .outcome", "item is now Bread, price is now 1.00").await;
    for n in 0..30 {
        page.dojo.placed(&format!("Customer {n}"), "1").await;
    }
    browser.wait_for("#orders .row:nth-child(31)").await;
    page.row_is(json!("1 Bread 1.00 created")).await;
    let script = "const list = document.querySelector('#orders').getBoundingClientRect(); \
        const field = document.activeElement.getBoundingClientRect(); \
        return [document.activeElement.value, document.querySelector('.editor [name=price]').value, \
            field.top >= list.top && field.bottom <= list.bottom]";
    assert_eq!(browser.js(script, Vec::new()).await, json!(["Soup", "1.00", true]));

    page.delete_elsewhere().await;
    browser.says(".editor .outcome", "was deleted and can't be saved").await;
    assert_eq!(browser.js(script, Vec::new()).await, json!(["Soup", "1.00", true]));
    browser.press(ESCAPE).await;
    page.row_is(Value::Null).await;
    browser.focus_is_on("#orders [data-journey]").await;
}

#[tokio::test]
async fn an_edit_that_fails_says_why_and_keeps_what_was_typed() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.edit().await;
    browser.press("Soup").await;
    let no_answer = "() => Promise.reject(new TypeError())";
    let away =
        "async () => new Response('{\"detail\": \"nothing was changed: Kafka is away\"}', {status: 503})";
    for (fetch, said) in [(no_answer, "does not answer."), (away, "Kafka is away.")] {
        browser.js(&format!("window.real ??= fetch; window.fetch = {fetch}"), Vec::new()).await;
        browser.press(ENTER).await;
        browser.says(".editor .outcome", &format!("{said} What you typed is kept.")).await;
    }
    browser.js("window.fetch = window.real", Vec::new()).await;
    page.hold_events().await;
    page.delete_elsewhere().await;
    browser.press(ENTER).await;
    browser.says(".editor .outcome", "There is no order").await;
    assert_eq!(browser.js("return document.activeElement.value", Vec::new()).await, "Soup");
}

#[tokio::test]
async fn the_second_of_two_pages_that_change_one_field_says_what_it_replaced() {
    let Some(page) = Page::open().await else { return };
    let Some(other) = Browser::start().await else { return };
    other.open(&page.dojo).await;
    page.edit().await;
    page.hold_events().await;
    other.tab_to("#orders [data-edit]").await;
    other.press(ENTER).await;
    other.focus_is_on(".editor [name=item]").await;
    other.press(&["Bread", TAB, TAB, "3", ENTER].concat()).await;
    other.says("#order-outcome", "is changed").await;

    page.browser.press(&["Soup", ENTER].concat()).await;
    eventually("the second change to be made", async || {
        let order = page.dojo.get(&format!("/orders/{}", page.order)).await;
        if order["item"] == "Soup" { Ok(()) } else { Err(order) }
    })
    .await;
    page.resume_events().await;
    let said = "Just before, another page had changed item to Bread: your change replaced that.";
    page.browser.says("#order-outcome", said).await;
    // The second page changed only what was typed there.
    page.row_is(json!("1 Soup 3.00 created")).await;
    other.says("#orders [data-f=item]", "Soup").await;
}
