//! What a room sees of a run and does with it: texts, questions and guesses, and the wish to stop.

use crate::{
    fixture::Orders,
    run_leases::{end, report, start, start_alongside},
};
use dojo_contract::topic;
use dojo_orders::PageConfig;
use dojo_testbed::Kafka;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

const QUESTION: &str = "How many of the 12 orders will be alerts?";

/// Starts a run and asks a question.
async fn ask(orders: &Orders, id: &str, choices: &[&str]) {
    assert_eq!(start(orders, id, "a.yaml").await.0, 201);
    let mut asked = json!({"type": "asked", "number": 1, "text": QUESTION});
    if !choices.is_empty() {
        asked["choices"] = json!(choices);
    }
    assert_eq!(report(orders, id, asked).await.0, 200);
}

async fn guess(orders: &Orders, id: &str, guesser: Uuid, guess: Value) -> (u16, Value) {
    let path = format!("/runs/{id}/questions/1/guesses");
    let (status, answer) =
        orders.send(Method::POST, &path, json!({"guess": guess, "guesser": guesser})).await;
    (status.as_u16(), answer)
}

async fn post(orders: &Orders, path: &str) -> (u16, Value) {
    let (status, answer) =
        crate::fixture::answer(orders.request(Method::POST, path).send().await.unwrap()).await;
    (status.as_u16(), answer)
}

fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap()
}

#[tokio::test]
async fn a_list_of_events_is_one_record_that_has_all_of_them() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let body = json!({"runId": "a-1", "scenario": "Fraud spam", "lesson": "Windows.", "file": "scenarios/a.yaml", "seed": 7});
    let (status, run) = orders.send(Method::POST, "/runs", body).await;
    assert_eq!(status, 201, "{run}");
    assert_eq!(
        (&run["lesson"], &run["file"], &run["seed"]),
        (&json!("Windows."), &json!("scenarios/a.yaml"), &json!(7))
    );
    let mut events = orders.events("").await;
    let counts = json!({"orders": 12, "notified": 11, "retries": 3, "givenUp": 1, "redriven": 0, "alerts": 7, "ruleErrors": 0});
    let mut counted = counts.clone();
    counted["type"] = "counts".into();
    let list = json!([
        {"type": "said", "text": "Mallory orders."},
        {"type": "step", "number": 1, "of": 2, "text": "flood", "total": 12},
        {"type": "progress", "number": 1, "text": "20/s", "done": 5},
        {"type": "stepEnded", "number": 1, "result": "12 orders"},
        {"type": "step", "number": 2, "of": 2, "text": "expect"},
        {"type": "finding", "step": 2, "text": "exactly 7", "met": true},
        {"type": "breach", "text": "an order was lost"},
        counted,
        {"type": "asked", "number": 1, "text": QUESTION},
        {"type": "closed", "number": 1, "facilitator": "12"},
        {"type": "revealed", "number": 1, "answer": "7"},
        {"type": "renewed"},
    ]);
    let (status, run) = report(&orders, "a-1", list.clone()).await;
    assert_eq!(status, 200, "{run}");
    let steps = json!([
        {"number": 1, "of": 2, "text": "flood", "progress": "20/s", "done": 5, "total": 12, "result": "12 orders"},
        {"number": 2, "of": 2, "text": "expect"},
    ]);
    let question = json!({"number": 1, "text": QUESTION, "open": false, "guesses": [], "answer": "7", "facilitator": "12"});
    assert_eq!((&run["said"], &run["steps"]), (&json!(["Mallory orders."]), &steps));
    assert_eq!(run["findings"], json!([{"step": 2, "text": "exactly 7", "met": true}]));
    assert_eq!((&run["breaches"], &run["counts"]), (&json!(["an order was lost"]), &counts));
    assert_eq!(run["questions"], json!([question]));

    // The first record of the stream has all of it already.
    let mut record = events.next_of("run").await.data;
    record.as_object_mut().unwrap().remove("record");
    assert_eq!(record, run);
    assert_eq!(orders.get("/runs/a-1").await.1, run);

    // The answer may have been lost.
    assert_eq!(report(&orders, "a-1", list).await.1, run);
    let failed = json!([{"type": "said", "text": "Oh."}, {"type": "ended", "verdict": "failed", "failure": "no answer"}]);
    let (_, run) = report(&orders, "a-1", failed).await;
    assert_eq!(
        (&run["said"], &run["failure"], &run["state"]),
        (&json!(["Mallory orders.", "Oh."]), &json!("no answer"), &json!("ended"))
    );
    orders.stop().await;
}

