//! A dead letter's whole way: it fails, goes back to `orders`, and ends there, as every service sees it.

use crate::process::{Dojo, Start};
use dojo_testbed::eventually;
use serde_json::{Value, json};

async fn redrive_all(dojo: &Dojo) -> Value {
    let request = dojo.http.post(format!("{}/dlq/redrive", dojo.url)).json(&json!({"all": true}));
    let answer = request.send().await.unwrap();
    let (status, body) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// The dead letters, oldest first, once there are so many.
async fn dead_letters(dojo: &Dojo, count: usize) -> Vec<Value> {
    eventually("the dead letters", async || {
        let page = dojo.ask("/dlq").await?;
        let letters = page.as_array().ok_or_else(|| page.to_string())?;
        if letters.len() == count {
            Ok(letters.iter().rev().cloned().collect())
        } else {
            Err(page.to_string())
        }
    })
    .await
}

async fn outcome(dojo: &Dojo, letter: usize, outcome: &str) {
    eventually("the outcome on /dlq", async || {
        let page = dojo.ask("/dlq").await?;
        let mut letters = page.as_array().into_iter().flatten().rev();
        let is_told = letters.nth(letter).is_some_and(|letter| letter["redrives"][0]["outcome"] == outcome);
        if is_told { Ok(()) } else { Err(page.to_string()) }
    })
    .await;
}

/// Waits until fraud detection has read the record at that place of `orders`.
async fn fraud_has_passed(dojo: &Dojo, place: &Value) {
    eventually("fraud detection to read the redriven record", async || {
        let instances = dojo.ask("/instances").await?;
        let mut instances = instances.as_array().into_iter().flatten();
        let fraud = instances.find(|instance| instance["service"] == "fraud").ok_or("no fraud detection")?;
        let mut partitions = fraud["partitions"].as_array().into_iter().flatten();
        let has_passed = partitions.any(|partition| {
            partition["partition"] == place["partition"]
                && partition["position"].as_i64() > place["offset"].as_i64()
        });
        if has_passed { Ok(()) } else { Err(fraud.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_redriven_order_is_delivered_and_counts_neither_in_a_window_nor_in_the_list() {
    let dojo = Start::new().ready().await;
    let events = dojo.events().await;
    dojo.patch_settings(&json!({"failRate": 1})).await;
    let order = dojo.placed("Ada", "1").await;
    let orders = [order.clone()].into();
    events.all_have(&orders, &["DLQ"]).await;
    events.all_have(&orders, &["FRAUD_CHECK_PASSED"]).await;
    let [letter] = &dead_letters(&dojo, 1).await[..] else { panic!("not one dead letter") };
    assert_eq!(letter["redrives"], json!([]));
    let listed = dojo.get("/orders").await;

    dojo.patch_settings(&json!({"failRate": 0})).await;
    let answer = redrive_all(&dojo).await;
    assert_eq!((answer["redriven"].as_array().unwrap().len(), &answer["left"]), (1, &json!(0)), "{answer}");
    events.all_have(&orders, &["NOTIFIED"]).await;
    outcome(&dojo, 0, "NOTIFIED").await;
    assert_eq!(dojo.get("/orders").await, listed);

    fraud_has_passed(&dojo, &answer["redriven"][0]["to"]).await;
    let later = dojo.placed("Ada", "1").await;
    events.all_have(&[later.clone()].into(), &["FRAUD_CHECK_PASSED"]).await;
    let audit = events.audit();
    let verdicts = |id: &str| {
        let of = audit.iter().filter(|e| e["orderId"] == id && e["source"] == "fraud-service");
        of.map(|e| e["windowStats"]["customerOrdersInWindow"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((verdicts(&order), verdicts(&later)), (vec![json!(1)], vec![json!(2)]));
    let story: Vec<_> = audit.iter().filter(|e| e["orderId"] == order.as_str()).collect();
    let delivery = story.iter().filter(|e| e["source"] != "fraud-service").map(|e| e["action"].clone());
    let delivery: Vec<_> = delivery.collect();
    assert_eq!(delivery, ["created", "RETRY", "RETRY", "DLQ", "REDRIVEN", "NOTIFIED"]);
}

#[tokio::test]
async fn an_order_that_fails_on_and_on_comes_back_three_times() {
    let dojo = Start::new().ready().await;
    dojo.patch_settings(&json!({"failRate": 1, "maxRetries": 1})).await;
    dojo.placed("Ada", "1").await;
    for redrive in 0..3 {
        let letters = dead_letters(&dojo, redrive + 1).await;
        let headers = &letters[redrive]["record"]["headers"];
        let before = if redrive == 0 { Value::Null } else { json!(redrive.to_string()) };
        assert_eq!((&headers["redriveCount"], &headers["retryCount"]), (&before, &json!("1")));
        let answer = redrive_all(&dojo).await;
        assert_eq!(answer["redriven"].as_array().unwrap().len(), 1, "{answer}");
        outcome(&dojo, redrive, "DLQ").await;
    }
    let letters = dead_letters(&dojo, 4).await;
    assert_eq!(letters[2]["redrives"][0]["redriveCount"], 3);
    let answer = redrive_all(&dojo).await;
    let reason = answer["refused"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("redriven 3 times already"), "{answer}");
    assert_eq!(answer["redriven"], json!([]));
}
