//! What a person sees and does in a real browser. Screenshots are kept below `target/screenshots`.

use crate::process::{Dojo, Start, free_port, workspace};
use dojo_testbed::{PATIENCE, eventually};
use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource as _, KeyAction, KeyActions},
};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A browser with its driver; both end when dropped.
pub struct Browser {
    driver: Child,
    port: u16,
    pub client: Client,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A driver that is asked to end also ends its browser; a killed one would leave it behind.
        if let Ok(mut driver) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = driver.write_all(b"GET /shutdown HTTP/1.1\r\nhost: localhost\r\n\r\n");
        }
        let begun = Instant::now();
        while matches!(self.driver.try_wait(), Ok(None)) && begun.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// Starts a browser; returns `None` where none is installed, which is an error in CI.
    pub async fn start() -> Option<Self> {
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(driver) = driver else {
            assert!(std::env::var_os("CI").is_none(), "chromedriver is not installed, and CI needs it");
            println!(
                "skipped: chromedriver is not installed (Debian: apt-get install chromium chromium-driver)"
            );
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--window-size=1280,900",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let capabilities =
            json!({"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}});
        let url = format!("http://localhost:{port}");
        let begun = Instant::now();
        let client = loop {
            let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
            match builder.capabilities(capabilities.as_object().unwrap().clone()).connect(&url).await {
                Ok(client) => break client,
                Err(error) if begun.elapsed() > PATIENCE => panic!("no browser: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        Some(Self { driver, port, client, _profile: profile })
    }

    pub async fn text_of(&self, css: &str) -> String {
        self.client.find(Locator::Css(css)).await.unwrap().text().await.unwrap()
    }

    pub async fn wait_for(&self, css: &str) -> fantoccini::elements::Element {
        let wait = self.client.wait().at_most(PATIENCE);
        wait.for_element(Locator::Css(css)).await.unwrap_or_else(|e| panic!("no {css} on the page: {e}"))
    }

    /// Runs JavaScript on the page, and returns what it returns.
    async fn js(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap()
    }

    /// Presses keys, wherever the focus is.
    async fn press(&self, keys: &str) {
        let actions = keys.chars().fold(KeyActions::new("keyboard".to_owned()), |actions, value| {
            actions.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        });
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Presses Tab until the focus is on an element that matches `css`.
    async fn tab_to(&self, css: &str) {
        for _ in 0..100 {
            if self.has_focus(css).await {
                return;
            }
            self.press(TAB).await;
        }
        panic!("Tab does not reach {css}");
    }

    async fn has_focus(&self, css: &str) -> bool {
        self.js("return document.activeElement.matches(arguments[0])", vec![json!(css)]).await == true
    }

    /// Waits until the focus is on an element that matches `css`.
    async fn focus_is_on(&self, css: &str) {
        eventually(&format!("the focus to be on {css}"), async || {
            if self.has_focus(css).await {
                return Ok(());
            }
            Err(self.js("return document.activeElement.outerHTML", Vec::new()).await)
        })
        .await;
    }

    /// Waits until the text of the element that matches `css` contains `text`.
    async fn says(&self, css: &str, text: &str) {
        eventually(&format!("{css} to say {text:?}"), async || {
            let said =
                self.js("return document.querySelector(arguments[0])?.textContent", vec![json!(css)]).await;
            if said.as_str().is_some_and(|said| said.contains(text)) { Ok(()) } else { Err(said) }
        })
        .await;
    }

    /// Gives the page this many CSS pixels; a window can't be as narrow as a phone.
    async fn resize(&self, width: u32, height: u32) {
        let session = self.client.session_id().await.unwrap().unwrap();
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics});
        let url = format!("http://localhost:{}/session/{session}/goog/cdp/execute", self.port);
        let answer = reqwest::Client::new().post(url).json(&command).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    async fn keep_screenshot(&self, name: &str) {
        let screenshot = self.client.screenshot().await.unwrap();
        let folder = workspace().join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), screenshot).unwrap();
    }
}

// The code points by which WebDriver names keys.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

/// A page that shows one order, of Ada: one pizza for 9.50.
struct Page {
    browser: Browser,
    dojo: Dojo,
    order: String,
}

impl Page {
    async fn open() -> Option<Self> {
        let browser = Browser::start().await?;
        let dojo = Start::new().ready().await;
        let order = dojo.placed("Ada", "9.50").await;
        browser.client.goto(&dojo.url).await.unwrap();
        browser.wait_for("#stream[data-state=live]").await;
        browser.wait_for(&format!("#orders [data-order-id='{order}']")).await;
        Some(Self { browser, dojo, order })
    }

    /// What the order's row shows: quantity, item, price and status; `null` without a row.
    async fn row(&self) -> Value {
        let script = "const row = document.querySelector(`#orders [data-order-id='${arguments[0]}']`); \
            const text = (name) => row.querySelector(`[data-f=${name}]`).textContent; \
            return row && ['quantity', 'item', 'price', 'status'].map(text).join(' ')";
        self.browser.js(script, vec![json!(self.order)]).await
    }

    async fn row_is(&self, wanted: Value) {
        eventually(&format!("the row to be {wanted}"), async || match self.row().await {
            row if row == wanted => Ok(()),
            row => Err(row),
        })
        .await;
    }

    /// Delivers no event to the page until [`Self::resume_events`].
    async fn hold_events(&self) {
        self.browser.js("source.close()", Vec::new()).await;
    }

    async fn resume_events(&self) {
        self.browser.js("connect()", Vec::new()).await;
    }

    /// Changes the order through the API, as another person does.
    async fn change_elsewhere(&self, change: Value) {
        let url = format!("{}/orders/{}", self.dojo.url, self.order);
        let answer = self.dojo.http.put(url).json(&change).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    async fn delete_elsewhere(&self) {
        let url = format!("{}/orders/{}", self.dojo.url, self.order);
        assert_eq!(self.dojo.http.delete(url).send().await.unwrap().status(), 204);
    }

    /// Opens the editor of the first row.
    async fn edit(&self) {
        self.browser.tab_to("#orders [data-edit]").await;
        self.browser.press(ENTER).await;
        self.browser.focus_is_on(".editor [name=item]").await;
    }
}

#[tokio::test]
async fn an_order_placed_on_the_page_gets_its_verdict_there() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    let client = &browser.client;
    client.goto(&dojo.url).await.unwrap();

    let fields =
        [("customerName", "<b>Ada</b> & Söhne"), ("item", "Pizza"), ("quantity", "3"), ("price", "49.99")];
    for (name, value) in fields {
        let field = browser.wait_for(&format!("form [name={name}]")).await;
        field.clear().await.unwrap();
        field.send_keys(value).await.unwrap();
    }
    browser.wait_for("form [type=submit]").await.click().await.unwrap();
    let row = browser.wait_for("[data-order-id]").await;
    let id = row.attr("data-order-id").await.unwrap().unwrap();
    assert_eq!(dojo.get(&format!("/orders/{id}")).await["price"], json!(49.99));

    let begun = Instant::now();
    let text = loop {
        let text = browser.text_of(&format!("[data-order-id='{id}']")).await;
        if text.contains("NOTIFIED") && text.contains("AMOUNT") {
            break text;
        }
        assert!(begun.elapsed() < PATIENCE, "no verdicts in: {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(text.contains("<b>Ada</b> & Söhne"), "markup is shown as text: {text}");

    browser.keep_screenshot("first-order.png").await;
}

#[tokio::test]
async fn the_guarantee_is_changed_on_the_page_for_all_and_for_one_instance() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    browser.client.goto(&dojo.url).await.unwrap();
    browser.wait_for("#stream[data-state=live]").await;
    let own = "[data-instance=notification-1] .guarantee select";
    for (select, chosen) in [("#guarantee", "exactlyOnce"), (own, "atLeastOnce")] {
        browser.wait_for(select).await.select_by_value(chosen).await.unwrap();
    }
    eventually("both to be in force", async || {
        let settings = dojo.get("/settings").await;
        let all = settings["guarantee"]["value"] == "exactlyOnce";
        let one = settings["instances"]["notification-1"]["guarantee"]["value"] == "atLeastOnce";
        if all && one { Ok(()) } else { Err(settings) }
    })
    .await;
    let source = "#guarantee-source";
    eventually("the page to say where it comes from", async || match browser.text_of(source).await {
        text if text == "topic" => Ok(()),
        text => Err(text),
    })
    .await;
    assert_eq!(browser.text_of("#notified-twice").await, "0");
}

#[tokio::test]
async fn an_order_is_edited_by_keyboard_on_a_phone_and_its_row_changes_when_the_event_comes_back() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    browser.resize(360, 640).await;
    page.edit().await;
    page.hold_events().await;
    browser.press(&["Pasta", TAB, "3", TAB, "12.50", TAB, "delivering", TAB, ENTER].concat()).await;
    // The answer is there, and so is the change; only its event is missing.
    let answered = "return !document.querySelector('.editor') || !!document.querySelector('.editor').parentElement.editor.awaited";
    eventually("the answer", async || match browser.js(answered, Vec::new()).await {
        Value::Bool(true) => Ok(()),
        _ => Err(browser.text_of(".editor").await),
    })
    .await;
    assert_eq!(page.dojo.get(&format!("/orders/{}", page.order)).await["item"], "Pasta");
    assert_eq!(page.row().await, "1 Pizza 9.50 created", "the row goes ahead of its event");
    browser.says(".editor .outcome", "Waiting for the event").await;
    assert!(browser.has_focus(".editor [type=submit]").await);
    browser.keep_screenshot("edit-360x640.png").await;

    page.resume_events().await;
    page.row_is(json!("3 Pasta 12.50 delivering")).await;
    browser.focus_is_on("#orders [data-edit]").await;
    browser.says("#order-outcome", "is changed").await;
}

#[tokio::test]
async fn wrong_fields_of_an_edit_are_named_beside_them_and_keep_what_was_typed() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.edit().await;
    for (typed, errors) in [
        // What isn't a number is refused on the page, and what isn't allowed by the API.
        (
            ["Pasta", "0x10", "12,50"],
            [
                "",
                "quantity is `0x10`: give a whole number such as 2",
                "price is `12,50`: give a number such as 12.50",
            ],
        ),
        (
            [" ", "0", "9.999"],
            ["item is empty", "quantity is 0: give a whole number", "price is 9.999: give dollars"],
        ),
    ] {
        browser.tab_to(".editor [name=item]").await;
        browser.press(&[typed[0], TAB, typed[1], TAB, typed[2], ENTER].concat()).await;
        for (name, (typed, error)) in
            ["item", "quantity", "price"].into_iter().zip(typed.into_iter().zip(errors))
        {
            browser.says(&format!(".editor [data-error-of={name}]"), error).await;
            let script = "const field = document.querySelector(`.editor [name=${arguments[0]}]`); \
                const error = document.getElementById(field.getAttribute('aria-describedby')); \
                return [field.value, field.ariaInvalid, error.dataset.errorOf]";
            let field = browser.js(script, vec![json!(name)]).await;
            assert_eq!(field, json!([typed, (!error.is_empty()).to_string(), name]));
        }
        assert!(browser.has_focus(".editor [name=price]").await);
    }
    browser.keep_screenshot("field-errors.png").await;
    assert_eq!(page.row().await, "1 Pizza 9.50 created");
}

#[tokio::test]
async fn an_order_is_deleted_by_keyboard_after_a_question_that_escape_takes_back() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    browser.tab_to("#orders [data-delete]").await;
    browser.press(ENTER).await;
    browser.says(".editor", "Delete this order?").await;
    browser.press(ESCAPE).await;
    browser.focus_is_on("#orders [data-delete]").await;

    page.hold_events().await;
    browser.press(&[ENTER, TAB, ENTER].concat()).await;
    eventually("the order to be deleted", async || {
        let order = page.dojo.ask(&format!("/orders/{}", page.order)).await?;
        if order["status"] == 404 { Ok(()) } else { Err(order.to_string()) }
    })
    .await;
    assert_eq!(page.row().await, "1 Pizza 9.50 created", "the row goes ahead of its event");
    page.resume_events().await;
    page.row_is(Value::Null).await;
    browser.focus_is_on("#orders").await;
    browser.says("#order-outcome", "is deleted").await;
}

#[tokio::test]
async fn what_was_typed_stays_when_the_order_changes_elsewhere_and_rows_come_above_it() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.edit().await;
    browser.press("Soup").await;
    page.change_elsewhere(json!({"item": "Bread", "price": 1})).await;
    browser.says(".editor .outcome", "item is now Bread, price is now 1.00").await;
    for n in 0..30 {
        page.dojo.placed(&format!("Customer {n}"), "1").await;
    }
    browser.wait_for("#orders .row:nth-child(31)").await;
    page.row_is(json!("1 Bread 1.00 created")).await;
    let script = "const list = document.querySelector('#orders').getBoundingClientRect(); \
        const field = document.activeElement.getBoundingClientRect(); \
        return [document.activeElement.value, document.querySelector('.editor [name=price]').value, \
            field.top >= list.top && field.bottom <= list.bottom]";
    assert_eq!(browser.js(script, Vec::new()).await, json!(["Soup", "1.00", true]));

    page.delete_elsewhere().await;
    browser.says(".editor .outcome", "was deleted and can't be saved").await;
    assert_eq!(browser.js(script, Vec::new()).await, json!(["Soup", "1.00", true]));
    browser.press(ESCAPE).await;
    page.row_is(Value::Null).await;
    browser.focus_is_on("#orders [data-edit]").await;
}

