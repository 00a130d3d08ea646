//! The lease of scenario runs: who may play, and what a runner reports. What the room does is in `run_room.rs`.

use crate::fixture::{Orders, record};
use dojo_contract::topic;
use dojo_testbed::{Kafka, until};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Starts a run.
pub async fn start(orders: &Orders, id: &str, scenario: &str) -> (StatusCode, Value) {
    orders.send(Method::POST, "/runs", json!({"runId": id, "scenario": scenario})).await
}

/// Starts a run that plays alongside.
pub async fn start_alongside(orders: &Orders, id: &str) -> (StatusCode, Value) {
    let body = json!({"runId": id, "scenario": format!("{id}.yaml"), "alongside": true});
    orders.send(Method::POST, "/runs", body).await
}

/// Reports an event of a run.
pub async fn report(orders: &Orders, id: &str, event: Value) -> (StatusCode, Value) {
    orders.send(Method::POST, &format!("/runs/{id}/events"), event).await
}

/// Reports that a run has ended; returns what was undone.
pub async fn end(orders: &Orders, id: &str) -> Vec<String> {
    let (status, run) = report(orders, id, json!({"type": "ended", "verdict": "met"})).await;
    assert_eq!((status.as_u16(), &run["state"]), (200, &json!("ended")), "{run}");
    serde_json::from_value(run["undone"].clone()).unwrap()
}

fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap()
}

#[tokio::test]
async fn a_second_run_is_refused_and_told_who_plays_and_since_when() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let body = json!({"runId": "a-1", "scenario": "overlap-a.yaml"});
    let response = orders.request(Method::POST, "/runs").json(&body).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (201, &"/runs/a-1".parse().unwrap())
    );
    let run: Value = response.json().await.unwrap();
    assert_eq!(
        (&run["state"], &run["changes"], &run["alongside"]),
        (&json!("running"), &json!([]), &json!(false))
    );

    let (status, problem) = start(&orders, "b-1", "overlap-b.yaml").await;
    assert_eq!((status.as_u16(), &problem["run"]["runId"]), (409, &json!("a-1")), "{problem}");
    let since = format!("overlap-a.yaml has been playing since {} (", run["startedAt"].as_str().unwrap());
    assert!(detail(&problem).starts_with(&since) && detail(&problem).contains(" s): wait"), "{problem}");
    assert!(detail(&problem).contains("--alongside"), "{problem}");

    let (status, again) = start(&orders, "a-1", "overlap-a.yaml").await;
    assert_eq!((status.as_u16(), &again["startedAt"]), (201, &run["startedAt"]), "its runner asks again");
    let (status, problem) = start(&orders, "a-1", "other.yaml").await;
    assert!(status == 409 && detail(&problem).contains("is taken"), "{problem}");

    assert_eq!(end(&orders, "a-1").await, Vec::<String>::new());
    assert_eq!(start(&orders, "b-1", "overlap-b.yaml").await.0, 201);
    let (_, runs) = orders.get("/runs").await;
    let known: Vec<_> = runs.as_array().unwrap().iter().map(|run| (&run["runId"], &run["state"])).collect();
    assert_eq!(known, [(&json!("b-1"), &json!("running")), (&json!("a-1"), &json!("ended"))]);
    orders.stop().await;
}

#[tokio::test]
async fn a_run_alongside_is_admitted_and_changes_nothing() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    assert_eq!(start(&orders, "a-1", "a.yaml").await.0, 201);
    for n in 0..20 {
        assert_eq!(start_alongside(&orders, &format!("beside-{n}")).await.0, 201);
    }
    let (status, problem) = start_alongside(&orders, "beside-20").await;
    assert!(status == 409 && detail(&problem).contains("20 runs play alongside"), "{problem}");

    let changes = [
        (Method::PATCH, "/settings", json!({"failRate": 1})),
        (Method::PUT, "/rules/fraud", json!({"source": "fn judge() {}"})),
        (Method::POST, "/instances", json!({"service": "audit"})),
    ];
    for (method, path, body) in changes {
        if method == Method::POST {
            let report = json!({"instanceId": "supervisor-1", "service": "supervisor", "version": "0", "pid": 1,
                "startedAt": chrono::Utc::now(), "timestamp": chrono::Utc::now(), "state": "running", "partitions": [],
                "settingsOffset": 1000, "rebalances": 0});
            let report = serde_json::to_vec(&report).unwrap();
            kafka.send(record(topic::STATUS, "supervisor-1", Some(&report))).await;
            until("the supervisor is known", async || orders.get("/instances/supervisor-1").await.0 == 200)
                .await;
        }
        let source = orders.get("/rules/fraud").await.1["source"].clone();
        let body = if method == Method::PUT { json!({"source": source}) } else { body };
        let request =
            orders.request(method, path).header("Dojo-Run", "beside-1").header("if-match", "\"missing\"");
        let (status, problem) = crate::fixture::answer(request.json(&body).send().await.unwrap()).await;
        assert_eq!(status, 409, "{problem}");
        assert!(detail(&problem).contains("plays alongside, and such a run changes nothing"), "{problem}");
    }
    let (_, rule) = orders.get("/rules/fraud").await;
    assert_eq!(
        (orders.get("/settings").await.1["failRate"]["value"].clone(), &rule["builtIn"]),
        (json!(0.3), &json!(true))
    );
    assert_eq!(end(&orders, "beside-1").await, Vec::<String>::new());
    orders.stop().await;
}

