//! What happens to a text in the rule editor that isn't saved.

use super::{
    Page,
    browser::{ENTER, ESCAPE, TAB},
    rules::{EDITOR, SEVEN},
};
use crate::rules::save;
use dojo_testbed::eventually;
use serde_json::json;
use std::fs;

const ON_DISK: &str = "[] // by another editor\n";

impl Page {
    /// Edits the fraud rule, and changes it on disk meanwhile.
    async fn edit_while_the_file_changes(&self) {
        self.edit_rule("fraud").await;
        self.paste(SEVEN).await;
        save(&self.dojo.rules, "fraud.rhai", ON_DISK);
        self.browser.wait_for("#rule-conflict:not([hidden])").await;
    }

    async fn address(&self) -> String {
        self.browser.js("return location.hash", Vec::new()).await.as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_change_on_disk_while_the_rule_is_edited_is_shown_and_not_overwritten() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.edit_while_the_file_changes().await;
    assert_eq!(page.typed().await, SEVEN);
    browser.keep_screenshot("rule-conflict.png").await;
    page.press_button("#rule-take-file").await;
    assert_eq!(page.typed().await, ON_DISK);

    // Without changes in the page, the editor follows the file.
    save(&page.dojo.rules, "fraud.rhai", "[] // once more\n");
    browser.says("#rule-outcome", "The file has changed on disk").await;
    assert_eq!(page.typed().await, "[] // once more\n");

    page.paste(SEVEN).await;
    save(&page.dojo.rules, "fraud.rhai", "[] // a third time\n");
    browser.wait_for("#rule-conflict:not([hidden])").await;
    page.press_button("#rule-keep-mine").await;
    page.press_button("#rule-apply").await;
    browser.says("#rule-outcome", "in force on fraud-1.").await;
    assert_eq!(fs::read_to_string(page.dojo.rules.join("fraud.rhai")).unwrap(), SEVEN);
}

#[tokio::test]
async fn a_text_that_is_kept_over_the_file_can_still_be_discarded() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.edit_while_the_file_changes().await;
    page.press_button("#rule-keep-mine").await;
    browser.focus_is_on("#rule-source").await;
    browser.press(&[ESCAPE, ESCAPE].concat()).await;
    browser.focus_is_on("#rule-keep-editing").await;
    assert_eq!(page.typed().await, SEVEN);
    browser.press(&[TAB, ENTER].concat()).await;
    browser.wait_for("#rule-editor[hidden]").await;
    page.edit_rule("fraud").await;
    assert_eq!(page.typed().await, ON_DISK);
}

#[tokio::test]
async fn the_back_button_asks_before_it_discards_a_text() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let shipped = fs::read_to_string(page.dojo.rules.join("fraud.rhai")).unwrap();
    page.edit_rule("fraud").await;
    page.paste(SEVEN).await;
    browser.client.back().await.unwrap();
    browser.focus_is_on("#rule-keep-editing").await;
    browser.keep_screenshot("rule-discard.png").await;
    browser.press(ENTER).await;
    browser.focus_is_on("#rule-source").await;
    assert_eq!((page.typed().await, page.address().await), (json!(SEVEN), "#/rules/fraud".to_owned()));

    browser.client.back().await.unwrap();
    browser.focus_is_on("#rule-keep-editing").await;
    browser.press(&[TAB, ENTER].concat()).await;
    browser.wait_for("#rule-editor[hidden]").await;
    assert_eq!(page.address().await, "#/rules");
    assert_eq!(fs::read_to_string(page.dojo.rules.join("fraud.rhai")).unwrap(), shipped);
}

#[tokio::test]
async fn a_mistake_in_one_rule_is_not_shown_in_the_next_one() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    // The answer to a check waits until the test lets it go.
    let hold = "const real = fetch; \
        const held = new Promise((go) => { window.letGo = go; }); \
        window.fetch = async (path, options) => { \
            const answer = await real(path, options); \
            if (path !== '/rules/fraud/check' || !options.body.includes('[')) return answer; \
            const [{ ok, status, headers }, body] = [answer, await answer.json()]; \
            window.isChecked = true; \
            await held; \
            return { ok, status, headers, json: async () => body }; }";
    page.edit_rule("fraud").await;
    browser.js(hold, Vec::new()).await;
    page.paste("[\n").await;
    eventually("the answer", async || {
        match browser.js("return window.isChecked === true", Vec::new()).await {
            checked if checked == true => Ok(()),
            checked => Err(checked),
        }
    })
    .await;
    page.press_button("#rule-close").await;
    page.press_button("#rule-discard-now").await;
    page.edit_rule("notification").await;
    let after_it = "letGo(); return new Promise((done) => setTimeout(() => done(document.querySelector('#rule-mistake').textContent)))";
    assert_eq!(browser.js(after_it, Vec::new()).await, "");
}

#[tokio::test]
async fn a_page_that_could_not_reach_the_service_reads_the_file_again() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let go_away = "const real = fetch; window.isAway = true; \
        window.fetch = (path, options) => path === '/rules/fraud' && isAway \
            ? Promise.reject(new TypeError('no connection')) \
            : real(path, options)";
    browser.js(go_away, Vec::new()).await;
    browser.js("location.hash = '#/rules/fraud'", Vec::new()).await;
    browser.wait_for(EDITOR).await;
    browser.says("#rule-outcome", "does not answer").await;
    browser.js("isAway = false", Vec::new()).await;
    browser.focus_is_on("#rule-source").await;
    assert!(page.typed().await.as_str().unwrap().contains("VELOCITY"));
    assert_eq!(browser.text_of("#rule-outcome").await, "");
}
