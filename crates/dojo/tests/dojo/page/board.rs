//! The board: records arrive as tiles, fail, go round, drop out and come back, while groups read on and lose their readers.

use super::{
    Browser,
    browser::{ENTER, ESCAPE},
};
use crate::process::{Dojo, Start};
use dojo_testbed::eventually;
use reqwest::Method;
use serde_json::{Value, json};

/// What is drawn: each tile with its place, kind, outcome and signs, and each reader's lag. Nothing of it depends on the time.
const DRAWN: &str = "const text = (e) => e?.textContent ?? ''; \
    return [...document.querySelectorAll('#board .lane')].map((lane) => ({lane: lane.dataset.lane, end: text(lane.querySelector('[data-f=end]')), \
        tiles: [...lane.querySelectorAll('.tile')].map((tile) => [tile.dataset.offset, tile.dataset.key, tile.dataset.kind, \
            tile.dataset.outcome, tile.dataset.alert, tile.dataset.sent ?? '', text(tile), tile.querySelector('.arc') !== null].join(' ')), \
        readers: [...lane.querySelectorAll('.mark')].map(text), lags: [...lane.querySelectorAll('.rail-lag')].map(text)}))";
const TOO_WIDE: &str = "const all = [...document.querySelectorAll('html, #board, #board section, .lane, .member')]; \
    return all.filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => `${box.tagName} ${box.className} ${box.dataset.topic}`)";

const UNTIL_STILL: &str =
    "return Promise.allSettled(document.getAnimations().map((motion) => motion.finished)).then(() => true)";

impl Browser {
    /// The tiles of an order, over all lanes, as `orders/0@3 retry NOTIFIED`.
    async fn tiles(&self, order: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll('#board .tile')].filter((tile) => tile.dataset.key === arguments[0] \
            && !tile.closest('[data-topic=audit]')).map((tile) => [`${tile.closest('.lane').dataset.lane}@${tile.dataset.offset}`, \
                tile.dataset.kind, tile.dataset.outcome || '-'].join(' '))";
        let tiles = self.js(script, vec![json!(order)]).await;
        tiles.as_array().unwrap().iter().map(|tile| tile.as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the tiles of an order have these kinds and outcomes, lane by lane in the order of their offsets.
    async fn tiles_are(&self, order: &str, wanted: &[&str]) -> Vec<String> {
        eventually(&format!("the tiles of {order} to be {wanted:?}"), async || {
            let tiles = self.tiles(order).await;
            let kinds: Vec<_> = tiles.iter().map(|tile| tile.split_once(' ').unwrap().1).collect();
            if kinds == wanted { Ok(tiles) } else { Err(tiles) }
        })
        .await
    }

    async fn drawn(&self) -> Value {
        self.js(DRAWN, Vec::new()).await
    }

    /// Waits until the board shows the same as another one.
    async fn draws(&self, wanted: &Value) {
        eventually(&format!("the board to show {wanted}"), async || match self.drawn().await {
            drawn if drawn == *wanted => Ok(()),
            drawn => Err(drawn.to_string()),
        })
        .await;
    }

    /// Waits until no reader of any lane is behind.
    async fn is_at_rest(&self) {
        eventually("every group to have read everything", async || {
            let lags =
                "return [...document.querySelectorAll('#board .rail-lag')].map((lag) => lag.textContent)";
            let lags = self.js(lags, Vec::new()).await;
            let is_read =
                |lags: &Vec<Value>| lags.len() >= 7 && lags.iter().all(|lag| lag == "lag 0" || lag == "");
            if lags.as_array().is_some_and(is_read) { Ok(()) } else { Err(lags) }
        })
        .await;
    }
}

impl Dojo {
    async fn ask_instance(&self, act: &str, id: &str) {
        let answer = self
            .http
            .request(Method::POST, format!("{}/instances/{id}/{act}", self.url))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{act} {id}: {}", answer.status());
    }

    async fn redrive_all(&self) {
        let request = self.http.post(format!("{}/dlq/redrive", self.url)).json(&json!({"all": true}));
        assert!(request.send().await.unwrap().status().is_success());
    }
}

#[tokio::test]
async fn a_record_fails_goes_round_drops_out_and_comes_back() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    browser.open(&dojo).await;
    dojo.patch_settings(&json!({"failRate": 1})).await;
    let order = dojo.placed("Ada", "250.00").await;
    let round = ["plain RETRY", "retry RETRY", "retry DLQ", "dead -"];
    let tiles = browser.tiles_are(&order, &round).await;
    let lane = |tile: &str| tile.split_once('@').unwrap().0.to_owned();
    assert_eq!(lane(&tiles[0]), lane(&tiles[2]), "an order stays in its lane");
    assert_eq!(lane(&tiles[3]), "orders-dlq/0");
    let arcs = "return [...document.querySelectorAll('#board .arc')].map((arc) => arc.style.getPropertyValue('--way'))";
    assert_eq!(
        browser.js(arcs, Vec::new()).await,
        json!(["1", "1"]),
        "each retry is tied to the record that it repeats"
    );
    let alert =
        "return [...document.querySelectorAll('#board [data-topic=orders] [data-alert=true]')].length";
    eventually("the alert on the first tile", async || match browser.js(alert, Vec::new()).await {
        count if count == 1 => Ok(()),
        count => Err(count),
    })
    .await;