#[tokio::test]
async fn what_a_runner_reports_is_in_the_run_and_on_the_stream() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut events = orders.events("").await;
    assert_eq!(start(&orders, "a-1", "a.yaml").await.0, 201);
    let event = events.next_of("run").await;
    assert_eq!((&event.data["runId"], &event.data["record"]["topic"]), (&json!("a-1"), &json!(topic::RUNS)));
    let step = json!({"number": 1, "of": 3, "text": "flood 40/s"});
    let mut event = step.clone();
    event["type"] = "step".into();
    let (status, run) = report(&orders, "a-1", event).await;
    assert_eq!((status.as_u16(), &run["steps"]), (200, &json!([step])));
    assert_eq!(events.next_of("run").await.data["steps"], json!([step]));
    assert_eq!(report(&orders, "a-1", json!({"type": "renewed"})).await, (StatusCode::OK, run));
    let finding =
        json!({"type": "finding", "text": "audit exactly 3", "met": false, "detail": "there were 2"});
    assert_eq!(report(&orders, "a-1", finding).await.0, 200);
    let findings = json!([{"text": "audit exactly 3", "met": false, "detail": "there were 2"}]);
    assert_eq!(events.next_of("run").await.data["findings"], findings, "a renewal is no record");
    let (_, run) = orders.get("/runs/a-1").await;
    assert_eq!((&run["steps"], &run["findings"]), (&json!([step]), &findings));

    let ended = json!({"type": "ended", "verdict": "notMet"});
    let (status, run) = report(&orders, "a-1", ended.clone()).await;
    assert_eq!((status.as_u16(), &run["verdict"], &run["undone"]), (200, &json!("notMet"), &json!([])));
    assert_eq!(report(&orders, "a-1", ended).await, (StatusCode::OK, run), "the answer may have been lost");
    let (status, problem) = report(&orders, "a-1", json!({"type": "renewed"})).await;
    assert_eq!((status.as_u16(), &problem["run"]["state"]), (410, &json!("ended")), "{problem}");
    let (status, problem) = report(&orders, "b-1", json!({"type": "renewed"})).await;
    assert!(status == 404 && detail(&problem).contains("there is no run b-1"), "{problem}");
    assert_eq!(orders.get("/runs/b-1").await.0, 404);
    orders.stop().await;
}

#[tokio::test]
async fn a_body_that_is_wrong_is_refused_with_each_of_its_fields() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let fields = |problem: &Value| -> Vec<String> {
        let errors = problem["errors"].as_array().unwrap().iter();
        errors.map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    };
    let body = json!({"runId": "A 1", "scenario": 7, "alongside": "no", "target": "x"});
    let (status, problem) = orders.send(Method::POST, "/runs", body).await;
    assert_eq!(
        (status.as_u16(), fields(&problem)),
        (422, vec!["target".into(), "runId".into(), "scenario".into(), "alongside".into()])
    );
    assert_eq!(start(&orders, "a-1", "a.yaml").await.0, 201);
    let (status, problem) = report(&orders, "a-1", json!({"type": "step", "number": -1, "text": ""})).await;
    assert_eq!((status.as_u16(), fields(&problem)), (422, vec!["number".into(), "of".into(), "text".into()]));
    let (status, problem) = report(&orders, "a-1", json!({"type": "over"})).await;
    assert_eq!((status.as_u16(), fields(&problem)), (422, vec!["type".into()]));

    let patch = |run: &'static str| {
        orders.request(Method::PATCH, "/settings").header("Dojo-Run", run).json(&json!({"failRate": 1}))
    };
    let (status, problem) = crate::fixture::answer(patch("No Run").send().await.unwrap()).await;
    assert_eq!((status.as_u16(), fields(&problem)), (422, vec!["Dojo-Run".into()]));
    let (status, problem) = crate::fixture::answer(patch("b-1").send().await.unwrap()).await;
    assert!(status == 409 && detail(&problem).contains("the run b-1 is unknown here"), "{problem}");
    end(&orders, "a-1").await;
    let (status, problem) = crate::fixture::answer(patch("a-1").send().await.unwrap()).await;
    assert!(status == 409 && detail(&problem).contains("has no lease any more"), "{problem}");
    assert_eq!(orders.get("/settings").await.1["failRate"]["source"], "default");
    orders.stop().await;
}

#[tokio::test]
async fn of_two_order_services_that_are_asked_at_once_one_grants_the_lease() {
    let kafka = Kafka::start().await;
    let (one, two) = tokio::join!(
        Orders::start_named("order-1", &kafka.config),
        Orders::start_named("order-2", &kafka.config)
    );
    for round in 0..10 {
        let (a, b) = (format!("a-{round}"), format!("b-{round}"));
        let (first, second) = tokio::join!(start(&one, &a, "a.yaml"), start(&two, &b, "b.yaml"));
        let statuses = (first.0.as_u16(), second.0.as_u16());
        let (winner, loser, problem) = match statuses {
            (201, 409) => (&a, &b, &second.1),
            (409, 201) => (&b, &a, &first.1),
            _ => panic!("one lease, not {statuses:?}: {first:?} {second:?}"),
        };
        assert_eq!(problem["run"]["runId"], json!(winner), "{problem}");
        for orders in [&one, &two] {
            let path = format!("/runs/{loser}");
            until("the loser is gone", async || orders.get(&path).await.0 == 404).await;
        }
        // Any order service takes in what the winner's runner reports.
        assert_eq!(report(&two, winner, json!({"type": "renewed"})).await.0, 200);
        end(&one, winner).await;
        let path = format!("/runs/{winner}");
        until("both know the end", async || two.get(&path).await.1["state"] == "ended").await;
    }
    tokio::join!(one.stop(), two.stop());
}
