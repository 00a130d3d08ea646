//! The topic browser is opened, and a record is written by hand.

use super::{
    Page,
    browser::{Browser, ENTER, ESCAPE},
};
use dojo_contract::topic;
use dojo_testbed::PATIENCE;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use serde_json::{Value, json};
use std::time::Duration;

/// How soon a page answers that isn't busy with a long record, which would take a minute.
const AT_ONCE: Duration = Duration::from_secs(20);
const WINDOWS: [(u32, u32); 2] = [(1280, 800), (390, 844)];

impl Page {
    /// Opens the browser at an address.
    async fn browse(&self, address: &str) {
        self.browser.js("location.hash = arguments[0]", vec![json!(address)]).await;
        self.browser.wait_for("[data-view=topics]:not([hidden])").await;
    }

    async fn write(&self, topic: &str, record: Value) {
        let url = format!("{}/topics/{topic}/records", self.dojo.url);
        let answer = self.dojo.http.post(url).json(&record).send().await.unwrap();
        assert_eq!(answer.status(), 201);
    }
}

impl Browser {
    /// The text of each element that matches `css`.
    async fn texts(&self, css: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)";
        let texts = self.js(script, vec![json!(css)]).await;
        texts.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// Keeps a picture at each size of the window, where nothing but text may be wider than its place.
    async fn fits(&self, name: &str) {
        for (width, height) in WINDOWS {
            self.resize(width, height).await;
            let script = "const all = [...document.querySelectorAll('html, #topics, .browser, #topic, #look, .record, .record .line')]; \
                return all.filter((box) => box.scrollWidth > box.clientWidth).map((box) => `${box.tagName} ${box.id} ${box.className}`)";
            assert_eq!(self.js(script, Vec::new()).await, json!([]), "at {width}x{height}");
            self.keep_screenshot(&format!("{name}-{width}x{height}.png")).await;
        }
        self.resize(WINDOWS[0].0, WINDOWS[0].1).await;
        self.prefer("dark").await;
        self.keep_screenshot(&format!("{name}-dark.png")).await;
        self.prefer("light").await;
    }

    /// The places of the rows that are shown, such as `0@2`.
    async fn places(&self) -> Vec<String> {
        self.texts("#records [data-f=place]").await
    }

    /// What the form of a look has in a field.
    async fn look(&self, field: &str) -> Value {
        self.js("return document.querySelector(`#look [name=${arguments[0]}]`).value", vec![json!(field)])
            .await
    }

    async fn read(&self) {
        self.tab_to("#look [type=submit]").await;
        self.press(ENTER).await;
    }
}

#[tokio::test]
async fn a_topic_is_opened_searched_and_left_and_its_address_survives_a_reload() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    browser.says("#audit", "NOTIFIED").await;
    browser.tab_to("nav [href='#/topics']").await;
    browser.press(ENTER).await;
    browser.focus_is_on("[data-view=topics]").await;
    browser.wait_for("#topic-list .row:nth-child(6)").await;
    let names = browser.texts("#topic-list a").await;
    assert_eq!(names[..3], ["orders", "audit", "orders-dlq"]);
    browser.tab_to("#topic-list a[href='#/topics/audit']").await;
    browser.press(ENTER).await;
    browser.wait_for("#records .record:nth-child(3)").await;
    assert_eq!(browser.text_of("#topic-name").await, "audit");
    browser.says("#topic-groups", "audit-group (Stable, 1 member)").await;
    browser.says("#topic-configs", "cleanup.policy = delete").await;
    let values = browser.texts("#records pre").await;
    assert!(values.iter().all(|value| value.contains("\n  \"orderId\": ")), "{values:?}");
    browser.fits("topics-audit").await;
    browser.tab_to("#topic details:has(#topic-configs) summary").await;
    browser.press(ENTER).await;
    browser.fits("topics-facts").await;

    browser
        .js("document.querySelector('#look [name=key]').value = arguments[0]", vec![json!(page.order)])
        .await;
    browser.tab_to("#look [type=submit]").await;
    browser.press(ENTER).await;
    let address = format!("#/topics/audit?key={}", page.order);
    browser.wait_for("#records .record:nth-child(3)").await;
    assert_eq!(browser.js("return location.hash", Vec::new()).await, json!(address));
    browser.client.refresh().await.unwrap();
    browser.wait_for("#records .record:nth-child(3)").await;
    assert_eq!(browser.look("key").await, json!(page.order));
    browser.says("#look [name=place] :checked", "from the oldest").await;
    let keys = browser.texts("#records [data-f=key]").await;
    assert!(keys.len() == 3 && keys.iter().all(|key| *key == page.order), "{keys:?}");

    browser.tab_to("#records [data-journey]").await;
    browser.press(ENTER).await;
    browser.wait_for("#journey[open] .step:nth-child(4)").await;
    browser.keep_screenshot("topics-journey-1280x800.png").await;
    browser.press(ESCAPE).await;
    browser.wait_for("#journey:not([open])").await;
    browser.focus_is_on("#records [data-journey]").await;
    assert_eq!(browser.js("return location.hash", Vec::new()).await, json!(address));
}

