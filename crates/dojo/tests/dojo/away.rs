//! Kafka goes away while orders come in, and comes back. Whatever the dojo has promised by then it keeps, and whatever
//! it has refused does not happen.

use crate::{
    arrivals::Arrivals,
    events::Events,
    load::{Answer, Load, Told, tally},
    page::Browser,
    process::{Dojo, Start},
};
use dojo_contract::topic;
use dojo_testbed::{OwnKafka, PATIENCE, Proxy, eventually, until};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Orders come in for so long before anything happens, so that it happens under load.
const WARM_UP: Duration = Duration::from_secs(3);
/// Long enough for the members of every group to be given up, and for every record that waits to be given up.
const AWAY: Duration = Duration::from_secs(8);
/// What the order service gives a record to be acknowledged; after that it is not sent any more.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(4);
/// The reader that notes when a record arrives has to connect again, too.
const NOTED_WITHIN: Duration = Duration::from_secs(5);
/// By then the service knows that Kafka is away. In a stall it learns so from what it does not hear.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);
/// From then on it says so without asking Kafka; much longer, and it would have waited for it.
const AT_ONCE: Duration = Duration::from_secs(1);
/// What a service may have more in memory after an outage: what was on its way, and no more.
const GROWTH_KIB: u64 = 64 * 1_024;

/// A dojo under load on a Kafka of its own, and everything that was seen of it.
struct Ordeal {
    dojo: Dojo,
    load: Load,
    events: Events,
    orders: Arrivals,
    audit: Arrivals,
    memory: BTreeMap<String, u64>,
    outages: usize,
    /// Whenever Kafka came back.
    backs: Vec<Instant>,
}

impl Ordeal {
    async fn begin(kafka: &OwnKafka) -> Self {
        let dojo = Start::at(&kafka.config).ready().await;
        let arrivals = |topic| Arrivals::on(&kafka.config, topic);
        let (orders, audit) = (arrivals(topic::ORDERS), arrivals(topic::AUDIT));
        let (events, load) = (dojo.events().await, Load::start(&dojo));
        sleep(WARM_UP).await;
        let memory = memory(&dojo).await;
        Self { dojo, load, events, orders, audit, memory, outages: 0, backs: Vec::new() }
    }

    /// Kafka has just gone: the service says so, refuses orders, and shows what it knows.
    async fn is_away(&mut self, gone: Instant) {
        self.outages += 1;
        let first = self.load.until("an order to be refused", gone, |told| *told == Told::Refused).await;
        println!("first order refused {first:?} after Kafka was gone");
        assert!(first < NOTICED_WITHIN, "Kafka was gone for {first:?} before an order was refused");
        let ready = self.dojo.http.get(format!("{}/readyz", self.dojo.url)).send().await.unwrap();
        assert_eq!(ready.status(), 503);
        let problem: serde_json::Value = ready.json().await.unwrap();
        assert_eq!(problem["errors"][0]["field"], "kafka", "{problem}");
        let list = self.dojo.http.get(format!("{}/orders?limit=1", self.dojo.url)).send().await.unwrap();
        assert_eq!(list.status(), 200, "what is known is still shown");
    }

    /// Kafka has just come back: orders are taken again, and nobody had to start anything.
    async fn is_back(&mut self) {
        let back = Instant::now();
        self.backs.push(back);
        let first = self.load.until("an order to be taken", back, |t| matches!(t, Told::Created(_))).await;
        println!("first order taken {first:?} after Kafka was back");
    }

    /// No more orders, and everything that must be true in the end.
    async fn end(self) {
        sleep(WARM_UP).await;
        let Self { dojo, load, events, orders, audit, memory: before, outages, backs } = self;
        let answers = load.end().await;
        println!("{:?}", tally(&answers));
        let refused = durations(&answers, |told| *told == Told::Refused);
        let created = durations(&answers, |told| matches!(told, Told::Created(_)));
        println!("refused within {}; taken within {}", summary(&refused), summary(&created));
        let at_once = refused.iter().filter(|took| **took < AT_ONCE).count();
        assert!(at_once * 20 >= refused.len() * 19, "{at_once} of {} refused at once", refused.len());
        let strange: Vec<_> = answers.iter().filter(|a| is_strange(&a.told)).take(5).collect();
        assert!(strange.is_empty(), "{strange:?}");

        let on_log = the_log_agrees(&answers, &orders, &backs).await;
        let ids: BTreeSet<String> = on_log.values().cloned().collect();
        assert_eq!(listed(&dojo).await, ids, "the list is what the log holds");
        events.all_have(&ids, &["created"]).await;
        events.all_have(&ids, &["NOTIFIED"]).await;
        events.all_have(&ids, &["FRAUD_ALERT", "FRAUD_CHECK_PASSED"]).await;
        let repeated = events.orders_with(&["created"]).values().filter(|n| **n > 1).count();
        println!("{} orders on the log, {repeated} of them told to audit more than once", ids.len());
        velocity_counts(&events, &orders);
        for (topic, arrivals) in [(topic::ORDERS, &orders), (topic::AUDIT, &audit)] {
            until("every record to be on the stream", async || {
                arrivals.places() == events.places(topic).into_iter().collect()
            })
            .await;
            let places = events.places(topic);
            let distinct: BTreeSet<_> = places.iter().collect();
            assert_eq!(places.len(), distinct.len(), "each record of {topic} is on the stream once");
        }

        for (instance, now) in memory(&dojo).await {
            let before = before[&instance];
            println!("{instance}: {before} KiB before, {now} KiB after");
            assert!(now < before + GROWTH_KIB, "{instance} has {now} KiB, and had {before} KiB");
        }
        each_said_it_once(&dojo.log(), outages);
    }
}

