//! The scenarios that a program passes in: listed, and played by one runner at a time. The runner is one of this test, which reports
//! as a real one does.

use crate::{
    fixture::Orders,
    run_leases::{end, start},
};
use dojo_orders::{PageConfig, PassedIn, PlayError, PlayRequest, Runner, ScenarioSummary, Scenarios};
use dojo_testbed::{Kafka, until};
use futures::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::sync::Arc;

/// What the runner of a test does.
#[derive(Clone, Copy)]
enum Does {
    /// Begins its run, and ends it when it is asked to stop.
    Plays,
    /// Ends before its run has begun, and says why.
    Ends,
    /// Never begins its run.
    Waits,
}

/// Scenarios of a test.
struct Folder {
    does: Does,
    /// Where the order service is, once it listens.
    url: Mutex<String>,
    asked: Mutex<Vec<PlayRequest>>,
    ended: Arc<Mutex<usize>>,
}

impl Folder {
    fn whose_runner(does: Does) -> Arc<Self> {
        Arc::new(Self { does, url: Mutex::default(), asked: Mutex::default(), ended: Arc::default() })
    }
}

impl Scenarios for Folder {
    fn list(&self) -> BoxFuture<'static, Vec<ScenarioSummary>> {
        let one = |name: &str, error: Option<&str>| ScenarioSummary {
            name: name.into(),
            file: format!("scenarios/{name}.yaml"),
            title: name.to_uppercase(),
            lesson: None,
            tags: vec!["short".into()],
            error: error.map(str::to_owned),
        };
        let list = vec![one("bad", Some("bad.yaml:1:1: no steps")), one("good", None)];
        async { list }.boxed()
    }

    fn play(&self, request: PlayRequest) -> BoxFuture<'static, Result<Runner, PlayError>> {
        self.asked.lock().push(request.clone());
        let (does, url, ended) = (self.does, self.url.lock().clone(), Arc::clone(&self.ended));
        let answer: Result<Runner, _> = match request.name.as_str() {
            "good" => Ok(async move {
                let said = run(does, &url, &request).await;
                *ended.lock() += 1;
                said
            }
            .boxed()),
            "bad" => Err(PlayError::Mistakes(vec![("bad.yaml:1:1".into(), "no steps".into())])),
            name => Err(PlayError::NoSuchScenario(name.into())),
        };
        async { answer }.boxed()
    }
}

/// Plays a run as a runner does, until it is asked to stop.
async fn run(does: Does, url: &str, request: &PlayRequest) -> String {
    let body = json!({"runId": request.run_id, "scenario": "Good"});
    match does {
        Does::Ends => return "the rate was not held".into(),
        Does::Waits => {}
        Does::Plays => {
            let begun = Client::new().post(format!("{url}/runs")).json(&body).send().await.unwrap();
            if begun.status() != 201 {
                return begun.text().await.unwrap();
            }
        }
    }
    request.stop.cancelled().await;
    if matches!(does, Does::Plays) {
        let ended = json!({"type": "ended", "verdict": "interrupted"});
        let path = format!("{url}/runs/{}/events", request.run_id);
        assert_eq!(Client::new().post(path).json(&ended).send().await.unwrap().status(), 200);
    }
    String::new()
}

async fn started(kafka: &Kafka, folder: &Arc<Folder>) -> Orders {
    let scenarios: Arc<dyn Scenarios> = Arc::<Folder>::clone(folder);
    let passed_in = PassedIn { scenarios: Some(scenarios), ..PassedIn::default() };
    let orders = Orders::start_passing_in(&kafka.config, PageConfig::default(), passed_in).await;
    orders.url.clone_into(&mut folder.url.lock());
    orders.until_ready().await;
    orders
}

async fn play(orders: &Orders, name: &str, body: Value) -> (u16, Value) {
    let (status, answer) = orders.send(Method::POST, &format!("/scenarios/{name}/play"), body).await;
    (status.as_u16(), answer)
}

#[tokio::test]
async fn the_scenarios_are_listed_also_those_with_mistakes() {
    let kafka = Kafka::start().await;
    let orders = started(&kafka, &Folder::whose_runner(Does::Plays)).await;
    let bad = json!({"name": "bad", "file": "scenarios/bad.yaml", "title": "BAD", "tags": ["short"], "error": "bad.yaml:1:1: no steps"});
    let (status, list) = orders.get("/scenarios").await;
    assert_eq!((status.as_u16(), &list[0], &list[1]["name"]), (200, &bad, &json!("good")));
    orders.stop().await;
    let orders = Orders::start(&kafka.config).await;
    assert_eq!(orders.get("/scenarios").await.1, json!([]), "a program without scenarios");
    assert_eq!(play(&orders, "good", json!({})).await.0, 404);
    orders.stop().await;
}