    dojo.patch_settings(&json!({"failRate": 0})).await;
    dojo.redrive_all().await;
    let back = ["plain RETRY", "retry RETRY", "retry DLQ", "redrive NOTIFIED", "dead -"];
    let tiles = browser.tiles_are(&order, &back).await;
    let to = tiles[3].split(' ').next().unwrap().trim_start_matches("orders/");
    let sent = format!("#board [data-topic=orders-dlq] .tile[data-sent='{to}']");
    browser.wait_for(&sent).await;

    // A board that is opened now shows the same, and so does another browser.
    browser.is_at_rest().await;
    let drawn = browser.drawn().await;
    browser.client.refresh().await.unwrap();
    browser.draws(&drawn).await;
    let Some(other) = Browser::start().await else { return };
    other.open(&dojo).await;
    other.draws(&drawn).await;
}

#[tokio::test]
async fn a_group_without_a_reader_falls_behind_and_its_partitions_move_when_it_is_back() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    browser.open(&dojo).await;
    dojo.placed("Ada", "9.50").await;
    browser.is_at_rest().await;
    dojo.ask_instance("stop", "notification-2").await;
    browser.wait_for("#board [data-instance=notification-2][data-live=false]").await;
    browser.says("#board-rebalances li:first-child", "notification-1 now reads orders").await;
    let chips = "return [...document.querySelectorAll('#board [data-instance=notification-1] .chip')].map((chip) => chip.textContent)";
    eventually("notification-1 to read every partition", async || {
        match browser.js(chips, Vec::new()).await {
            read if read == json!(["0", "1", "2"]) => Ok(()),
            read => Err(read),
        }
    })
    .await;

    dojo.ask_instance("stop", "notification-1").await;
    browser.wait_for("#board [data-members=notification-group] .unread:not([hidden])").await;
    for _ in 0..9 {
        dojo.placed("Grace", "9.50").await;
    }
    let lags = "const lags = [...document.querySelectorAll('#board .rail-lag[data-group=notification-group]')]; \
        const wide = [...document.querySelectorAll('#board .rail[data-group=notification-group] .lag-bar')].filter((bar) => bar.offsetWidth > 20); \
        return [lags.reduce((sum, lag) => sum + Number(lag.textContent.replace('lag ', '')), 0), \
            wide.length === lags.filter((lag) => lag.textContent !== 'lag 0').length]";
    eventually("the lag of nine records, each with its length", async || {
        match browser.js(lags, Vec::new()).await {
            seen if seen == json!([9, true]) => Ok(()),
            seen => Err(seen),
        }
    })
    .await;
    let fraud = "return [...document.querySelectorAll('#board .rail-lag[data-group=fraud-group]')].every((lag) => lag.textContent === 'lag 0')";
    eventually("the fraud group to go on at its own pace", async || {
        match browser.js(fraud, Vec::new()).await {
            seen if seen == true => Ok(()),
            seen => Err(seen),
        }
    })
    .await;
    browser.keep_screenshot("board-behind-1280x900.png").await;
    let drawn = browser.drawn().await;
    browser.client.refresh().await.unwrap();
    browser.draws(&drawn).await;
    dojo.ask_instance("start", "notification-2").await;
    browser.is_at_rest().await;
    browser.wait_for("#board [data-members=notification-group] .unread[hidden]").await;
}

#[tokio::test]
async fn a_busy_lane_is_drawn_as_columns_with_true_counts_and_becomes_calm_again() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    browser.open(&dojo).await;
    let order = json!({"customerName": "Ada", "item": "Pizza", "quantity": 1, "price": 12.5});
    let place = async |n: usize| {
        for _ in 0..n {
            let request = dojo.http.post(format!("{}/orders", dojo.url)).json(&order);
            assert_eq!(request.send().await.unwrap().status(), 201);
        }
    };
    let all = (0..8).map(|_| place(40));
    let (_, ()) = tokio::join!(futures::future::join_all(all), async {
        browser.wait_for("#board .lane[data-dense=true]").await;
    });
    let counts = "const lanes = [...document.querySelectorAll('#board .lane[data-dense=true]')]; \
        const number = (text) => Number(text.replace(/\\D/g, '')); \
        return lanes.map((lane) => [lane.querySelectorAll('.tile').length, \
            [...lane.querySelectorAll('.columns i')].reduce((sum, column) => sum + Number(column.dataset.records ?? 0), 0) \
                - number(lane.querySelector('[data-f=end]').textContent)])";
    eventually("every record to be in a column of its lane", async || {
        match browser.js(counts, Vec::new()).await {
            seen if seen.as_array().is_some_and(|lanes| {
                !lanes.is_empty() && lanes.iter().all(|lane| *lane == json!([0, 0]))
            }) =>
            {
                Ok(())
            }
            seen => Err(seen),
        }
    })
    .await;
    // A board that is opened now has the same columns: the server has counted, too.
    browser.client.refresh().await.unwrap();
    eventually("the columns after a reload", async || match browser.js(counts, Vec::new()).await {
        seen if seen
            .as_array()
            .is_some_and(|lanes| !lanes.is_empty() && lanes.iter().all(|lane| *lane == json!([0, 0]))) =>
        {
            Ok(())
        }
        seen => Err(seen),
    })
    .await;
    browser.wait_for("#board [data-lane='audit/0'][data-dense=false] .tile").await;
    browser.is_at_rest().await;
    let ends = "return [...document.querySelectorAll('#board [data-topic=orders] .lane [data-f=end]')] \
        .reduce((sum, end) => sum + Number(end.textContent.replace(/\\D/g, '')), 0)";
    assert_eq!(browser.js(ends, Vec::new()).await, json!(320));
}

