//! What a person sees, in a real browser. A screenshot is kept below `target/screenshots`.

use crate::process::{Start, free_port, workspace};
use dojo_testbed::{PATIENCE, eventually};
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;
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
        // Asked to end, the driver takes its browser along; killed, it would leave it behind.
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
    /// `None` where there is no browser, which only a person's machine may lack.
    pub async fn start() -> Option<Self> {
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(driver) = driver else {
            assert!(std::env::var_os("CI").is_none(), "chromedriver is not there, and CI must have it");
            println!("skipped: chromedriver is not there (Debian: apt-get install chromium chromium-driver)");
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

    let screenshot = client.screenshot().await.unwrap();
    let folder = workspace().join("target/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("first-order.png"), screenshot).unwrap();
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
