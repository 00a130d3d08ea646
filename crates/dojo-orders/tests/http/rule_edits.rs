//! Rules are changed, checked and tried through the API.

use crate::fixture::{Orders, answer};
use dojo_orders::{Backtest, PageConfig, PassedIn};
use dojo_rules::{BacktestReport, FraudRule, Rule as _, version};
use dojo_testbed::{Kafka, PATIENCE, eventually};
use futures::FutureExt as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    time::timeout,
};

/// Drafts that the service has in memory at a time.
const DRAFTS: usize = 32;
const OTHER_RULE: &str =
    "if order.total > 7.0 { [alert(\"SEVEN\", \"LOW\", \"more than 7\")] } else { [] }\n";

fn with(backtest: Backtest) -> PassedIn {
    PassedIn { backtest: Some(backtest), ..PassedIn::default() }
}

impl Orders {
    /// The entity tag of a rule's file.
    async fn tag(&self, name: &str) -> String {
        let response = self.request(Method::GET, &format!("/rules/{name}")).send().await.unwrap();
        response.headers()["etag"].to_str().unwrap().to_owned()
    }

    /// Saves a rule: the status, the tag of the answer, and its body.
    async fn save(&self, name: &str, tag: Option<&str>, source: &str) -> (u16, Option<String>, Value) {
        let mut request = self.request(Method::PUT, &format!("/rules/{name}"));
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        let response = request.json(&json!({"source": source})).send().await.unwrap();
        let tag = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        let (status, body) = answer(response).await;
        (status.as_u16(), tag, body)
    }

    /// Begins to send a draft to be checked. The service reads it: it has asked for the body.
    async fn draft_without_end(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).await.unwrap();
        let head = "POST /rules/fraud/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
            Content-Length: 2\r\nExpect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut status)).await.unwrap().unwrap();
        assert_eq!(&status, b"HTTP/1.1 100");
        stream
    }
}

async fn orders(kafka: &Kafka) -> Orders {
    Orders::start(&kafka.config).await
}

#[tokio::test]
async fn a_rule_is_saved_over_the_version_that_was_edited_and_never_over_another_one() {
    let kafka = Kafka::start().await;
    let orders = orders(&kafka).await;
    let path = orders.rules.path().join("fraud.rhai");
    let missing = orders.tag("fraud").await;
    let (status, tag, saved) = orders.save("fraud", Some(&missing), OTHER_RULE).await;
    assert_eq!((status, &saved["version"]), (200, &json!(version(OTHER_RULE))), "{saved}");
    assert_eq!(fs::read_to_string(&path).unwrap(), OTHER_RULE);
    assert_eq!(tag.as_ref(), Some(&orders.tag("fraud").await));

    // Somebody saves on disk at the same moment.
    fs::write(&path, "[] // on disk\n").unwrap();
    let (status, present, problem) = orders.save("fraud", tag.as_deref(), "[] // in the browser\n").await;
    assert_eq!(status, 412, "{problem}");
    assert_eq!(present, Some(orders.tag("fraud").await));
    assert_eq!(fs::read_to_string(&path).unwrap(), "[] // on disk\n");
    let (status, _, saved) = orders.save("fraud", present.as_deref(), "[] // in the browser\n").await;
    assert_eq!(status, 200, "{saved}");
    orders.stop().await;
}