#[tokio::test]
async fn a_list_with_a_mistake_changes_nothing() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    assert_eq!(start(&orders, "a-1", "a.yaml").await.0, 201);
    let said = json!({"type": "said", "text": "Hello"});
    let ended = json!({"type": "ended", "verdict": "met"});
    for (list, field) in [
        (json!([said, {"type": "said"}]), "[1].text"),
        (json!([ended, said]), "[0].type"),
        (json!([]), ""),
        (Value::Array(vec![said.clone(); 201]), ""),
    ] {
        let (status, problem) = report(&orders, "a-1", list).await;
        assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!(field)), "{problem}");
    }
    let (_, run) = orders.get("/runs/a-1").await;
    assert_eq!((&run["said"], &run["state"]), (&json!([]), &json!("running")));
    orders.stop().await;
}

#[tokio::test]
async fn a_guesser_guesses_once_a_choice_or_a_number_while_the_question_is_open() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    ask(&orders, "a-1", &["None", "7"]).await;
    let [one, two] = [Uuid::new_v4(), Uuid::new_v4()];
    let (status, run) = guess(&orders, "a-1", one, json!("7")).await;
    assert_eq!(
        (status, &run["questions"][0]["guesses"]),
        (200, &json!([{"guess": "7", "count": 1}])),
        "{run}"
    );
    let guessers = run["questions"][0]["guessers"].as_array().unwrap();
    assert!(guessers.len() == 1 && guessers[0].as_str().unwrap().len() == 12, "{guessers:?}");
    assert!(!run.to_string().contains(&one.to_string()), "the id of a guesser stays with the guesser: {run}");

    let (status, problem) = guess(&orders, "a-1", one, json!("None")).await;
    assert!(status == 409 && detail(&problem).contains("each guesser has one"), "{problem}");
    let (status, problem) = guess(&orders, "a-1", two, json!("8")).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("guess")), "{problem}");
    let path = "/runs/a-1/questions/1/guesses";
    let (status, problem) = orders.send(Method::POST, path, json!({"guess": [], "guesser": "Ada"})).await;
    let wrong: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| &e["field"]).collect();
    assert_eq!((status.as_u16(), wrong), (422, vec![&json!("guess"), &json!("guesser")]), "{problem}");

    let (status, run) = post(&orders, "/runs/a-1/questions/1/close").await;
    assert_eq!((status, &run["questions"][0]["open"]), (200, &json!(false)), "{run}");
    assert_eq!(run["questions"][0]["guessers"], Value::Null, "who has guessed isn't needed any more");
    assert_eq!(post(&orders, "/runs/a-1/questions/1/close").await.0, 200, "closed again");
    let (status, problem) = guess(&orders, "a-1", two, json!("7")).await;
    assert!(status == 409 && detail(&problem).contains("is closed"), "{problem}");
    for path in ["/runs/a-1/questions/2/close", "/runs/a-1/questions/x/close", "/runs/b-1/questions/1/close"]
    {
        assert_eq!(post(&orders, path).await.0, 404, "{path}");
    }
    let (_, problem) = orders
        .send(Method::POST, "/runs/a-1/questions/2/guesses", json!({"guess": "7", "guesser": two}))
        .await;
    assert!(detail(&problem).contains("no question 2"), "{problem}");
    end(&orders, "a-1").await;
    assert_eq!(guess(&orders, "a-1", two, json!("7")).await.0, 410);
    assert_eq!(post(&orders, "/runs/a-1/questions/1/close").await.0, 410);
    orders.stop().await;
}

#[tokio::test]
async fn a_room_that_guesses_at_once_is_counted_in_few_writes() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    ask(&orders, "a-1", &[]).await;
    let written = async || kafka.records(topic::RUNS).await.len();
    let before = written().await;
    let guesses = (0..40).map(|n| guess(&orders, "a-1", Uuid::new_v4(), json!((n % 2).to_string())));
    let statuses = futures::future::join_all(guesses).await;
    assert!(statuses.iter().all(|(status, _)| *status == 200), "{statuses:?}");
    let (_, run) = orders.get("/runs/a-1").await;
    let mut guesses = run["questions"][0]["guesses"].as_array().unwrap().clone();
    guesses.sort_by_key(|guess| guess["guess"].to_string());
    assert_eq!(guesses, [json!({"guess": "0", "count": 20}), json!({"guess": "1", "count": 20})]);
    let writes = written().await - before;
    assert!(writes <= 20, "{writes} writes for 40 guesses");
    orders.stop().await;
}