#[tokio::test]
async fn an_edit_that_fails_says_why_and_keeps_what_was_typed() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.edit().await;
    browser.press("Soup").await;
    let no_answer = "() => Promise.reject(new TypeError())";
    let away =
        "async () => new Response('{\"detail\": \"nothing was changed: Kafka is away\"}', {status: 503})";
    for (fetch, said) in [(no_answer, "does not answer."), (away, "Kafka is away.")] {
        browser.js(&format!("window.real ??= fetch; window.fetch = {fetch}"), Vec::new()).await;
        browser.press(ENTER).await;
        browser.says(".editor .outcome", &format!("{said} What you typed is kept.")).await;
    }
    browser.js("window.fetch = window.real", Vec::new()).await;
    page.hold_events().await;
    page.delete_elsewhere().await;
    browser.press(ENTER).await;
    browser.says(".editor .outcome", "There is no order").await;
    assert_eq!(browser.js("return document.activeElement.value", Vec::new()).await, "Soup");
}

#[tokio::test]
async fn an_order_is_placed_by_keyboard_and_the_focus_stays() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    for (place, orders) in [("#new-order [name=price]", 2), ("#new-order [type=submit]", 3)] {
        browser.tab_to(place).await;
        browser.press(ENTER).await;
        browser.wait_for(&format!("#orders .row:nth-child({orders})")).await;
        browser.says("#placed", "is on the log").await;
        assert!(browser.has_focus(place).await);
    }
}