/// Whether an order got an answer that a service which lives must not give, or none.
fn is_strange(told: &Told) -> bool {
    matches!(told, Told::CutOff | Told::Other(_))
}

/// How long such answers took, shortest first.
fn durations(answers: &[Answer], which: impl Fn(&Told) -> bool) -> Vec<Duration> {
    let mut all: Vec<_> = answers.iter().filter(|a| which(&a.told)).map(Answer::took).collect();
    all.sort();
    all
}

fn summary(sorted: &[Duration]) -> String {
    let (Some(most), middle, late) =
        (sorted.last(), sorted.get(sorted.len() / 2), sorted.get(sorted.len() * 99 / 100))
    else {
        return "(none)".to_owned();
    };
    format!("{:?} (half), {:?} (99 of 100), {most:?} (all)", middle.unwrap_or(most), late.unwrap_or(most))
}

/// Item to id of everything on the log. What was promised is there, once; what was refused is not; and what nobody
/// knew about came soon after Kafka was back, or never.
async fn the_log_agrees(
    answers: &[Answer],
    orders: &Arrivals,
    backs: &[Instant],
) -> BTreeMap<String, String> {
    let promised = |told: &Told| matches!(told, Told::Created(_) | Told::Incomplete);
    eventually("every promised order on the log", async || {
        let items = orders.items();
        let missing: Vec<_> =
            answers.iter().filter(|a| promised(&a.told) && !items.contains_key(&a.item)).take(5).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    })
    .await;
    // What may still be on its way has come by then.
    sleep(MESSAGE_TIMEOUT + NOTED_WITHIN).await;
    let items = orders.items();
    let mut late = Duration::ZERO;
    for answer in answers {
        let arrived = items.get(&answer.item).map(Vec::as_slice).unwrap_or_default();
        match &answer.told {
            Told::Created(id) => {
                assert!(matches!(arrived, [once] if once.order == *id), "{answer:?}: {arrived:?}");
            }
            Told::Incomplete => assert_eq!(arrived.len(), 1, "{answer:?}: {arrived:?}"),
            Told::Refused | Told::Unaudited => assert!(arrived.is_empty(), "{answer:?}: {arrived:?}"),
            Told::Unknown => {
                assert!(arrived.len() <= 1, "{answer:?}: {arrived:?}");
                for arrival in arrived {
                    late = late.max(arrival.at.saturating_duration_since(answer.answered));
                    let back = backs.iter().find(|back| **back > answer.answered);
                    let last = *back.unwrap_or(&answer.answered) + MESSAGE_TIMEOUT + NOTED_WITHIN;
                    assert!(arrival.at < last, "{answer:?} came long after: {arrival:?}");
                }
            }
            Told::CutOff | Told::Other(_) => {}
        }
    }
    println!("orders of unknown outcome came up to {late:?} after that answer");
    items.into_iter().filter_map(|(item, mut arrived)| Some((item, arrived.pop()?.order))).collect()
}

/// The ids of all orders in the list, page by page.
async fn listed(dojo: &Dojo) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut after = String::new();
    loop {
        let page = dojo.get(&format!("/orders?limit=1000{after}")).await;
        let page: Vec<_> =
            page.as_array().unwrap().iter().map(|o| o["id"].as_str().unwrap().to_owned()).collect();
        let Some(last) = page.last() else { return ids };
        after = format!("&after={last}");
        ids.extend(page);
    }
}

/// All but the first five orders of each customer, who placed them within a minute, carry VELOCITY.
fn velocity_counts(events: &Events, orders: &Arrivals) {
    let mut suspicious: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in events.audit() {
        let alerts = event["alerts"].as_array().into_iter().flatten();
        if alerts.into_iter().any(|alert| alert["type"] == "VELOCITY") {
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            suspicious.entry(text("customerName")).or_default().insert(text("orderId"));
        }
    }
    for (customer, placed) in orders.by_customer() {
        let found = suspicious.get(&customer).map_or(0, BTreeSet::len);
        assert_eq!(found, placed.saturating_sub(5), "{customer} placed {placed} orders");
    }
}

