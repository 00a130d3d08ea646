//! Scenario runs on a whole dojo, whose order service is killed meanwhile.

use crate::process::{Dojo, Start};
use dojo_testbed::{eventually, until};
use reqwest::Method;
use serde_json::{Value, json};

/// Sends a request, for a run if there is one. Returns its status and what it answered.
async fn send(dojo: &Dojo, method: Method, path: &str, run: Option<&str>, body: &Value) -> (u16, Value) {
    let mut request = dojo.http.request(method, format!("{}{path}", dojo.url));
    if !body.is_null() {
        request = request.json(body);
    }
    if let Some(run) = run {
        request = request.header("Dojo-Run", run);
    }
    match request.send().await {
        Ok(answer) => {
            let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap_or_default());
            (status, serde_json::from_str(&text).unwrap_or_default())
        }
        Err(error) => (0, error.to_string().into()),
    }
}

async fn start(dojo: &Dojo, id: &str) {
    let body = json!({"runId": id, "scenario": format!("{id}.yaml")});
    let (status, answer) = send(dojo, Method::POST, "/runs", None, &body).await;
    assert_eq!(status, 201, "{answer}");
}

/// Fails every delivery and stops an instance.
async fn disturb(dojo: &Dojo, run: &str) {
    let (status, answer) = send(dojo, Method::PATCH, "/settings", Some(run), &json!({"failRate": 1})).await;
    assert!((200..300).contains(&status), "{answer}");
    let stop = "/instances/notification-2/stop";
    let (status, answer) = send(dojo, Method::POST, stop, Some(run), &Value::Null).await;
    assert!((200..300).contains(&status), "{answer}");
}

async fn is_undisturbed(dojo: &Dojo) -> Result<(), String> {
    let settings = dojo.ask("/settings").await?;
    let instance = dojo.ask("/instances/notification-2").await?;
    match settings["failRate"]["source"] == "environment" && instance["live"] == true {
        true => Ok(()),
        false => Err(format!("{settings} {instance}")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_when_the_order_service_is_killed_and_its_changes_are_put_back_at_its_end() {
    let dojo = Start::new().ready().await;
    start(&dojo, "a-1").await;
    disturb(&dojo, "a-1").await;
    dojo.kill_and_wait("order-1").await;
    // As a runner does, which reports until the service is back.
    let events = "/runs/a-1/events";
    let renewed = json!({"type": "renewed"});
    until("the lease goes on", async || send(&dojo, Method::POST, events, None, &renewed).await.0 == 200)
        .await;
    let other = json!({"runId": "b-1", "scenario": "b.yaml"});
    assert_eq!(send(&dojo, Method::POST, "/runs", None, &other).await.0, 409);
    let ended = json!({"type": "ended", "verdict": "met"});
    let run = eventually("the end of the run", async || {
        match send(&dojo, Method::POST, events, None, &ended).await {
            (200, run) => Ok(run),
            refused => Err(refused),
        }
    })
    .await;
    let undone = ["notification-2 is asked to work again", "`failRate` is 0 again, the environment's value"];
    assert_eq!(run["undone"], json!(undone));
    eventually("the dojo to be as before", async || is_undisturbed(&dojo).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_runner_and_the_order_service_are_killed_the_next_order_service_puts_the_changes_back() {
    let dojo = Start::new().ready().await;
    let events = dojo.events().await;
    start(&dojo, "a-1").await;
    disturb(&dojo, "a-1").await;
    dojo.kill_and_wait("order-1").await;
    eventually("the dojo to be as before", async || is_undisturbed(&dojo).await).await;
    eventually("the run to be abandoned", async || match dojo.ask("/runs/a-1").await? {
        run if run["state"] == "abandoned" && run["undone"].as_array().is_some_and(|u| u.len() == 2) => {
            Ok(())
        }
        run => Err(run.to_string()),
    })
    .await;
    // An open page sees it, too.
    eventually("the stream to say so", async || {
        let runs = events.of_type("run");
        if runs.iter().any(|run| run["state"] == "abandoned") { Ok(()) } else { Err(runs) }
    })
    .await;
}