#[tokio::test]
async fn a_scenario_is_played_with_a_seed_and_variables_and_ends_with_the_service() {
    let kafka = Kafka::start().await;
    let folder = Folder::whose_runner(Does::Plays);
    let orders = started(&kafka, &folder).await;
    let body = json!({"seed": 7, "vars": {"rate": "5/s", "count": 3}});
    let request = orders.request(Method::POST, "/scenarios/good/play").json(&body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 201);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let id = response.json::<Value>().await.unwrap()["runId"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("/runs/{id}"));
    assert_eq!(orders.get(&location).await.1["state"], "running", "the answer comes once the run is visible");
    let asked = folder.asked.lock()[0].clone();
    let variables =
        [("rate", "5/s"), ("count", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!((asked.run_id, asked.seed, asked.variables), (id, Some(7), variables.to_vec()));
    orders.stop().await;
    assert_eq!(*folder.ended.lock(), 1, "the service waits until its runner has ended the run");
    let orders = Orders::start(&kafka.config).await;
    assert_eq!(orders.get(&location).await.1["verdict"], "interrupted");
    orders.stop().await;
}

#[tokio::test]
async fn of_two_people_who_play_at_once_one_gets_the_run_of_the_other() {
    let kafka = Kafka::start().await;
    let folder = Folder::whose_runner(Does::Plays);
    let orders = started(&kafka, &folder).await;
    let (one, two) = tokio::join!(play(&orders, "good", json!({})), play(&orders, "good", json!({})));
    let (won, lost) = if one.0 == 201 { (one, two) } else { (two, one) };
    assert_eq!((won.0, lost.0), (201, 409), "{won:?} {lost:?}");
    assert_eq!(lost.1["run"]["runId"], won.1["runId"]);
    assert_eq!(folder.asked.lock().len(), 1, "one runner at a time");
    orders.stop().await;
}

#[tokio::test]
async fn a_run_of_a_terminal_refuses_the_page_until_it_has_ended() {
    let kafka = Kafka::start().await;
    let orders = started(&kafka, &Folder::whose_runner(Does::Plays)).await;
    assert_eq!(start(&orders, "a-1", "a.yaml").await.0, 201);
    let (status, problem) = play(&orders, "good", json!({})).await;
    assert_eq!((status, &problem["run"]["runId"]), (409, &json!("a-1")), "{problem}");
    end(&orders, "a-1").await;
    assert_eq!(play(&orders, "good", json!({})).await.0, 201);
    orders.stop().await;
}

#[tokio::test]
async fn a_runner_that_ends_before_its_run_has_begun_is_a_problem_with_its_reason() {
    let kafka = Kafka::start().await;
    let folder = Folder::whose_runner(Does::Ends);
    let orders = started(&kafka, &folder).await;
    for _ in 0..2 {
        let (status, problem) = play(&orders, "good", json!({})).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            status == 503 && detail.ends_with("before its run had begun: the rate was not held"),
            "{problem}"
        );
    }
    orders.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_scenario_or_a_request_is_said() {
    let kafka = Kafka::start().await;
    let folder = Folder::whose_runner(Does::Plays);
    let orders = started(&kafka, &folder).await;
    let (status, problem) = play(&orders, "bad", json!({})).await;
    let mistake = json!([{"field": "bad.yaml:1:1", "message": "no steps"}]);
    assert_eq!((status, &problem["errors"]), (422, &mistake));
    let (status, problem) = play(&orders, "nowhere", json!({})).await;
    assert!(status == 404 && problem["detail"].as_str().unwrap().contains("GET /scenarios"), "{problem}");
    let (status, problem) = play(&orders, "good", json!({"seed": "x", "rate": 1})).await;
    let wrong: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| &e["field"]).collect();
    assert_eq!((status, wrong), (422, vec![&json!("rate"), &json!("seed")]));
    let request = orders.request(Method::POST, "/scenarios/good/play").header("origin", "http://evil.test");
    assert_eq!(request.json(&json!({})).send().await.unwrap().status(), 403);
    assert_eq!(folder.asked.lock().len(), 2, "a request that is wrong starts nothing");
    orders.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_run_has_begun_takes_its_runner_along() {
    let kafka = Kafka::start().await;
    let folder = Folder::whose_runner(Does::Waits);
    let orders = started(&kafka, &folder).await;
    let playing = orders.request(Method::POST, "/scenarios/good/play").json(&json!({})).send();
    tokio::select! {
        answer = playing => panic!("{answer:?}"),
        () = until("the runner runs", async || folder.asked.lock().len() == 1) => {}
    }
    until("the runner has ended", async || *folder.ended.lock() == 1).await;
    orders.stop().await;
}
