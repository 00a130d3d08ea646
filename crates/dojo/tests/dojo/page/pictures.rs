//! Pictures of every view, for people to look at, and what axe finds there.

use super::{
    Browser, Page, SETTINGS_OF_ALL,
    browser::{END, ENTER},
    views::VIEWS,
};
use crate::process::{Start, workspace};
use dojo_testbed::eventually;
use serde_json::json;

/// A phone, a laptop and a large screen.
const SIZES: [(u32, u32); 3] = [(390, 844), (1280, 800), (3840, 2160)];
const SCHEMES: [&str; 2] = ["light", "dark"];
/// What is wider than its place, the page first.
const TOO_WIDE: &str = "const all = [...document.querySelectorAll('html, header, .view, section, .rows')]; \
    return all.filter((box) => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1) \
        .map((box) => `${box.tagName} ${box.id} ${box.className} ${box.scrollWidth}`)";

impl Page {
    /// Opens the page with something to see in every view.
    async fn busy() -> Option<Self> {
        let page = Self::open().await?;
        let Self { browser, dojo, .. } = &page;
        for n in 1..=8 {
            dojo.placed("Grace Hopper", &format!("{n}9.99")).await;
        }
        browser.set(SETTINGS_OF_ALL, "failRate", END).await;
        dojo.placed("Maximiliane Schattenhofer-Wagenknecht of Long Names Street", "12.50").await;
        browser.says("#dead-letters", "Maximiliane").await;
        browser.says("#alerts", "VELOCITY").await;
        Some(page)
    }

    async fn show(&self, view: &str) {
        self.browser.js("location.hash = `#/${arguments[0]}`", vec![json!(view)]).await;
        self.browser
            .wait_for(&format!("[data-view={}]:not([hidden])", view.split('/').next().unwrap()))
            .await;
    }
}

#[tokio::test]
async fn every_view_fits_every_screen_and_is_kept_in_a_picture() {
    let Some(page) = Page::busy().await else { return };
    let browser = &page.browser;
    let views = VIEWS.map(|(view, _)| view);
    for (width, height) in SIZES {
        browser.resize(width, height).await;
        for scheme in SCHEMES {
            browser.prefer(scheme).await;
            for view in views.into_iter().chain(["topics/orders", "rules/fraud"]) {
                page.show(view).await;
                eventually(&format!("{view} to fit {width} pixels"), async || {
                    match browser.js(TOO_WIDE, Vec::new()).await {
                        wide if wide == json!([]) => Ok(()),
                        wide => Err(wide),
                    }
                })
                .await;
                browser.keep_screenshot(&format!("{}-{width}-{scheme}.png", view.replace('/', "-"))).await;
            }
        }
    }
    for (width, height) in [(360, 640), (640, 400)] {
        browser.resize(width, height).await;
        for view in views {
            page.show(view).await;
            assert_eq!(browser.js(TOO_WIDE, Vec::new()).await, json!([]), "{view} at {width} pixels");
        }
    }
}

/// What axe finds, in colours that are there to stay: a row that has just come fades in, and another scheme is drawn with the next frame.
const FOUND: &str = "return new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))) \
    .then(() => document.getAnimations().forEach((animation) => animation.finish())) \
    .then(() => axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations \
    .map(({id, nodes}) => `${id}: ${nodes.slice(0, 3).map(({target}) => target.join(' ')).join(', ')}`)))";

/// The script of axe, unless it isn't installed, which is an error in CI.
fn axe() -> Option<String> {
    let axe = workspace().join("target/node/node_modules/axe-core/axe.min.js");
    let script = std::fs::read_to_string(&axe).ok();
    if script.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing, and CI needs it", axe.display());
        println!("skipped: axe-core is not installed (`cargo xtask test` installs it)");
    }
    script
}

#[tokio::test]
async fn axe_finds_nothing_in_any_view() {
    let Some(axe) = axe() else { return };
    let Some(page) = Page::busy().await else { return };
    let browser = &page.browser;
    browser.js(&axe, Vec::new()).await;
    let journey = format!("orders/{}", page.order);
    let views = VIEWS.map(|(view, _)| view).into_iter().chain([
        "topics/orders",
        "rules/fraud",
        &journey,
        "board?projector",
    ]);
    for view in views {
        for (scheme, width) in SCHEMES.into_iter().zip([1280, 390]).chain([("dark", 1280)]) {
            browser.prefer(scheme).await;
            browser.resize(width, 844).await;
            // A journey opens over the view that is shown.
            page.show(view.split(['?', '/']).next().unwrap()).await;
            browser.js("location.hash = `#/${arguments[0]}`", vec![json!(view)]).await;
            let violations = browser.js(FOUND, Vec::new()).await;
            assert_eq!(violations, json!([]), "{view}, {scheme}, {width} pixels");
        }
    }
}

#[tokio::test]
async fn axe_finds_nothing_in_a_run_that_asks_or_that_has_ended() {
    let Some(axe) = axe() else { return };
    let Some(browser) = Browser::start().await else { return };
    let folder = workspace().join("scenarios");
    let dojo = Start::new().arg("--scenarios-dir").arg(folder.to_str().unwrap()).ready().await;
    browser.open(&dojo).await;
    browser.js(&axe, Vec::new()).await;
    browser.play("fraud-spam").await;
    browser.wait_for(".question[data-open=true]").await;
    for close in [true, false] {
        for (scheme, width) in SCHEMES.into_iter().zip([1280, 390]).chain([("dark", 1280)]) {
            browser.prefer(scheme).await;
            browser.resize(width, 844).await;
            assert_eq!(
                browser.js(FOUND, Vec::new()).await,
                json!([]),
                "{scheme}, {width} pixels, asks: {close}"
            );
        }
        if close {
            browser.tab_to(".question [data-close]").await;
            browser.press(ENTER).await;
            browser.says("#run-verdict", "met").await;
        }
    }
}