/// What every instance has in memory, in KiB. Empty where the system does not tell.
pub async fn memory(dojo: &Dojo) -> BTreeMap<String, u64> {
    let running = eventually("every instance to run", async || {
        let running = dojo.running().await?;
        if running.len() >= 5 { Ok(running) } else { Err(format!("{running:?}")) }
    })
    .await;
    let resident = |pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    running.into_iter().filter_map(|(instance, pid)| Some((instance, resident(pid)?))).collect()
}

/// Each instance says once an outage that Kafka is gone and once that it is back, and not much besides.
fn each_said_it_once(log: &str, outages: usize) {
    for instance in ["order-1", "notification-1", "notification-2", "fraud-1", "audit-1"] {
        let lines: Vec<_> = log.lines().filter(|line| line.starts_with(instance)).collect();
        for said in ["Kafka is away", "Kafka is back"] {
            let times = lines.iter().filter(|line| line.contains(said)).count();
            assert!((outages..=2 * outages).contains(&times), "{instance} said {times} times: {said}\n{log}");
        }
        assert!(lines.len() < 20 + 20 * outages, "{instance} said too much:\n{}", lines.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stops_three_times_under_load_costs_nothing_that_was_promised() {
    let mut kafka = OwnKafka::start().await;
    let mut ordeal = Ordeal::begin(&kafka).await;
    for _ in 0..3 {
        let gone = Instant::now();
        kafka.stop().await;
        ordeal.is_away(gone).await;
        sleep(AWAY).await;
        let instances = ordeal.dojo.get("/instances").await;
        let live: Vec<_> = instances.as_array().unwrap().iter().filter(|i| i["live"] == true).collect();
        assert!(live.is_empty(), "nobody has been heard of for {AWAY:?}: {live:?}");
        kafka.start_again().await;
        ordeal.is_back().await;
        sleep(WARM_UP).await;
    }
    ordeal.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_under_load_costs_nothing_that_was_promised() {
    let mut kafka = OwnKafka::start().await;
    let mut ordeal = Ordeal::begin(&kafka).await;
    let gone = Instant::now();
    kafka.kill().await;
    ordeal.is_away(gone).await;
    kafka.start_again().await;
    ordeal.is_back().await;
    ordeal.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_stalls_under_load_costs_nothing_that_was_promised() {
    let proxy = Proxy::start().unwrap();
    let kafka = OwnKafka::behind(&proxy).await;
    let mut ordeal = Ordeal::begin(&kafka).await;
    let gone = Instant::now();
    proxy.stall();
    ordeal.is_away(gone).await;
    sleep((gone + Duration::from_secs(10)).saturating_duration_since(Instant::now())).await;
    proxy.pass();
    ordeal.is_back().await;
    ordeal.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_network_makes_answers_late_and_none_wrong() {
    let proxy = Proxy::start().unwrap();
    let kafka = OwnKafka::behind(&proxy).await;
    let ordeal = Ordeal::begin(&kafka).await;
    proxy.slow(Duration::from_millis(300));
    sleep(AWAY).await;
    proxy.pass();
    sleep(WARM_UP).await;
    let answers = ordeal.load.answers();
    let refused: Vec<_> = answers.iter().filter(|a| !matches!(a.told, Told::Created(_))).take(5).collect();
    assert!(refused.is_empty(), "{refused:?} of {:?}", tally(&answers));
    ordeal.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_ends_in_time_while_kafka_does_not_answer() {
    let proxy = Proxy::start().unwrap();
    let kafka = OwnKafka::behind(&proxy).await;
    let dojo = Start::at(&kafka.config).ready().await;
    dojo.placed("Ada", "1").await;
    proxy.stall();
    until("the service knows", async || {
        dojo.http.get(format!("{}/readyz", dojo.url)).send().await.is_ok_and(|ready| ready.status() == 503)
    })
    .await;
    // A service that has not ended by itself within ten seconds is killed.
    let took = dojo.end().await;
    assert!(took < Duration::from_secs(9), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_says_that_kafka_is_away_for_as_long_as_it_is() {
    let Some(browser) = Browser::start().await else { return };
    let mut kafka = OwnKafka::start().await;
    let dojo = Start::at(&kafka.config).ready().await;
    browser.client.goto(&dojo.url).await.unwrap();
    browser.wait_for("#banner[hidden]").await;
    kafka.stop().await;
    browser.wait_for("#banner:not([hidden])").await;
    let said = browser.text_of("#banner").await;
    assert!(said.contains("Kafka"), "{said}");
    kafka.start_again().await;
    browser.wait_for("#banner[hidden]").await;
    let begun = Instant::now();
    while dojo.order("Ada", "1").await.is_err() {
        assert!(begun.elapsed() < PATIENCE);
    }
    browser.wait_for("#orders [data-order-id]").await;
}