#[tokio::test]
async fn of_two_requests_at_once_one_wins() {
    let kafka = Kafka::start().await;
    let orders = orders(&kafka).await;
    let tag = orders.tag("fraud").await;
    let save = |source: &'static str| orders.save("fraud", Some(&tag), source);
    let (one, two) = tokio::join!(save("[] // Ada\n"), save("[] // Bob\n"));
    let mut statuses = [one.0, two.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    orders.stop().await;
}

#[tokio::test]
async fn a_change_without_a_tag_of_what_is_broken_or_too_large_is_refused_and_changes_nothing() {
    let kafka = Kafka::start().await;
    let orders = orders(&kafka).await;
    let tag = orders.tag("fraud").await;
    for none in [None, Some("*"), Some("")] {
        let (status, _, problem) = orders.save("fraud", none, "[]").await;
        assert_eq!(status, 428, "{problem}");
    }
    let (status, _, problem) = orders.save("fraud", Some(&format!("W/{tag}")), "[]").await;
    assert_eq!(status, 412, "a weak tag can't match: {problem}");
    let (status, _, problem) = orders.save("fraud", Some(&tag), "let a = 1;\na +* 2;\n[]").await;
    assert_eq!((status, &problem["mistake"]["line"]), (422, &json!(2)), "{problem}");
    assert!(problem["mistake"]["text"].as_str().unwrap().contains("fraud.rhai:2:"), "{problem}");
    let large = format!("[] // {}", "x".repeat(256 * 1024));
    let (status, _, problem) = orders.save("fraud", Some(&tag), &large).await;
    assert_eq!(status, 413, "{problem}");
    let (status, _, problem) = orders.save("fraud", Some(&tag), &"\u{1}".repeat(300 * 1024)).await;
    assert_eq!(status, 413, "{problem}");
    let (status, _, problem) = orders.save("pizza", Some(&tag), "[]").await;
    assert_eq!(status, 404, "{problem}");
    let wrong = orders.request(Method::PUT, "/rules/fraud").header("if-match", &tag);
    let (status, problem) = answer(wrong.json(&json!({"source": "[]", "x": 1})).send().await.unwrap()).await;
    assert_eq!(status, 422, "{problem}");
    let foreign = orders.request(Method::PUT, "/rules/fraud").header("origin", "https://elsewhere.test");
    let foreign = foreign.header("if-match", &tag).json(&json!({"source": "[]"}));
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    assert_eq!(fs::read_dir(orders.rules.path()).unwrap().count(), 0);
    orders.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named_with_what_to_change() {
    let kafka = Kafka::start().await;
    let orders = orders(&kafka).await;
    // Nobody can create a file there, not even root.
    std::os::unix::fs::symlink("/sys/fraud.rhai", orders.rules.path().join("fraud.rhai")).unwrap();
    let tag = orders.tag("fraud").await;
    let (status, _, problem) = orders.save("fraud", Some(&tag), "[]").await;
    assert_eq!(status, 403, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("./rules:/dojo/rules") && detail.contains("DOJO_USER"), "{detail}");
    orders.stop().await;
}

#[tokio::test]
async fn a_folder_in_place_of_the_file_is_not_replaced() {
    let kafka = Kafka::start().await;
    let orders = orders(&kafka).await;
    let tag = orders.tag("fraud").await;
    fs::create_dir(orders.rules.path().join("fraud.rhai")).unwrap();
    let (status, _, problem) = orders.save("fraud", Some(&tag), "[]").await;
    assert_eq!(status, 409, "{problem}");
    orders.stop().await;
}

#[tokio::test]
async fn read_only_rules_are_shown_and_not_changed() {
    let kafka = Kafka::start().await;
    let page = PageConfig { read_only: "rules".parse().unwrap(), ..PageConfig::default() };
    let orders = Orders::start_with(&kafka.config, page).await;
    orders.until_ready().await;
    let tag = orders.tag("fraud").await;
    let (status, _, problem) = orders.save("fraud", Some(&tag), "[]").await;
    assert_eq!(status, 403, "{problem}");
    assert!(problem["detail"].as_str().unwrap().starts_with("`rules` can't be changed"), "{problem}");
    orders.stop().await;
}

#[tokio::test]
async fn a_rule_shows_the_versions_to_go_back_to() {
    let kafka = Kafka::start().await;
    let orders = orders(&kafka).await;
    let (_, rule) = orders.get("/rules/fraud").await;
    assert_eq!(rule["source"], FraudRule::BUILT_IN);
    assert_eq!(
        rule["asShipped"],
        json!({"version": version(FraudRule::BUILT_IN), "source": FraudRule::BUILT_IN})
    );
    assert_eq!((&rule["lastGood"], &rule["switch"]), (&Value::Null, &Value::Null), "{rule}");

    let tag = orders.tag("fraud").await;
    assert_eq!(orders.save("fraud", Some(&tag), OTHER_RULE).await.0, 200);
    // The built-in rule was in force before.
    let rule = becomes(&orders, |rule| rule["switch"].is_object()).await;
    assert_eq!(rule["lastGood"]["source"], FraudRule::BUILT_IN);
    assert_eq!(rule["switch"]["version"], version(OTHER_RULE));
    assert_eq!(rule["switch"]["completed"], Value::Null, "no instance has reported: {rule}");
    fs::write(orders.rules.path().join("fraud.rhai"), "[").unwrap();
    let rule =
        becomes(&orders, |rule| rule["lastGood"]["source"] == OTHER_RULE && !rule["error"].is_null()).await;
    assert_eq!(rule["source"], "[");
    orders.stop().await;
}

/// Waits until `GET /rules/fraud` is as wanted.
async fn becomes(orders: &Orders, is: impl Fn(&Value) -> bool) -> Value {
    eventually("the rule", async || {
        let (_, rule) = orders.get("/rules/fraud").await;
        if is(&rule) { Ok(rule) } else { Err(rule) }
    })
    .await
}

#[tokio::test]
async fn a_draft_is_checked_and_nothing_is_written() {
    let kafka = Kafka::start().await;
    let orders = orders(&kafka).await;
    let good = orders.send(Method::POST, "/rules/fraud/check", json!({"source": OTHER_RULE})).await;
    assert_eq!(good, (StatusCode::OK, json!({"version": version(OTHER_RULE), "error": null})));
    let (status, broken) = orders.send(Method::POST, "/rules/fraud/check", json!({"source": "[\n"})).await;
    assert_eq!(status, 200, "{broken}");
    assert!(broken["error"]["line"].is_u64() && broken["error"]["message"].is_string(), "{broken}");
    let large = json!({"source": "x".repeat(256 * 1024 + 1)});
    assert_eq!(orders.send(Method::POST, "/rules/fraud/check", large).await.0, 413);
    assert_eq!(orders.send(Method::POST, "/rules/pizza/check", json!({"source": "[]"})).await.0, 404);
    assert_eq!(orders.send(Method::POST, "/rules/fraud/check", json!({})).await.0, 422);
    assert_eq!(fs::read_dir(orders.rules.path()).unwrap().count(), 0);
    orders.stop().await;
}

#[tokio::test]
async fn a_draft_has_the_version_that_its_file_would_have() {
    let kafka = Kafka::start().await;
    let (version_tried, tries) = (Arc::new(Mutex::new(String::new())), Arc::new(Notify::new()));
    let (tried, notify) = (Arc::clone(&version_tried), Arc::clone(&tries));
    let backtest: Backtest = Arc::new(move |request| {
        *tried.lock().unwrap() = version(&request.source);
        notify.notify_one();
        async { Ok(report()) }.boxed()
    });
    let orders = Orders::start_passing_in(&kafka.config, PageConfig::default(), with(backtest)).await;
    orders.until_ready().await;
    // A browser sends neither the byte order mark nor the carriage returns.
    fs::write(orders.rules.path().join("fraud.rhai"), "\u{feff}let limit = 7.0;\r\n[]\r\n").unwrap();
    let draft = json!({"source": OTHER_RULE});
    let (_, checked) = orders.send(Method::POST, "/rules/fraud/check", draft.clone()).await;
    let (status, tried) = orders.send(Method::POST, "/rules/fraud/backtest", draft).await;
    assert_eq!(status, 200, "{tried}");
    tries.notified().await;
    let (status, _, saved) = orders.save("fraud", Some(&orders.tag("fraud").await), OTHER_RULE).await;
    assert_eq!(status, 200, "{saved}");
    assert_eq!(checked["version"], saved["version"]);
    assert_eq!(json!(*version_tried.lock().unwrap()), saved["version"]);
    assert_ne!(saved["version"], version(OTHER_RULE), "the file has other line ends");
    orders.stop().await;
}

#[tokio::test]
async fn people_who_send_their_drafts_slowly_hold_up_nobody_until_the_memory_for_drafts_is_full() {
    let kafka = Kafka::start().await;
    let orders = orders(&kafka).await;
    let mut slow = Vec::new();
    for _ in 1..DRAFTS {
        slow.push(orders.draft_without_end().await);
    }
    let check = || orders.send(Method::POST, "/rules/fraud/check", json!({"source": OTHER_RULE}));
    let (status, checked) = check().await;
    assert_eq!(status, 200, "{checked}");
    slow.push(orders.draft_without_end().await);
    let (status, problem) = check().await;
    assert_eq!(status, 503, "{problem}");
    assert_eq!(problem["detail"], "too many drafts are being read: try again");
    drop(slow);
    eventually("the check of a draft", async || match check().await {
        (StatusCode::OK, _) => Ok(()),
        refused => Err(refused),
    })
    .await;
    orders.stop().await;
}

fn report() -> BacktestReport {
    BacktestReport {
        rule: "fraud.rhai".into(),
        version: "0a1b2c3d".into(),
        since: None,
        is_replay: false,
        orders: 3,
        compared: 3,
        unjudged: 0,
        partial: 0,
        other_versions: 0,
        changes: 0,
        alerts: Vec::new(),
        millis: 1,
    }
}

/// Says when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[tokio::test]
async fn one_backtest_runs_at_a_time_and_ends_with_its_request() {
    let kafka = Kafka::start().await;
    let (started, dropped) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (starts, drops) = (Arc::clone(&started), Arc::clone(&dropped));
    let backtest: Backtest = Arc::new(move |request| {
        let (starts, guard) = (Arc::clone(&starts), Dropped(Arc::clone(&drops)));
        async move {
            let _guard = guard;
            assert_eq!(request.since, Duration::from_secs(90));
            if request.source == OTHER_RULE {
                return Ok(report());
            }
            starts.notify_one();
            std::future::pending().await
        }
        .boxed()
    });
    let orders = Orders::start_passing_in(&kafka.config, PageConfig::default(), with(backtest)).await;
    orders.until_ready().await;
    let body = |source: &str| json!({"source": source, "since": "90s"});
    let (status, found) = orders.send(Method::POST, "/rules/fraud/backtest", body(OTHER_RULE)).await;
    assert_eq!((status.as_u16(), &found["orders"]), (200, &json!(3)), "{found}");
    for (path, body, expected) in [
        ("/rules/notification/backtest", body("()"), 404),
        ("/rules/fraud/backtest", body("["), 422),
        ("/rules/fraud/backtest", json!({"source": "[]", "since": "soon"}), 422),
    ] {
        let (status, problem) = orders.send(Method::POST, path, body).await;
        assert_eq!(status, expected, "{problem}");
    }

    dropped.store(false, Ordering::Release);
    let endless = orders.request(Method::POST, "/rules/fraud/backtest").json(&body("[]")).send();
    let endless = tokio::spawn(endless);
    started.notified().await;
    let (status, problem) = orders.send(Method::POST, "/rules/fraud/backtest", body(OTHER_RULE)).await;
    assert_eq!(status, 409, "{problem}");
    endless.abort();
    eventually("the backtest to end", async || match dropped.load(Ordering::Acquire) {
        true => Ok(()),
        false => Err("it goes on"),
    })
    .await;
    orders.stop().await;
}

#[tokio::test]
async fn without_a_backtest_the_answer_names_the_command() {
    let kafka = Kafka::start().await;
    let orders = orders(&kafka).await;
    let (status, problem) = orders.send(Method::POST, "/rules/fraud/backtest", json!({"source": "[]"})).await;
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("dojo rules backtest"), "{problem}");
    orders.stop().await;
}