#[tokio::test]
async fn a_question_has_at_most_300_guesses() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    ask(&orders, "a-1", &[]).await;
    let guesses = (0..301).map(|n| guess(&orders, "a-1", Uuid::new_v4(), json!(n.to_string())));
    let statuses = futures::future::join_all(guesses).await;
    let refused: Vec<_> = statuses.iter().filter(|(status, _)| *status != 200).collect();
    assert!(refused.len() == 1 && refused[0].0 == 409, "{refused:?}");
    assert!(detail(&refused[0].1).contains("300 guesses, which is the most"), "{refused:?}");
    orders.stop().await;
}

#[tokio::test]
async fn a_restarted_order_service_shows_the_same_run_and_knows_who_has_guessed() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    ask(&orders, "a-1", &[]).await;
    let guesser = Uuid::new_v4();
    let (status, shown) = guess(&orders, "a-1", guesser, json!("7")).await;
    assert_eq!(status, 200, "{shown}");
    orders.stop().await;
    let orders = Orders::start(&kafka.config).await;
    assert_eq!(orders.get("/runs/a-1").await.1, shown);
    let mut events = orders.events("?from=earliest").await;
    let mut last = events.next_of("run").await.data;
    while last["questions"] != shown["questions"] {
        last = events.next_of("run").await.data;
    }
    assert_eq!(guess(&orders, "a-1", guesser, json!("8")).await.0, 409);
    assert_eq!(guess(&orders, "a-1", Uuid::new_v4(), json!("8")).await.0, 200);
    orders.stop().await;
}

#[tokio::test]
async fn a_run_that_is_asked_to_stop_learns_it_with_its_next_report() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    assert_eq!(start(&orders, "a-1", "a.yaml").await.0, 201);
    assert_eq!(start_alongside(&orders, "beside").await.0, 201);
    let (status, run) = post(&orders, "/runs/a-1/stop").await;
    assert_eq!((status, &run["stopRequested"], &run["state"]), (202, &json!(true), &json!("running")));
    let (status, run) = report(&orders, "a-1", json!({"type": "renewed"})).await;
    assert_eq!((status, &run["stopRequested"]), (StatusCode::OK, &json!(true)), "{run}");
    assert_eq!(orders.get("/runs/beside").await.1["stopRequested"], json!(false));
    assert_eq!(post(&orders, "/runs/beside/stop").await.0, 202);
    end(&orders, "a-1").await;
    let (status, problem) = post(&orders, "/runs/a-1/stop").await;
    assert_eq!((status, &problem["run"]["state"]), (410, &json!("ended")), "{problem}");
    assert_eq!(post(&orders, "/runs/nobody/stop").await.0, 404);
    orders.stop().await;
}

#[tokio::test]
async fn a_run_that_ends_takes_no_guess_any_more() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    ask(&orders, "a-1", &[]).await;
    let (_, run) = report(&orders, "a-1", json!({"type": "ended", "verdict": "interrupted"})).await;
    assert_eq!(run["questions"][0]["open"], json!(false), "{run}");
    orders.stop().await;
}

#[tokio::test]
async fn a_foreign_page_and_a_read_only_dojo_can_guess_at_most() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    ask(&orders, "a-1", &[]).await;
    for path in ["/runs/a-1/stop", "/runs/a-1/questions/1/close", "/runs/a-1/questions/1/guesses"] {
        let request =
            orders.request(Method::POST, path).header("origin", "http://evil.test").json(&json!({}));
        assert_eq!(request.send().await.unwrap().status(), 403, "{path}");
    }
    orders.stop().await;
    let page = PageConfig { read_only: "scenarios".parse().unwrap(), ..PageConfig::default() };
    let orders = Orders::start_with(&kafka.config, page).await;
    orders.until_ready().await;
    for path in ["/runs/a-1/stop", "/runs/a-1/questions/1/close", "/scenarios/fraud-spam/play"] {
        let (status, problem) = post(&orders, path).await;
        assert!(status == 403 && detail(&problem).starts_with("`scenarios` can't be changed"), "{problem}");
    }
    assert_eq!(guess(&orders, "a-1", Uuid::new_v4(), json!("7")).await.0, 200);
    orders.stop().await;
}
