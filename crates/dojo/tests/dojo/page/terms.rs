//! Kafka's words on the page.

use super::Page;
use dojo_testbed::until;
use serde_json::json;

const ESCAPE: &str = "\u{E00C}";

/// The sentence that is shown, or nothing.
const SHOWN: &str = "const tip = document.getElementById('term-meaning'); \
    return tip.matches(':popover-open') ? tip.textContent : ''";
const MEANING: &str = "const all = [...document.querySelectorAll('#glossary dt')]; \
    return all.find((term) => term.textContent === arguments[0]).nextElementSibling.textContent";

#[tokio::test]
async fn a_word_of_kafkas_shows_its_sentence_on_focus_and_hover() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let shown = async || browser.js(SHOWN, Vec::new()).await;
    for (place, word) in [("#instances", "lag"), ("#rebalances", "generation")] {
        let meaning = browser.js(MEANING, vec![json!(word)]).await;
        assert!(meaning.as_str().unwrap().len() > 40, "{word}: {meaning}");
        browser.tab_to(&format!("section:has({place}) [data-term={word}]")).await;
        assert_eq!(shown().await, meaning);
        if word == "lag" {
            browser.keep_screenshot("term.png").await;
        }
        browser.press(ESCAPE).await;
        assert_eq!(shown().await, "");
    }
    let over = "const word = document.querySelector('[data-term=rebalance]'); \
        word.dispatchEvent(new PointerEvent(arguments[0], {bubbles: true}))";
    browser.js(over, vec![json!("pointerover")]).await;
    let meaning = browser.js(MEANING, vec![json!("rebalance")]).await;
    until("the sentence", async || shown().await == meaning).await;
    browser
        .js("document.body.dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))", Vec::new())
        .await;
    until("no sentence", async || shown().await == "").await;
}
