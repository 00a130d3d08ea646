//! Settings are changed for all instances and for one.

use super::{
    Browser, SETTINGS_OF_ALL,
    browser::{END, ENTER, HOME},
};
use crate::process::Start;
use dojo_testbed::eventually;
use serde_json::{Value, json};

const OF_ONE: &str = "[data-instance=notification-1].instance";

#[tokio::test]
async fn every_setting_is_changed_and_reset_by_keyboard_for_all_and_for_one_instance() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    browser.open(&dojo).await;
    let number = |digits: &str| format!("{digits}{ENTER}");
    let knobs = [
        ("failRate", END.to_owned(), json!(1), HOME.to_owned(), json!(0)),
        ("maxRetries", number("5"), json!(5), number("3"), json!(3)),
        ("onExhausted", "dr".to_owned(), json!("drop"), "r".to_owned(), json!("retry")),
        ("deliveryMillis", number("20"), json!(20), number("10"), json!(10)),
        ("guarantee", "e".to_owned(), json!("exactlyOnce"), "a".to_owned(), json!("atLeastOnce")),
    ];
    for (setting, keys, ..) in &knobs {
        browser.set(SETTINGS_OF_ALL, setting, keys).await;
    }
    browser.tab_to(&format!("{OF_ONE} summary")).await;
    browser.press(ENTER).await;
    for (setting, _, value, keys, _) in &knobs {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        browser.says(&format!("{OF_ONE} [data-setting={setting}] output"), &shown).await;
        browser.set(OF_ONE, setting, keys).await;
    }
    let wanted = json!({
        "all": knobs.iter().map(|(_, _, value, ..)| value).collect::<Vec<_>>(),
        "one": knobs.iter().map(|(.., value)| value).collect::<Vec<_>>(),
    });
    eventually("all of them to be in force", async || {
        let settings = dojo.get("/settings").await;
        let one = &settings["instances"]["notification-1"];
        let values = |of: &Value| {
            let values = knobs.iter().map(|(setting, ..)| of[setting]["value"].clone());
            values.collect::<Vec<_>>()
        };
        let found = json!({"all": values(&settings), "one": values(one)});
        if found == wanted { Ok(()) } else { Err(found) }
    })
    .await;
    browser.says(&format!("{OF_ONE} summary"), "fail rate 0, retries 3, finally retry forever").await;
    browser.wait_for("#endless:not([hidden])").await;
    for (width, height) in [(1280, 800), (390, 844)] {
        browser.resize(width, height).await;
        browser.wait_for(&format!("{OF_ONE} details")).await;
        browser.js("document.querySelector('#endless').scrollIntoView({block: 'start'})", Vec::new()).await;
        browser.keep_screenshot(&format!("settings-{width}x{height}.png")).await;
    }

    for (setting, ..) in knobs {
        for place in [OF_ONE, SETTINGS_OF_ALL] {
            let form = format!("{place} [data-setting={setting}]");
            browser.says(&format!("{form} p"), "reset").await;
            browser.tab_to(&format!("{form} [data-reset]")).await;
            browser.press(ENTER).await;
            browser.wait_for(&format!("{form} [data-reset][hidden]")).await;
            // The button is gone, and what it belongs to has the focus.
            browser.focus_is_on(&format!("{form} :is(input, select)")).await;
        }
    }
    browser.says(&format!("{SETTINGS_OF_ALL} [data-setting=failRate]"), "environment").await;
    browser.says(&format!("{OF_ONE} [data-setting=failRate]"), "as for all").await;
    browser.wait_for("#endless[hidden]").await;
    assert_eq!(dojo.get("/settings").await["instances"], json!({}));
    assert_eq!(browser.text_of("#notified-twice").await, "0");
}

#[tokio::test]
async fn a_number_that_a_setting_does_not_allow_is_refused_with_the_reason_and_taken_back() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    browser.open(&dojo).await;
    let delete = format!("{END}\u{e003}");
    for (typed, said) in [("11", "0 to 10"), (delete.as_str(), "Retries: give a whole number from 0 to 10.")]
    {
        browser.set(SETTINGS_OF_ALL, "maxRetries", &format!("{typed}{ENTER}")).await;
        browser.says("#setting", said).await;
        let value = format!(
            "return document.querySelector('{SETTINGS_OF_ALL} [data-setting=maxRetries] input').value"
        );
        assert_eq!(browser.js(&value, Vec::new()).await, "2");
    }
}
