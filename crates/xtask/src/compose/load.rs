//! Orders that keep coming whatever is taken away meanwhile, and what became of each of them.

use super::stack::{PAGE, Stack};
use anyhow::{Context as _, Result, anyhow, ensure};
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};
use tokio::{sync::oneshot, task::JoinSet};

const EVERY: Duration = Duration::from_millis(50);
/// An order that was refused is placed again, under the same key, for at most so long.
const PLACED_WITHIN: Duration = Duration::from_secs(120);
const ASK_AGAIN: Duration = Duration::from_secs(1);
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
const DELIVERED: [&str; 2] = ["NOTIFIED", "DLQ"];
const JUDGED: [&str; 2] = ["FRAUD_CHECK_PASSED", "FRAUD_ALERT"];

/// Twenty orders a second, by a thread of its own.
pub(crate) struct Load {
    stop: oneshot::Sender<()>,
    placing: thread::JoinHandle<Result<BTreeSet<String>>>,
}

impl Load {
    pub(crate) fn start(stack: &Stack<'_>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let http = stack.http();
        let placing = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(place(http, stopped))
        });
        Self { stop, placing }
    }

    /// No further orders; waits until each one that was acknowledged has been delivered, or given up for good, and judged. Answers how
    /// many they are.
    pub(crate) fn settle(self, stack: &Stack<'_>) -> Result<usize> {
        let _ = self.stop.send(());
        let orders = self.placing.join().map_err(|_| anyhow!("whoever places the orders panicked"))??;
        let http = stack.stream();
        let settled = stack.block_on(async {
            let work = settled(&http, &orders);
            tokio::time::timeout(SETTLED_WITHIN, work)
                .await
                .context("waited too long for every order's end")?
        });
        settled.with_context(|| format!("of {} orders", orders.len()))?;
        Ok(orders.len())
    }
}

async fn place(http: reqwest::Client, mut stopped: oneshot::Receiver<()>) -> Result<BTreeSet<String>> {
    let mut tick = tokio::time::interval(EVERY);
    let mut orders = JoinSet::new();
    for n in 0_u32.. {
        tokio::select! {
            _ = &mut stopped => break,
            _ = tick.tick() => orders.spawn(tokio::time::timeout(PLACED_WITHIN, place_one(http.clone(), n))),
        };
    }
    let mut ids = BTreeSet::new();
    while let Some(order) = orders.join_next().await {
        ids.insert(order?.context("an order was not taken for two minutes")?);
    }
    Ok(ids)
}

/// Places an order until it is acknowledged; its id.
async fn place_one(http: reqwest::Client, n: u32) -> String {
    let order =
        json!({"customerName": format!("Customer {n}"), "item": "Calzone", "quantity": 1, "price": 9.5});
    let key = format!("{}-{n}", std::process::id());
    loop {
        let asked =
            http.post(format!("{PAGE}/orders")).header("Idempotency-Key", &key).json(&order).send().await;
        if let Ok(answer) = asked
            && answer.status() == 201
            && let Ok(order) = answer.json::<Value>().await
            && let Some(id) = order["id"].as_str()
        {
            return id.to_owned();
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Reads what every service said, from the beginning, until each order has its end.
async fn settled(http: &reqwest::Client, orders: &BTreeSet<String>) -> Result<()> {
    let answer = http.get(format!("{PAGE}/events?from=earliest")).send().await?.error_for_status()?;
    let mut events = std::pin::pin!(answer.bytes_stream().eventsource());
    let mut open: BTreeMap<&str, (bool, bool)> =
        orders.iter().map(|id| (id.as_str(), (true, true))).collect();
    while !open.is_empty() {
        let event = events.next().await.context("the stream ended")??;
        if event.event != "audit" {
            continue;
        }
        let said: Value = serde_json::from_str(&event.data)?;
        let (id, action) =
            (said["orderId"].as_str().unwrap_or_default(), said["action"].as_str().unwrap_or_default());
        let Some((deliver, judge)) = open.get_mut(id) else { continue };
        *deliver &= !DELIVERED.contains(&action);
        *judge &= !JUDGED.contains(&action);
        if !*deliver && !*judge {
            open.remove(id);
        }
    }
    ensure!(open.is_empty());
    Ok(())
}
