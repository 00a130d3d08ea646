//! A rule is edited in the page.

use super::{
    Page,
    browser::{Browser, ENTER, ESCAPE, TAB},
};
use crate::{process::Start, rules::save};
use dojo_testbed::eventually;
use serde_json::{Value, json};

const EDITOR: &str = "#rule-editor[open]";
/// Flags every order above 7 dollars.
const SEVEN: &str = "if order.total > 7.0 { [alert(\"SEVEN\", \"LOW\", \"more than 7\")] } else { [] }\n";

impl Page {
    /// Opens the editor of the fraud rule, by keyboard.
    async fn edit_rule(&self) {
        let browser = &self.browser;
        browser.wait_for("#rules [data-rule=fraud] a").await;
        browser.tab_to("#rules [data-rule=fraud] a").await;
        browser.press(ENTER).await;
        browser.wait_for(EDITOR).await;
        browser.focus_is_on("#rule-source").await;
    }

    /// Replaces the text of the editor, as a paste does.
    async fn paste(&self, source: &str) {
        let script = "const text = document.querySelector('#rule-source'); text.value = arguments[0]; \
            text.dispatchEvent(new Event('input'))";
        self.browser.js(script, vec![json!(source)]).await;
    }

    async fn typed(&self) -> Value {
        self.browser.js("return document.querySelector('#rule-source').value", Vec::new()).await
    }

    async fn press_button(&self, id: &str) {
        self.browser.js(&format!("document.querySelector('{id}').focus()"), Vec::new()).await;
        self.browser.press(ENTER).await;
    }
}

#[tokio::test]
async fn a_mistake_is_shown_while_it_is_typed_and_the_mended_rule_judges_the_next_order() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.edit_rule().await;
    page.paste("let limit = 7.0;\nif order.totl > limit { [] } else { [] }\n").await;
    browser.says("#rule-mistake", "fraud.rhai:2:").await;
    browser.says("#rule-lines mark", "2").await;
    browser.keep_screenshot("rule-mistake.png").await;
    page.press_button("#rule-apply").await;
    browser.says("#rule-outcome", "can't be in force").await;

    page.paste(SEVEN).await;
    browser.wait_for("#rule-mistake:empty").await;
    page.press_button("#rule-backtest").await;
    browser.says("#rule-backtest-rows", "SEVEN").await;
    browser.keep_screenshot("rule-backtest.png").await;
    page.press_button("#rule-apply").await;
    let version = dojo_rules::version(SEVEN);
    browser.says("#rule-outcome", &format!("Version {version} is saved")).await;
    browser.says("#rule-switched", &format!("Every instance switched to {version} after ")).await;
    assert_eq!(std::fs::read_to_string(page.dojo.rules.join("fraud.rhai")).unwrap(), SEVEN);
    browser.press(ESCAPE).await;
    browser.focus_is_on("#rules [data-rule=fraud] a").await;

    page.dojo.placed("Bob", "9.50").await;
    browser.says("#alerts", "SEVEN").await;
    browser.says("#alerts [data-f=rule]", &version).await;
    browser.keep_screenshot("rule-applied.png").await;
}

#[tokio::test]
async fn a_change_on_disk_while_the_rule_is_edited_is_shown_and_not_overwritten() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.edit_rule().await;
    page.paste(SEVEN).await;
    save(&page.dojo.rules, "fraud.rhai", "[] // by another editor\n");
    browser.wait_for("#rule-conflict:not([hidden])").await;
    assert_eq!(page.typed().await, SEVEN);
    browser.keep_screenshot("rule-conflict.png").await;
    page.press_button("#rule-take-file").await;
    assert_eq!(page.typed().await, "[] // by another editor\n");

    // Without changes in the page, the editor follows the file.
    save(&page.dojo.rules, "fraud.rhai", "[] // once more\n");
    browser.says("#rule-outcome", "The file has changed on disk").await;
    assert_eq!(page.typed().await, "[] // once more\n");

    page.paste(SEVEN).await;
    save(&page.dojo.rules, "fraud.rhai", "[] // a third time\n");
    browser.wait_for("#rule-conflict:not([hidden])").await;
    page.press_button("#rule-keep-mine").await;
    page.press_button("#rule-apply").await;
    browser.says("#rule-outcome", "is saved").await;
    assert_eq!(std::fs::read_to_string(page.dojo.rules.join("fraud.rhai")).unwrap(), SEVEN);
}

