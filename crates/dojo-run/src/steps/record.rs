//! The steps `produce` and `redrive`.

use super::Stage;
use crate::{RunError, client::Request};
use dojo_contract::{OrderEvent, header, topic};
use dojo_scenario::{
    Placeholders, Planned,
    document::{Produce, RecordValue, Redrive},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Most dead letters that one request sends back.
const REDRIVEN_AT_ONCE: usize = 1_000;

/// Where a record that was written by hand stands.
#[derive(Deserialize)]
struct Written {
    topic: String,
    partition: i32,
    offset: i64,
}

/// What became of the dead letters of a redrive.
#[derive(Deserialize)]
struct Redriven {
    redriven: Vec<RedrivenLetter>,
    refused: Vec<RefusedLetter>,
    left: usize,
}

#[derive(Deserialize)]
struct RedrivenLetter {
    to: RedrivenTo,
}

/// Where the record of a redriven dead letter stands on `orders`.
#[derive(Deserialize)]
struct RedrivenTo {
    partition: i32,
    offset: i64,
}

#[derive(Deserialize)]
struct RefusedLetter {
    offset: i64,
    reason: String,
}

impl Stage<'_> {
    pub(super) async fn produce(
        &mut self,
        planned: &Planned<'_>,
        produce: &Produce,
        of: Placeholders<'_>,
    ) -> Result<String, RunError> {
        let count = produce.count.unwrap_or(1);
        let wanted = produce.answers.unwrap_or(201);
        for number in 1..=count {
            let of = Placeholders { number, ..of };
            let body = record(produce, of);
            let request = Request::to("POST /topics/{topic}/records")
                .at(format!("/topics/{}/records", produce.topic))
                .json(body.clone());
            let answer = self.unless_stopped(self.client.ask(&request)).await??;
            if answer.status != wanted {
                let error = answer.refusal();
                if produce.answers.is_none() {
                    return Err(error);
                }
                return Ok(self.answered_otherwise(planned, wanted, error).await);
            }
            self.claim_produced(&answer.json()?, &body);
        }
        Ok(format!("{count} on {}", produce.topic))
    }

    /// A record on `orders` that was written by hand is this run's own, and so is the order that it is about, unless the
    /// services can't read it.
    fn claim_produced(&self, written: &Written, body: &Value) {
        if written.topic != topic::ORDERS {
            return;
        }
        let text = body.get("value").and_then(Value::as_str);
        let order = OrderEvent::read(text.map(str::as_bytes)).ok().map(|event| event.order);
        let now = Instant::now().into_std();
        self.watched.send_modify(|watched| {
            if let Some(order) = &order {
                watched.observer.claim(order.id, &order.customer_name, now);
            }
            watched.observer.await_record(written.partition, written.offset);
        });
    }

    pub(super) async fn redrive(&mut self, redrive: &Redrive) -> Result<String, RunError> {
        let (mut sent, mut refused) = (0, Vec::new());
        let requests: Vec<Value> = match redrive {
            Redrive::All => vec![json!({"all": true})],
            Redrive::Own => {
                let offsets = self.watched.borrow().observer.dead_letter_offsets();
                offsets.chunks(REDRIVEN_AT_ONCE).map(|offsets| json!({"offsets": offsets})).collect()
            }
        };
        for body in requests {
            loop {
                let request = Request::to("POST /dlq/redrive").json(body.clone());
                let answer = self.unless_stopped(self.client.ask_patiently(&request)).await??;
                let answer: Redriven = answer.with(&[200])?.json()?;
                sent += answer.redriven.len();
                self.watched.send_modify(|watched| {
                    for RedrivenLetter { to } in &answer.redriven {
                        watched.observer.await_record(to.partition, to.offset);
                    }
                });
                refused.extend(answer.refused);
                if answer.left == 0 || answer.redriven.is_empty() {
                    break;
                }
            }
        }
        match refused.first() {
            None => Ok(format!("{sent} sent back")),
            Some(RefusedLetter { offset, reason }) => Ok(format!(
                "{sent} sent back, {} refused, such as the one at offset {offset}: {reason}",
                refused.len()
            )),
        }
    }
}

/// Returns the body of `POST /topics/{topic}/records`. The record says in a header to which run it belongs.
fn record(produce: &Produce, of: Placeholders<'_>) -> Value {
    let mut headers = vec![json!({"name": header::RUN, "value": of.run})];
    for (name, value) in produce.headers.iter().flat_map(|headers| &headers.0) {
        headers.push(json!({"name": name, "value": value.fill(of)}));
    }
    let value = match (&produce.value, produce.size) {
        (_, Some(size)) => Value::String("x".repeat(usize::try_from(size.0).unwrap_or(usize::MAX))),
        (Some(RecordValue::Text(text)), None) => Value::String(text.fill(of)),
        (Some(RecordValue::Json(json)), None) => {
            Value::String(dojo_scenario::Text::new(json.to_string()).fill(of))
        }
        (None, None) => Value::Null,
    };
    let mut body = json!({"headers": headers, "value": value});
    if let Some(key) = &produce.key {
        body["key"] = Value::String(key.fill(of));
    }
    if let Some(partition) = produce.partition {
        body["partition"] = json!(partition);
    }
    body
}