#[tokio::test]
async fn poison_that_is_written_by_hand_becomes_a_dead_letter() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    page.browse("#/topics/orders").await;
    browser.wait_for("#records .record").await;
    browser.tab_to("#write-by-hand summary").await;
    browser.press(ENTER).await;
    browser.tab_to("#by-hand [name=key]").await;
    browser.press("poisoner").await;
    browser.tab_to("#by-hand [name=headers]").await;
    browser.press("from: hand").await;
    browser.tab_to("#by-hand [name=value]").await;
    browser.press("<img src=x> no order").await;
    browser.tab_to("#by-hand [type=submit]").await;
    browser.press(ENTER).await;
    browser.says("#by-hand-outcome", "On the log: partition ").await;
    browser.says("#records .record", "<img src=x> no order").await;
    browser.says("#records .record .headers", "from: hand").await;
    browser.says("#dead-letters", "unreadable record").await;
    browser.fits("topics-by-hand").await;
    page.browse("#/topics/orders-dlq").await;
    browser.says("#records .record pre", "<img src=x> no order").await;
    assert_eq!(browser.js("return document.querySelectorAll('img').length", Vec::new()).await, json!(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_on_the_log_is_shown_with_what_became_of_its_transaction() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    browser.says("#audit", "NOTIFIED").await;
    let held = tokio::task::block_in_place(|| {
        let prefix = &page.dojo.kafka.prefix;
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &page.dojo.kafka.brokers)
            .set("transactional.id", format!("{prefix}page"));
        let producer: BaseProducer = config.create().unwrap();
        let topic = format!("{prefix}{}", topic::ORDERS_DLQ);
        let send = |value: &str| {
            producer.begin_transaction().unwrap();
            producer.send(BaseRecord::to(&topic).key("k").payload(value)).unwrap();
            producer.flush(PATIENCE).unwrap();
        };
        producer.init_transactions(PATIENCE).unwrap();
        send("{\"never\": 9.50}");
        producer.abort_transaction(PATIENCE).unwrap();
        send("held");
        producer
    });
    page.browse("#/topics/orders-dlq").await;
    browser.says("#records-outcome", "No record here.").await;
    browser.tab_to("#look [name=everything]").await;
    browser.press(" ").await;
    browser.tab_to("#look [type=submit]").await;
    browser.press(ENTER).await;
    browser.wait_for("#records > :nth-child(3)").await;
    let shown: Vec<Value> = vec![
        json!(["0@2", "open", "held"]),
        json!(["0@1", null, null]),
        json!(["0@0", "aborted", "{\n  \"never\": 9.50\n}"]),
    ];
    let script = "const text = (row, name) => row.querySelector(`[data-f=${name}]`)?.textContent ?? null; \
        return [...document.querySelectorAll('#records > *')].map((row) => ['place', 'transaction', 'value'].map((name) => text(row, name)))";
    assert_eq!(browser.js(script, Vec::new()).await, json!(shown));
    browser.says("#records .missing", "a transaction's marker").await;
    browser.says("#isolation-note:not([hidden])", "as a Kafka UI shows it").await;
    browser.fits("topics-transactions").await;
    page.browse("#/topics/orders-dlq?partition=0&offset=1&limit=1&isolation=read_uncommitted").await;
    browser.wait_for("#records > :nth-child(2):last-child").await;
    assert_eq!(browser.places().await, ["0@1", "0@2"]);
    tokio::task::block_in_place(|| held.commit_transaction(PATIENCE).unwrap());
}

#[tokio::test]
async fn a_page_further_on_is_read_again_as_it_is_shown() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    for value in ["first", "second", "third"] {
        page.write("orders-dlq", json!({"key": "k", "value": value})).await;
    }
    for (first, second) in [("limit=2", "0@0"), ("partition=0&offset=0&limit=2", "0@2")] {
        page.browse(&format!("#/topics/orders-dlq?{first}")).await;
        browser.wait_for("#records .record:nth-child(2):last-child").await;
        browser.wait_for("#records-next:not([hidden])").await;
        browser.tab_to("#records-next").await;
        browser.press(ENTER).await;
        browser.wait_for("#records .record:only-child").await;
        assert_eq!(browser.places().await, [second]);
        browser.says("#look [name=place] :checked", "after the last page").await;
        assert_eq!(browser.look("partition").await, json!("0"));
        browser.js("document.querySelector('#records').replaceChildren()", Vec::new()).await;
        browser.read().await;
        browser.wait_for("#records .record:only-child").await;
        assert_eq!(browser.places().await, [second]);
    }
    browser.tab_to("#look [name=key]").await;
    browser.press("k").await;
    browser.says("#look [name=place] :checked", "from the oldest").await;
    browser.read().await;
    browser.wait_for("#records .record:nth-child(3)").await;
    assert_eq!(browser.places().await, ["0@0", "0@1", "0@2"]);
}

#[tokio::test]
async fn json_is_set_out_and_shown_as_it_is_where_it_is_too_deep() {
    let Some(page) = Page::open().await else { return };
    let browser = &page.browser;
    let deep = format!("{}{}", "[".repeat(4000), "]".repeat(4000));
    page.write("audit", json!({"value": deep})).await;
    let shallow = r#"{"none": [], "left": {}, "some":[1.0, {"a, [b]": "\"{"} ]}"#;
    page.write("audit", json!({"value": shallow})).await;
    let shown = async {
        page.browse("#/topics/audit").await;
        browser.says("#records", &deep).await;
        browser.tab_to("#topic-list a[href='#/topics/orders']").await;
        browser.press(ENTER).await;
        browser.says("#topic-name", "orders").await;
        page.browse("#/topics/audit").await;
        browser.says("#records", &deep).await;
    };
    tokio::time::timeout(AT_ONCE, shown).await.expect("the page hangs");
    let lines = [
        "{",
        "  \"none\": [],",
        "  \"left\": {},",
        "  \"some\": [",
        "    1.0,",
        "    {",
        "      \"a, [b]\": \"\\\"{\"",
        "    }",
        "  ]",
        "}",
    ];
    let values = browser.texts("#records pre").await;
    assert!(values.contains(&lines.join("\n")), "{values:?}");
}
