//! The journey of an order is followed.

use super::{
    Page,
    browser::{ENTER, ESCAPE},
};
use serde_json::json;

impl Page {
    /// Opens the journey of the first order, by keyboard.
    async fn follow(&self) {
        self.browser.tab_to("#orders [data-journey]").await;
        self.browser.press(ENTER).await;
        self.browser.wait_for("#journey[open]").await;
    }

    /// Answers the page's next requests for a journey in place of the service: a status and a body.
    async fn answer_journeys(&self, status: u16, body: &serde_json::Value) {
        let script = "window.real ??= fetch; window.asked = []; \
            window.fetch = async (path, ...rest) => { \
                if (!path.includes('/journey')) return window.real(path, ...rest); \
                window.asked.push(path); \
                return new Response(JSON.stringify(arguments[1]), {status: arguments[0]}); \
            }";
        self.browser.js(script, vec![json!(status), body.clone()]).await;
    }
}

#[tokio::test]
async fn a_journey_opens_from_a_row_grows_while_it_is_open_and_gives_the_focus_back() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    browser.says("#audit", "FRAUD_CHECK_PASSED").await;
    browser.says("#audit", "NOTIFIED").await;
    page.follow().await;
    browser.focus_is_on("#journey-close").await;
    browser.wait_for("#steps .step:nth-child(4)").await;
    assert_eq!(browser.text_of("#journey h2").await, format!("Journey of order {}", &page.order[28..]));
    let script = "const text = (row, name) => row.querySelector(`[data-f=${name}]`).textContent; \
        return [...document.querySelectorAll('#steps .step')].slice(0, 2) \
            .map((row) => ['what', 'by', 'place', 'attempt'].map((name) => text(row, name)).join(' ').replace(/\\d@\\d+/, 'p@o'))";
    let expected = ["created order-1 audit p@o attempt 1", "created order-1 orders p@o attempt 1"];
    assert_eq!(browser.js(script, Vec::new()).await, json!(expected));

    page.change_elsewhere(json!({"item": "Soup"})).await;
    browser.says("#steps .step:nth-child(5)", "updated").await;
    browser.wait_for("#steps .step:nth-child(7)").await;
    for (width, height) in [(1280, 800), (390, 844)] {
        browser.resize(width, height).await;
        let script = "const all = [...document.querySelectorAll('html, #journey, .steps, .step')]; \
            return all.filter((box) => box.scrollWidth > box.clientWidth).map((box) => `${box.tagName} ${box.id}`)";
        assert_eq!(browser.js(script, Vec::new()).await, json!([]), "at {width}x{height}");
        browser.keep_screenshot(&format!("journey-{width}x{height}.png")).await;
    }
    browser.press(ESCAPE).await;
    browser.wait_for("#journey:not([open])").await;
    browser.focus_is_on(&format!("#orders [data-order-id='{}'] [data-journey]", page.order)).await;
}

#[tokio::test]
async fn a_journey_says_what_is_missing_from_it() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let step = |offset: u64| json!({"what": "NOTIFIED", "at": "2026-01-31T09:30:00.000Z", "topic": "audit", "partition": 0, "offset": offset});
    let next = format!("/orders/{}/journey?after=o1", page.order);
    let answer = |complete: bool, omitted: u64, steps: &[u64]| {
        let next = if complete { json!(null) } else { json!(next) };
        let steps: Vec<_> = steps.iter().map(|offset| step(*offset)).collect();
        json!({"complete": complete, "omitted": omitted, "next": next, "steps": steps})
    };
    page.answer_journeys(200, &answer(false, 20, &[7, 8])).await;
    page.follow().await;
    browser
        .says(
            "#journey-outcome",
            "20 steps in between are not shown. The log is long, and was not read to its end.",
        )
        .await;
    page.answer_journeys(200, &answer(true, 0, &[9])).await;
    browser.tab_to("#journey-next").await;
    browser.press(ENTER).await;
    browser.says("#steps .step:nth-child(3)", "audit 0@9").await;
    assert_eq!(browser.js("return window.asked", Vec::new()).await, json!([next]));
    browser.wait_for("#journey-next[hidden]").await;
    browser.press(ESCAPE).await;

    page.answer_journeys(503, &json!({"detail": "Kafka is away"})).await;
    page.follow().await;
    browser.says("#journey-outcome", "Kafka is away. Trying again").await;
    // It does, and this order never existed.
    let never = "00000000-0000-7000-8000-000000000000";
    browser.press(ESCAPE).await;
    browser.js("window.fetch = window.real", Vec::new()).await;
    browser
        .js("document.querySelector('#orders .row').dataset.orderId = arguments[0]", vec![json!(never)])
        .await;
    page.follow().await;
    browser.says("#journey-outcome", "No record on the log is about an order").await;
}
