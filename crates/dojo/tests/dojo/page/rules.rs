//! A rule is edited in the page.

use super::{
    Page,
    browser::{Browser, ENTER, ESCAPE, TAB},
};
use crate::{process::Start, rules::save};
use dojo_testbed::eventually;
use serde_json::{Value, json};

pub const EDITOR: &str = "#rule-editor:not([hidden])";
/// Flags every order above 7 dollars.
pub const SEVEN: &str = "if order.total > 7.0 { [alert(\"SEVEN\", \"LOW\", \"more than 7\")] } else { [] }\n";

/// Returns the shown elements whose text has a contrast of less than 4.5 to what is behind it (WCAG 1.4.3).
const CONTRAST: &str = "
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return canvas.getImageData(0, 0, 1, 1).data;
    };
    const behind = (element) => {
        for (let box = element; box; box = box.parentElement) {
            const colour = rgba(getComputedStyle(box).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return rgba('Canvas');
    };
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
    const contrast = (element) => {
        const [a, b] = [light(rgba(getComputedStyle(element).color)), light(behind(element))];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    };
    return [...document.querySelectorAll(arguments[0])]
        .filter((element) => element.checkVisibility() && contrast(element) < 4.5)
        .map((element) => `${element.id} ${element.tagName} ${contrast(element).toFixed(2)}`)";

impl Page {
    /// Opens the editor of a rule, by keyboard.
    pub async fn edit_rule(&self, name: &str) {
        let browser = &self.browser;
        let link = format!("#rules [data-rule={name}] a");
        browser.wait_for(&link).await;
        browser.tab_to(&link).await;
        browser.press(ENTER).await;
        browser.wait_for(EDITOR).await;
        browser.focus_is_on("#rule-source").await;
    }

    /// Replaces the text of the editor, as a paste does.
    pub async fn paste(&self, source: &str) {
        let script = "const text = document.querySelector('#rule-source'); text.value = arguments[0]; \
            text.dispatchEvent(new Event('input'))";
        self.browser.js(script, vec![json!(source)]).await;
    }

    pub async fn typed(&self) -> Value {
        self.browser.js("return document.querySelector('#rule-source').value", Vec::new()).await
    }

    pub async fn press_button(&self, id: &str) {
        self.browser.js(&format!("document.querySelector('{id}').focus()"), Vec::new()).await;
        self.browser.press(ENTER).await;
    }

    /// Saves a rule's file on disk, and waits until every instance has it in force. Returns its version.
    pub async fn put_in_force(&self, name: &str, source: &str) -> String {
        save(&self.dojo.rules, &format!("{name}.rhai"), source);
        let version = dojo_rules::version(source);
        eventually("the version in force", async || {
            let rule = self.dojo.get(&format!("/rules/{name}")).await;
            let instances = rule["instances"].as_array().unwrap();
            let has = instances.iter().all(|instance| instance["version"] == *version);
            if has && !instances.is_empty() { Ok(()) } else { Err(rule) }
        })
        .await;
        version
    }
}

#[tokio::test]
async fn a_mistake_is_shown_while_it_is_typed_and_the_mended_rule_judges_the_next_order() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.edit_rule("fraud").await;
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
    browser.says("#rule-outcome", &format!("→ {version}, in force on fraud-1.")).await;
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
async fn a_rule_goes_back_to_the_last_good_one_and_to_the_one_as_shipped() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let shipped = std::fs::read_to_string(page.dojo.rules.join("fraud.rhai")).unwrap();
    save(&page.dojo.rules, "fraud.rhai", SEVEN);
    browser.says("#rules [data-rule=fraud] [data-f=version]", &dojo_rules::version(SEVEN)).await;
    save(&page.dojo.rules, "fraud.rhai", "[\n");
    browser.says("#rules [data-rule=fraud] [data-f=error]", "fraud.rhai:").await;
    page.edit_rule("fraud").await;
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
    browser.wait_for("#rule-editor[hidden]").await;
    assert_eq!(std::fs::read_to_string(page.dojo.rules.join("fraud.rhai")).unwrap(), "[\n");
}

#[tokio::test]
async fn the_editor_fits_a_phone_and_a_page_at_200_percent_zoom() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.edit_rule("fraud").await;
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
    let rule = "if order.customerName == \"Sisyphus\" { throw \"no stone today\" }\n[]\n";
    page.put_in_force("fraud", rule).await;
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
    browser.js("document.querySelector('#rule-source').focus()", Vec::new()).await;
    browser.press(ESCAPE).await;
    browser.wait_for("#rule-editor[hidden]").await;
}

#[tokio::test]
async fn the_notification_rule_is_edited_and_has_no_backtest() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.edit_rule("notification").await;
    browser.says("#rule-name", "notification").await;
    browser
        .js("if (document.querySelector('#rule-backtest').checkVisibility()) throw 'shown'", Vec::new())
        .await;
    let rule = "if order.customerName == \"Bob\" { throw \"Bob is on holiday\" }\n";
    page.paste(rule).await;
    page.press_button("#rule-apply").await;
    let version = dojo_rules::version(rule);
    browser.says("#rule-outcome", &format!("→ {version}, in force on notification-1, notification-2.")).await;
    browser.says("#rule-switched", &format!("Every instance switched to {version} after ")).await;
    browser.keep_screenshot("rule-notification.png").await;
    page.dojo.placed("Bob", "9.50").await;
    browser.says("#dead-letters", "Bob is on holiday").await;
}

#[tokio::test]
async fn dead_letters_show_the_version_of_the_rule_that_decided() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let version = page.put_in_force("notification", "throw \"closed today\"\n").await;
    page.dojo.placed("Bob", "9.50").await;
    browser.says("#dead-letters [data-f=rule]", &version).await;
    browser.says("#dead-letters [data-f=reason]", "closed today").await;
    // A page that is opened later shows the same.
    browser.open(&page.dojo).await;
    browser.says("#dead-letters [data-f=rule]", &version).await;
}

#[tokio::test]
async fn the_editor_and_the_rules_are_readable_in_both_colour_schemes() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        for (width, height) in [(1280, 900), (390, 844)] {
            browser.resize(width, height).await;
            browser
                .js("document.querySelector('#rules').scrollIntoView({block: 'center'})", Vec::new())
                .await;
            browser.keep_screenshot(&format!("rules-{scheme}-{width}.png")).await;
            page.edit_rule("fraud").await;
            page.paste("let limit = 7.0;\nif order.totl > limit { [] } else { [] }\n").await;
            browser.says("#rule-mistake", "fraud.rhai:2:").await;
            page.press_button("#rule-close").await;
            browser.focus_is_on("#rule-keep-editing").await;
            browser.keep_screenshot(&format!("rule-editor-{scheme}-{width}.png")).await;
            let read = "#rule-name, #rule-switched, #rule-source, #rule-lines, #rule-lines mark, #rule-mistake, \
                #rule-keys, #rule-discard p, #rule-editor button";
            assert_eq!(browser.js(CONTRAST, vec![json!(read)]).await, json!([]), "{scheme}, {width} pixels");
            page.press_button("#rule-discard-now").await;
            browser.wait_for("#rule-editor[hidden]").await;
        }
    }
}
