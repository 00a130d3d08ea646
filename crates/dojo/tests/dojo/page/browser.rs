//! A browser that a test drives as a person does.

use crate::process::{Dojo, free_port, workspace};
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

// The code points by which WebDriver names keys.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const ESCAPE: &str = "\u{e00c}";
pub const END: &str = "\u{e010}";
pub const ARROW_DOWN: &str = "\u{e015}";
pub const HOME: &str = "\u{e011}";

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

    /// Opens the page, and waits until it shows what happens.
    pub async fn open(&self, dojo: &Dojo) {
        self.client.goto(&dojo.url).await.unwrap();
        self.wait_for("#stream[data-state=live]").await;
    }

    /// Presses keys in the control of a setting, and waits until the page has its answer.
    pub async fn set(&self, place: &str, setting: &str, keys: &str) {
        self.tab_to(&format!("{place} [data-setting={setting}] :is(input, select)")).await;
        self.press(keys).await;
        let waiting = "return document.querySelector('#setting').textContent";
        eventually("the answer to the setting", async || match self.js(waiting, Vec::new()).await {
            said if said.as_str().is_some_and(|said| !said.starts_with("Sending")) => Ok(()),
            said => Err(said),
        })
        .await;
    }

    /// Opens the view of what `css` selects, or of the list that will have it, where another view is shown.
    pub async fn open_view_of(&self, css: &str) {
        let script = "const list = /#[\\w-]+/.exec(arguments[0])?.[0]; \
            const viewOf = (css) => css && document.querySelector(css)?.closest('[data-view]'); \
            const view = viewOf(arguments[0]) ?? viewOf(list); \
            if (view?.hidden) location.hash = `#/${view.dataset.view}`";
        self.js(script, vec![json!(css)]).await;
    }

    pub async fn text_of(&self, css: &str) -> String {
        self.open_view_of(css).await;
        self.client.find(Locator::Css(css)).await.unwrap().text().await.unwrap()
    }

    pub async fn wait_for(&self, css: &str) -> fantoccini::elements::Element {
        self.open_view_of(css).await;
        let wait = self.client.wait().at_most(PATIENCE);
        wait.for_element(Locator::Css(css)).await.unwrap_or_else(|e| panic!("no {css} on the page: {e}"))
    }

    /// Runs JavaScript on the page, and returns what it returns.
    pub async fn js(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap()
    }

    /// Presses keys, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let actions = keys.chars().fold(KeyActions::new("keyboard".to_owned()), |actions, value| {
            actions.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        });
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Presses Tab until the focus is on an element that matches `css`.
    pub async fn tab_to(&self, css: &str) {
        self.open_view_of(css).await;
        for _ in 0..100 {
            if self.has_focus(css).await {
                return;
            }
            self.press(TAB).await;
        }
        panic!("Tab does not reach {css}");
    }

    pub async fn has_focus(&self, css: &str) -> bool {
        self.js("return document.activeElement.matches(arguments[0])", vec![json!(css)]).await == true
    }

    /// Waits until the focus is on an element that matches `css`.
    pub async fn focus_is_on(&self, css: &str) {
        eventually(&format!("the focus to be on {css}"), async || {
            if self.has_focus(css).await {
                return Ok(());
            }
            Err(self.js("return document.activeElement.outerHTML", Vec::new()).await)
        })
        .await;
    }

    /// Waits until the text of the element that matches `css` contains `text`.
    pub async fn says(&self, css: &str, text: &str) {
        self.open_view_of(css).await;
        eventually(&format!("{css} to say {text:?}"), async || {
            let said =
                self.js("return document.querySelector(arguments[0])?.textContent", vec![json!(css)]).await;
            if said.as_str().is_some_and(|said| said.contains(text)) { Ok(()) } else { Err(said) }
        })
        .await;
    }

    /// Gives the page this many CSS pixels; a window can't be as narrow as a phone.
    pub async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Asks the page for this colour scheme, `light` or `dark`.
    pub async fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.command("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    /// Sends a command of Chrome's own protocol, for what WebDriver doesn't have, and returns its result.
    pub async fn command(&self, command: &str, parameters: Value) -> Value {
        let session = self.client.session_id().await.unwrap().unwrap();
        let command = json!({"cmd": command, "params": parameters});
        let url = format!("http://localhost:{}/session/{session}/goog/cdp/execute", self.port);
        let answer = reqwest::Client::new().post(url).json(&command).send().await.unwrap();
        let is_done = answer.status().is_success();
        let mut said: Value = answer.json().await.unwrap();
        assert!(is_done, "{command}: {said}");
        said["value"].take()
    }

    pub async fn keep_screenshot(&self, name: &str) {
        let screenshot = self.client.screenshot().await.unwrap();
        let folder = workspace().join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), screenshot).unwrap();
    }
    /// Takes a picture of the README where `cargo xtask pictures` asks for it. Otherwise looks whether it is there, and small enough.
    pub async fn keep_picture(&self, name: &str) {
        let kept = workspace().join("docs/pictures").join(name);
        if std::env::var_os("DOJO_PICTURES").is_some() {
            std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
            std::fs::write(&kept, self.client.screenshot().await.unwrap()).unwrap();
        }
        let size = std::fs::metadata(&kept)
            .unwrap_or_else(|e| panic!("{}: {e}: run `cargo xtask pictures`", kept.display()))
            .len();
        assert!(size <= 200_000, "{} has {size} bytes", kept.display());
    }
}
