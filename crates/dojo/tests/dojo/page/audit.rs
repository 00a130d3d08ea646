//! The view of the audit events.

use super::{Page, browser::ENTER};
use dojo_testbed::eventually;
use serde_json::{Value, json};

impl Page {
    /// The actions and customers of the rows that are shown, without repetitions.
    async fn audit_rows(&self) -> Value {
        let script = "const text = (row, name) => row.querySelector(`[data-f=${name}]`).textContent; \
            const rows = [...document.querySelectorAll('#audit .row')].map((row) => `${text(row, 'action')} ${text(row, 'customer')}`); \
            return [...new Set(rows)].sort()";
        self.browser.js(script, Vec::new()).await
    }

    async fn audit_rows_are(&self, wanted: Value) {
        eventually(&format!("the rows to be {wanted}"), async || match self.audit_rows().await {
            rows if rows == wanted => Ok(()),
            rows => Err(rows),
        })
        .await;
    }

    async fn filter_audit(&self, field: &str, value: &str) {
        let script = "const field = document.querySelector(`#audit-filter [name=${arguments[0]}]`); \
            field.value = arguments[1]; field.dispatchEvent(new Event('input', {bubbles: true}))";
        self.browser.js(script, vec![json!(field), json!(value)]).await;
    }
}

#[tokio::test]
async fn the_audit_events_are_narrowed_down_by_action_customer_order_and_instance() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let grace = page.dojo.placed("Grace", "9.50").await;
    browser.says("#audit", "Grace").await;
    let of = |customer: &str| {
        ["FRAUD_CHECK_PASSED", "NOTIFIED", "created"].map(|action| format!("{action} {customer}"))
    };
    let mut both = [of("Ada"), of("Grace")].concat();
    both.sort();
    page.audit_rows_are(json!(both)).await;
    page.filter_audit("action", "NOTIFIED").await;
    page.audit_rows_are(json!(["NOTIFIED Ada", "NOTIFIED Grace"])).await;
    page.filter_audit("text", "gra").await;
    page.audit_rows_are(json!(["NOTIFIED Grace"])).await;
    page.filter_audit("action", "").await;
    page.filter_audit("text", &grace).await;
    page.audit_rows_are(json!(of("Grace"))).await;
    page.filter_audit("text", "").await;
    page.filter_audit("by", "fraud-1").await;
    page.audit_rows_are(json!(["FRAUD_CHECK_PASSED Ada", "FRAUD_CHECK_PASSED Grace"])).await;
    // An event that comes later is narrowed down, too.
    page.dojo.placed("Linus", "9.50").await;
    page.audit_rows_are(json!([
        "FRAUD_CHECK_PASSED Ada",
        "FRAUD_CHECK_PASSED Grace",
        "FRAUD_CHECK_PASSED Linus"
    ]))
    .await;
}

#[tokio::test]
async fn a_pause_counts_what_waits_and_now_is_a_key_away() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    browser.says("#audit", "NOTIFIED").await;
    browser.says("#audit", "FRAUD_CHECK_PASSED").await;
    let before = page.audit_rows().await;
    browser.tab_to("#audit-pause").await;
    browser.press(ENTER).await;
    page.dojo.placed("Grace", "9.50").await;
    browser.says("#audit-waiting", "Paused: 3 events wait.").await;
    assert_eq!(page.audit_rows().await, before);
    browser.tab_to("#audit-now").await;
    browser.press(ENTER).await;
    browser.says("#audit", "Grace").await;
    browser.says("#audit-pause", "Pause").await;
    browser.focus_is_on("#audit").await;
}
