//! The report of a run: `report.html` in a browser, from its file.

use super::Browser;
use crate::process::{Dojo, Start, dojo_run};
use serde_json::json;
use std::path::Path;

/// A lesson with a flood and steps during it, with expectations that are met and one that isn't, and with names that try to be more.
const LESSON: &str = r#"
name: "A day at the <b>counter</b> with rather many words in its name"
lesson: Customers order faster than one instance delivers. The backlog grows, and is drained after the rush.
tags: [short]
vars: { customer: "Mallory <script>alert(1)</script>" }
settings: { failRate: 0.2 }
always: { settled: 30s, ruleErrors: none }
steps:
  - say: The rush begins.
  - flood:
      count: 240
      rate: 60/s
      order: { customerName: "${customer}", item: [Pizza, Soup], quantity: 1, price: 4.00..9.00 }
      meanwhile:
        - pause: 500ms
        - expect: { action: NOTIFIED, atLeast: 5, within: 10s }
        - settings: { failRate: 0 }
  - expect: { action: [FRAUD_CHECK_PASSED, FRAUD_ALERT], perOrder: 1, within: 20s }
  - expect: { lag: { group: notification-group, atMost: 0 }, within: 20s }
  - expect: { action: FRAUD_ALERT, alert: VELOCITY, exactly: 7, within: 10s }
  - expect: { http: { p99: '< 30s' } }
"#;

const SHORT: &str = "name: One order\nsteps:\n  - order: { customerName: Ada, item: Pizza, quantity: 1, price: 9.50 }\n  \
                     - expect: { action: NOTIFIED, perOrder: 1, within: 10s }\n";

/// Refused by the API in the midst of a flood.
const FAILS: &str = "name: A flood that fails\nsteps:\n  - flood: { count: 50, rate: 50/s, order: { customerName: Ada, item: Pizza, quantity: 1, price: 9.50 }, \
                     meanwhile: [ { pause: 300ms }, { instance: { stop: nobody-1 } } ] }\n  - expect: { action: NOTIFIED, atLeast: 1 }\n";

/// Plays the scenarios and returns the exit code.
async fn play(dojo: &Dojo, folder: &Path, scenarios: &[&str]) -> Option<i32> {
    let mut command = tokio::process::Command::new(dojo_run());
    for (n, text) in scenarios.iter().enumerate() {
        let path = folder.join(format!("scenario-{n}.yaml"));
        std::fs::write(&path, text).unwrap();
        command.arg(path);
    }
    let output = command.args(["--target", &dojo.url, "--report"]).arg(folder.join("report")).output().await;
    let output = output.unwrap();
    println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    output.status.code()
}

/// What is wider than its place, and texts whose contrast is too low for their size.
const WRONG: &str = "
    const luminance = (colour) => {
        const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => part / 255)
            .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const back = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (!/, 0\\)$/.test(colour)) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    const contrast = (element, property) => {
        const [light, dark] = [getComputedStyle(element)[property], back(element)].map(luminance).sort((a, b) => b - a);
        return (light + 0.05) / (dark + 0.05);
    };
    const all = (css) => [...document.querySelectorAll(css)].filter((element) => element.checkVisibility());
    const texts = all('body *').filter((element) => [...element.childNodes].some((node) => node.nodeType == 3 && node.data.trim()));
    const pale = texts.filter((element) => contrast(element, element.closest('figure > svg') ? 'fill' : 'color') < 4.5);
    const wide = all('html, article, table, section, .timeline li, details').filter((box) => box.scrollWidth > box.clientWidth + 1);
    const named = (elements) => elements.map((element) => element.outerHTML.slice(0, 120));
    return [innerWidth, named(pale), named(wide)]";

#[tokio::test]
async fn a_report_can_be_read_at_every_size_in_light_and_dark() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(play(&dojo, folder.path(), &[LESSON, SHORT, FAILS]).await, Some(3));
    let page = format!("file://{}", folder.path().join("report/report.html").display());
    browser.client.goto(&page).await.unwrap();
    browser.wait_for("#scenario-3").await;
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.prefer(scheme).await;
        browser.resize(width, 900).await;
        for open in [false, true] {
            let script = "document.querySelectorAll('details').forEach((one) => one.open = arguments[0] || one.matches('.missed'))";
            browser.js(script, vec![json!(open)]).await;
            assert_eq!(
                browser.js(WRONG, Vec::new()).await,
                json!([width, [], []]),
                "{width} {scheme} {open}"
            );
        }
        let height = browser.js("return document.documentElement.scrollHeight", Vec::new()).await;
        browser.resize(width, height.as_u64().unwrap() as u32).await;
        browser.keep_screenshot(&format!("report-{width}-{scheme}.png")).await;
    }
    // Names are shown as they are, and nothing of them became an element.
    let count = "return ['article b', 'script', 'figure > svg', '.examples tr'].map((css) => document.querySelectorAll(css).length)";
    let counts = browser.js(count, Vec::new()).await;
    assert_eq!((&counts[0], &counts[1], &counts[2]), (&json!(0), &json!(0), &json!(4)), "{counts}");
    assert!(browser.text_of("#scenario-1 h2").await.contains("<b>counter</b>"));
    let names =
        "return [...document.querySelectorAll('figure > svg')].map((svg) => svg.getAttribute('aria-label'))";
    let names = browser.js(names, Vec::new()).await;
    assert!(names[0].as_str().unwrap().contains("240 sent, 240 accepted"), "{names}");
}