#[tokio::test]
async fn a_number_of_a_new_order_is_sent_as_it_was_typed_or_refused() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let exact = "0.1000000000000000000000000001";
    for (quantity, price, errors) in [
        (
            "0x10",
            "Infinity",
            ["is `0x10`: give a whole number such as 2", "is `Infinity`: give a number such as 12.50"],
        ),
        ("", "12,50", ["quantity is empty", "price is `12,50`: give a number such as 12.50"]),
        // JavaScript would round it to 0.1.
        ("1", exact, ["", exact]),
    ] {
        browser.tab_to("#new-order [name=item]").await;
        let delete = if quantity.is_empty() { "\u{e017}" } else { "" };
        browser.press(&[TAB, quantity, delete, TAB, price, ENTER].concat()).await;
        browser.says("#e-quantity", errors[0]).await;
        browser.says("#e-price", errors[1]).await;
    }
    assert_eq!(page.dojo.get("/orders").await.as_array().unwrap().len(), 1, "a refused order is on the log");
}

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
        let script = "const all = (css) => [...document.querySelectorAll(css)]; \
            const wrong = all('.rows').filter((list) => list.clientHeight < 150 \
                || list.childElementCount > 1 && list.clientHeight < 2 * list.lastElementChild.offsetHeight); \
            const wide = all('html, .rows, section, .editor').filter((box) => box.scrollWidth > box.clientWidth); \
            const beside = all('button, input, select').filter((box) => box.offsetParent \
                && box.getBoundingClientRect().right > box.closest('section').getBoundingClientRect().right); \
            const named = (boxes) => boxes.map((box) => `${box.tagName} ${box.id} ${box.className} ${box.clientHeight}`); \
            return [innerWidth, named(wrong), named(wide), named(beside)]";
        assert_eq!(browser.js(script, Vec::new()).await, json!([width, [], [], []]), "at {width}x{height}");
        browser.keep_screenshot(&format!("page-{width}x{height}.png")).await;
    }
}