#[tokio::test]
async fn a_rule_goes_back_to_the_last_good_one_and_to_the_one_as_shipped() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let shipped = std::fs::read_to_string(page.dojo.rules.join("fraud.rhai")).unwrap();
    save(&page.dojo.rules, "fraud.rhai", SEVEN);
    browser.says("#rules [data-rule=fraud] [data-f=version]", &dojo_rules::version(SEVEN)).await;
    save(&page.dojo.rules, "fraud.rhai", "[\n");
    browser.says("#rules [data-rule=fraud] [data-f=error]", "fraud.rhai:").await;
    page.edit_rule().await;
    assert_eq!(page.typed().await, "[\n");
    browser.wait_for("#rule-last-good:not([hidden])").await;
    page.press_button("#rule-last-good").await;
    assert_eq!(page.typed().await, SEVEN);
    page.press_button("#rule-as-shipped").await;
    assert_eq!(page.typed().await, shipped);

    // Closing asks, because the text isn't saved.
    browser.press(ESCAPE).await;
    browser.focus_is_on("#rule-keep-editing").await;
    browser.press(ENTER).await;
    browser.focus_is_on("#rule-source").await;
    browser.press(ESCAPE).await;
    browser.focus_is_on("#rule-apply").await;
    browser.press(ESCAPE).await;
    browser.focus_is_on("#rule-keep-editing").await;
    browser.press(&[TAB, ENTER].concat()).await;
    browser.wait_for("#rule-editor:not([open])").await;
    assert_eq!(std::fs::read_to_string(page.dojo.rules.join("fraud.rhai")).unwrap(), "[\n");
}

#[tokio::test]
async fn the_editor_fits_a_phone_and_a_page_at_200_percent_zoom() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.edit_rule().await;
    browser.press(TAB).await;
    assert!(page.typed().await.as_str().unwrap().starts_with("    "), "Tab indents");
    for (width, height) in [(360, 640), (640, 400), (1280, 900)] {
        browser.resize(width, height).await;
        let script = "const all = [...document.querySelectorAll('html, #rule-editor')]; \
            return [all.filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.tagName), \
                document.querySelector('#rule-source').clientHeight > 120]";
        assert_eq!(browser.js(script, Vec::new()).await, json!([[], true]), "at {width}x{height}");
        browser.keep_screenshot(&format!("rule-editor-{width}x{height}.png")).await;
    }
}

#[tokio::test]
async fn a_rule_that_fails_on_one_order_in_a_hundred_says_why_where_the_verdict_is_shown() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    save(
        &page.dojo.rules,
        "fraud.rhai",
        "if order.customerName == \"Sisyphus\" { throw \"no stone today\" }\n[]\n",
    );
    let version = dojo_rules::version(&std::fs::read_to_string(page.dojo.rules.join("fraud.rhai")).unwrap());
    eventually("the version in force", async || {
        let rule = page.dojo.get("/rules/fraud").await;
        if rule["instances"][0]["version"] == *version { Ok(()) } else { Err(rule) }
    })
    .await;
    let order = page.dojo.placed("Sisyphus", "1").await;
    let row = format!("#orders [data-order-id='{order}']");
    browser.says(&format!("{row} [data-f=mistake]"), "fraud.rhai:1:").await;
    browser.says(&format!("{row} [data-f=mistake]"), "no stone today").await;
    browser.says("#audit", "no stone today").await;
    browser.keep_screenshot("rule-error.png").await;
    browser.js(&format!("document.querySelector(\"{row} [data-journey]\").click()"), Vec::new()).await;
    browser.says("#steps", "fraud.rhai:1:").await;
    // A page that is opened later says the same.
    browser.open(&page.dojo).await;
    browser.says(&format!("{row} [data-f=mistake]"), "no stone today").await;
}

#[tokio::test]
async fn read_only_rules_are_shown_with_the_reason() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().arg("--read-only=rules").ready().await;
    browser.open(&dojo).await;
    browser.js("location.hash = '#/rules/fraud'", Vec::new()).await;
    browser.says("#rule-editor", "in READ_ONLY").await;
    eventually("the source", async || {
        let script = "const text = document.querySelector('#rule-source'); \
            return [text.readOnly, text.value.includes('VELOCITY'), document.querySelector('#rule-apply')]";
        match browser.js(script, Vec::new()).await {
            shown if shown == json!([true, true, null]) => Ok(()),
            shown => Err(shown),
        }
    })
    .await;
}
