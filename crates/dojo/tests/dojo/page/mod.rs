//! What a person sees and does in a real browser. Screenshots are kept below `target/screenshots`.

mod browser;
pub use browser::Browser;

mod audit;
mod board;
mod editing;
mod flood;
mod instances;
mod journey;
mod layout;
mod pictures;
mod placing;
mod projector;
mod rebalances;
mod redrive;
mod report;
mod rule_backtests;
mod rule_drafts;
mod rules;
mod scenarios;
mod settings;
mod spam;
mod streams;
mod terms;
mod topics;
mod views;

use crate::process::{Dojo, Start};
use browser::ENTER;
use dojo_testbed::eventually;
use serde_json::{Value, json};

/// The settings of all instances; a card has those of one.
const SETTINGS_OF_ALL: &str = "#settings";

/// A page that shows one order, of Ada: one pizza for 9.50.
pub struct Page {
    pub browser: Browser,
    pub dojo: Dojo,
    pub order: String,
}

impl Page {
    pub async fn open() -> Option<Self> {
        let browser = Browser::start().await?;
        let dojo = Start::new().ready().await;
        let order = dojo.placed("Ada", "9.50").await;
        browser.open(&dojo).await;
        browser.wait_for(&format!("#orders [data-order-id='{order}']")).await;
        Some(Self { browser, dojo, order })
    }

    /// What the order's row shows: quantity, item, price and status; `null` without a row.
    pub async fn row(&self) -> Value {
        let script = "const row = document.querySelector(`#orders [data-order-id='${arguments[0]}']`); \
            const text = (name) => row.querySelector(`[data-f=${name}]`).textContent; \
            return row && ['quantity', 'item', 'price', 'status'].map(text).join(' ')";
        self.browser.js(script, vec![json!(self.order)]).await
    }

    pub async fn row_is(&self, wanted: Value) {
        eventually(&format!("the row to be {wanted}"), async || match self.row().await {
            row if row == wanted => Ok(()),
            row => Err(row),
        })
        .await;
    }

    /// Delivers no event to the page until [`Self::resume_events`].
    pub async fn hold_events(&self) {
        self.stream("disconnect").await;
    }

    pub async fn resume_events(&self) {
        self.stream("connect").await;
    }

    /// Calls a function of the script's stream.
    async fn stream(&self, function: &str) {
        let script = "return import('/assets/stream.js').then((stream) => stream[arguments[0]]())";
        self.browser.js(script, vec![json!(function)]).await;
    }

    /// Changes the order through the API, as another person does.
    pub async fn change_elsewhere(&self, change: Value) {
        let url = format!("{}/orders/{}", self.dojo.url, self.order);
        let answer = self.dojo.http.put(url).json(&change).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    pub async fn delete_elsewhere(&self) {
        let url = format!("{}/orders/{}", self.dojo.url, self.order);
        assert_eq!(self.dojo.http.delete(url).send().await.unwrap().status(), 204);
    }

    /// Opens the editor of the first row.
    pub async fn edit(&self) {
        self.browser.tab_to("#orders [data-edit]").await;
        self.browser.press(ENTER).await;
        self.browser.focus_is_on(".editor [name=item]").await;
    }
}
