//! What fits where, at every size of the window.

use super::{
    Page,
    browser::{ENTER, TAB},
};
use serde_json::json;

#[tokio::test]
async fn every_panel_shows_rows_at_every_size_and_nothing_scrolls_sideways() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let long = "Maximiliane Schattenhofer-Wagenknecht of Long Names Street, Springfield";
    for _ in 0..7 {
        page.dojo.placed(long, "250.25").await;
    }
    browser.wait_for("#alerts .row:nth-child(7)").await;
    browser.tab_to("#orders [data-edit]").await;
    browser.press(&[ENTER, TAB, "0x10", TAB, "12,50", ENTER].concat()).await;
    browser.says(".editor [data-error-of=price]", "give a number").await;
    for (width, height) in [(1280, 800), (1024, 768), (960, 950), (640, 400), (390, 844), (360, 640)] {
        browser.resize(width, height).await;
        for view in ["orders", "audit", "fraud", "dead-letters", "instances"] {
            browser.js("location.hash = `#/${arguments[0]}`", vec![json!(view)]).await;
            browser.wait_for(&format!("[data-view={view}]:not([hidden])")).await;
            let script = "const all = (css) => [...document.querySelectorAll(css)].filter((box) => box.checkVisibility()); \
                const wrong = all('.rows').filter((list) => list.clientHeight < 150 \
                    || list.childElementCount > 1 && list.clientHeight < 2 * list.lastElementChild.offsetHeight); \
                const wide = all('html, .rows, section, .editor').filter((box) => box.scrollWidth > box.clientWidth); \
                const beside = all('button, input, select').filter((box) => \
                    box.getBoundingClientRect().right > box.closest('section, header').getBoundingClientRect().right); \
                const cut = all('.order > .line:first-child > .grow').filter((box) => box.scrollWidth > box.clientWidth); \
                const named = (boxes) => boxes.map((box) => `${box.tagName} ${box.id} ${box.className} ${box.clientHeight}`); \
                return [innerWidth, named(wrong), named(wide), named(beside), named(cut)]";
            assert_eq!(
                browser.js(script, Vec::new()).await,
                json!([width, [], [], [], []]),
                "{view} at {width}x{height}"
            );
            browser.keep_screenshot(&format!("{view}-{width}x{height}.png")).await;
        }
    }
}
