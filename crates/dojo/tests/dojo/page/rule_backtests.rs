//! A rule that is edited in the page is tried on the recorded orders.

use super::{
    Page,
    browser::ESCAPE,
    rules::{EDITOR, SEVEN},
};
use dojo_testbed::eventually;
use serde_json::json;

impl Page {
    /// Holds up backtests until they are given up, or until [`Self::release_backtests`].
    async fn hold_backtests(&self) {
        let hold = "window.real = fetch; \
            window.fetch = (path, options) => { \
                if (!path.endsWith('/backtest')) return real(path, options); \
                return new Promise((_, refuse) => options.signal.addEventListener('abort', () => { \
                    window.isGivenUp = true; \
                    refuse(options.signal.reason); \
                })); }";
        self.browser.js(hold, Vec::new()).await;
    }

    async fn release_backtests(&self) {
        self.browser.js("window.fetch = real", Vec::new()).await;
    }

    async fn start_backtest(&self) {
        self.press_button("#rule-backtest").await;
        self.browser.says("#rule-outcome", "Judging the orders").await;
        self.browser.says("#rule-backtest", "Stop the backtest").await;
    }
}

#[tokio::test]
async fn a_text_can_be_edited_during_a_slow_backtest() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.hold_backtests().await;
    page.edit_rule("fraud").await;
    page.start_backtest().await;
    page.paste("[\n").await;
    browser.says("#rule-mistake", "fraud.rhai:1:").await;
    browser.says("#rule-backtest", "Stop the backtest").await;
    browser.keep_screenshot("rule-backtest-runs.png").await;
}

#[tokio::test]
async fn a_backtest_can_be_stopped_and_another_one_started() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.hold_backtests().await;
    page.edit_rule("fraud").await;
    page.paste(SEVEN).await;
    page.start_backtest().await;
    page.press_button("#rule-backtest").await;
    browser.says("#rule-outcome", "The backtest is stopped.").await;
    assert_eq!(browser.js("return isGivenUp", Vec::new()).await, true);
    page.release_backtests().await;
    page.press_button("#rule-backtest").await;
    browser.says("#rule-backtest-rows", "SEVEN").await;
    browser.says("#rule-backtest", "Backtest (last 10 minutes)").await;
}

#[tokio::test]
async fn closing_the_editor_ends_its_backtest() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.hold_backtests().await;
    page.edit_rule("fraud").await;
    page.start_backtest().await;
    browser.press(ESCAPE).await;
    browser.wait_for("#rule-editor[hidden]").await;
    assert_eq!(browser.js("return isGivenUp", Vec::new()).await, true);
    page.edit_rule("fraud").await;
    browser.wait_for(EDITOR).await;
    browser.says("#rule-backtest", "Backtest (last 10 minutes)").await;
}

#[tokio::test]
async fn a_backtest_of_an_unchanged_file_is_a_replay_even_with_windows_line_ends() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let version = page.put_in_force("fraud", &SEVEN.replace('\n', "\r\n")).await;
    let order = page.dojo.placed("Bob", "9.50").await;
    browser.says(&format!("#alerts [data-order-id='{order}'] [data-f=rule]"), &version).await;
    page.edit_rule("fraud").await;
    page.press_button("#rule-backtest").await;
    browser.says("#rule-backtest-summary", "A replay").await;
    browser
        .says("#rule-backtest-summary", &format!("0 changes in 1 of 2 orders, with version {version}"))
        .await;
    eventually("the table", async || {
        let row = "return [...document.querySelector('#rule-backtest-rows tr').children].map((cell) => cell.textContent)";
        match browser.js(row, Vec::new()).await {
            row if row == json!(["SEVEN", "1", "1", "0", "0", ""]) => Ok(()),
            row => Err(row),
        }
    })
    .await;
    browser.keep_screenshot("rule-replay.png").await;
}