#[tokio::test]
async fn an_empty_board_places_the_first_order_and_its_tile_opens_the_journey() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    browser.open(&dojo).await;
    browser.says("#board-order", "Place the first order").await;
    browser.tab_to("#board-order").await;
    browser.press(ENTER).await;
    browser.says("#board-placed", "On the log at orders/").await;
    browser.says("#board-order", "Place an order").await;
    browser.tab_to("#board [data-topic=orders] .tile").await;
    browser.press(ENTER).await;
    browser.says("#steps", "NOTIFIED").await;
    browser.press(ESCAPE).await;
    browser.focus_is_on("#board [data-topic=orders] .tile").await;
}

#[tokio::test]
async fn hostile_names_stay_text_and_every_size_has_its_lanes_one_under_another() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::new().ready().await;
    browser.open(&dojo).await;
    for name in
        ["<img src=x onerror=document.title=1>", "\"><script>document.title=1</script>", "{{ 7 * 7 }}"]
    {
        dojo.placed(name, "250.00").await;
    }
    dojo.write_poison().await;
    browser.wait_for("#board [data-topic=orders-dlq] .tile").await;
    browser.is_at_rest().await;
    let marks = "return [document.querySelectorAll('#board img, #board script').length, \
        [...document.querySelectorAll('#board .tile')].some((tile) => tile.title.includes('<img src=x'))]";
    assert_eq!(browser.js(marks, Vec::new()).await, json!([0, true]));
    for (width, height) in [(360, 640), (390, 844), (1280, 900), (1920, 1080), (3840, 2160)] {
        browser.resize(width, height).await;
        for scheme in ["light", "dark"] {
            browser.prefer(scheme).await;
            assert_eq!(browser.js(TOO_WIDE, Vec::new()).await, json!([]), "at {width}x{height}");
            browser.keep_screenshot(&format!("board-{width}x{height}-{scheme}.png")).await;
        }
    }
}

#[tokio::test]
async fn the_picture_in_the_readme_shows_a_failing_instance_and_a_rebalance() {
    let Some(browser) = Browser::start().await else { return };
    let dojo = Start::embedded().ready().await;
    browser.open(&dojo).await;
    dojo.patch_settings(&json!({"instances": {"notification-2": {"failRate": 0.9}}})).await;
    for n in 0..20 {
        dojo.placed(
            ["Ada", "Grace", "Linus", "Barbara", "Edsger"][n % 5],
            if n % 4 == 0 { "120.00" } else { "9.50" },
        )
        .await;
    }
    browser.is_at_rest().await;
    for (act, live) in [("stop", false), ("start", true)] {
        dojo.ask_instance(act, "notification-2").await;
        browser.wait_for(&format!("#board [data-instance=notification-2][data-live={live}]")).await;
        browser
            .says(
                "#board-rebalances li:first-child[data-settled=true]",
                if live { "notification-2 now reads" } else { "notification-1 now reads" },
            )
            .await;
    }
    // Deliveries that take long show what lag is.
    dojo.patch_settings(&json!({"deliveryMillis": 3000})).await;
    let orders = (0..8).map(|n| dojo.placed(["Ada", "Grace", "Linus"][n % 3], "9.50"));
    futures::future::join_all(orders).await;
    browser.wait_for("#board .rail-lag[data-behind=true]").await;
    browser.resize(1280, 900).await;
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        browser.js(UNTIL_STILL, Vec::new()).await;
        browser.keep_picture(&format!("board-{scheme}.png")).await;
    }
}

impl Dojo {
    /// Writes a record to `orders` that isn't an order.
    async fn write_poison(&self) {
        let record = json!({"partition": 1, "key": "<b>key</b>", "value": "not an order"});
        let answer =
            self.http.post(format!("{}/topics/orders/records", self.url)).json(&record).send().await.unwrap();
        assert_eq!(answer.status(), 201);
    }
}
