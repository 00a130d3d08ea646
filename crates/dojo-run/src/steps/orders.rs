//! The steps `order`, `update`, `delete` and `flood`.

use super::Stage;
use crate::{
    RunError,
    client::{Answer, Request},
    events::Watched,
    load::{self, POST_ORDERS},
    progress::{Progress, State},
};
use dojo_contract::Order;
use dojo_scenario::{
    Placeholders, Planned,
    document::{Delete, Flood, Label, Order as OrderStep, OrderTemplate, Update},
    draw::Seed,
    observe::RequestKind,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};
use uuid::Uuid;

const CREATED: u16 = 201;

impl Stage<'_> {
    pub(super) async fn order(
        &mut self,
        planned: &Planned<'_>,
        order: &OrderStep,
        of: Placeholders<'_>,
    ) -> Result<String, RunError> {
        let draws = self.seed.generator(planned.number as u64, 1);
        let drawn = order.template.draw(draws, of);
        // With a key, the request can be repeated while the order service restarts, and still places one order.
        let key = format!("{}-{}", self.run, planned.number);
        let body = serde_json::to_value(&drawn).map_err(|e| RunError::Crashed(e.to_string()))?;
        let request = Request::to(POST_ORDERS).json(body).header("idempotency-key", key);
        let start = Instant::now();
        let answer = self.unless_stopped(self.client.ask_patiently(&request)).await??;
        self.answered(RequestKind::Post, planned, &answer, start.elapsed());
        let placed = (answer.status == CREATED).then(|| answer.json::<Order>()).transpose()?;
        if let Some(placed) = &placed {
            claim(self.watched, placed);
            if let Some(label) = &order.label {
                self.labels.insert(label.clone(), placed.id);
            }
        }
        self.check(planned, answer, order.answers, &[CREATED], start.elapsed()).await
    }

    pub(super) async fn update(
        &mut self,
        planned: &Planned<'_>,
        update: &Update,
        of: Placeholders<'_>,
    ) -> Result<String, RunError> {
        let mut body = Map::new();
        let texts = [
            ("customerName", update.customer_name.as_ref().map(|text| text.fill(of))),
            ("item", update.item.as_ref().map(|text| text.fill(of))),
            ("status", update.status.clone()),
        ];
        for (key, text) in texts {
            body.extend(text.map(|text| (key.to_owned(), Value::String(text))));
        }
        body.extend(update.quantity.map(|quantity| ("quantity".to_owned(), json!(quantity))));
        if let Some(price) = update.price {
            // A decimal as a JSON number, with all its digits.
            let price = price.to_string().parse().map(Value::Number);
            body.insert("price".to_owned(), price.map_err(|e| RunError::Crashed(e.to_string()))?);
        }
        let id = self.labelled(&update.order, planned)?;
        let request = Request::to("PUT /orders/{id}").at(format!("/orders/{id}")).json(Value::Object(body));
        let start = Instant::now();
        let answer = self.unless_stopped(self.client.ask_patiently(&request)).await??;
        self.answered(RequestKind::Put, planned, &answer, start.elapsed());
        self.changed(id, &answer);
        self.check(planned, answer, update.answers, &[200], start.elapsed()).await
    }

    pub(super) async fn delete(
        &mut self,
        planned: &Planned<'_>,
        delete: &Delete,
    ) -> Result<String, RunError> {
        let id = self.labelled(&delete.order, planned)?;
        let request = Request::to("DELETE /orders/{id}").at(format!("/orders/{id}"));
        let start = Instant::now();
        let answer = self.unless_stopped(self.client.ask_patiently(&request)).await??;
        self.answered(RequestKind::Delete, planned, &answer, start.elapsed());
        self.changed(id, &answer);
        self.check(planned, answer, delete.answers, &[204], start.elapsed()).await
    }

    pub(super) async fn flood(
        &mut self,
        planned: &Planned<'_>,
        flood: &Flood,
        of: Placeholders<'_>,
    ) -> Result<String, RunError> {
        let schedule = flood.schedule().map_err(RunError::Schedule)?;
        let figures = load::Figures::new(&schedule).map_err(|e| RunError::Crashed(e.to_string()))?;
        let sender = FloodSender {
            client: load::OrderClient::new(self.client.target()).await?,
            watched: self.watched.clone(),
            step: planned.step.name.as_ref().map(|name| name.fill(of)),
            template: flood.order.clone(),
            run: self.run.to_owned(),
            repetition: of.repetition,
            seed: self.seed,
            number: planned.number as u64,
        };
        let sender = Arc::new(sender);
        let place = move |number, due| Arc::clone(&sender).place(number, due);
        let (watched, tell, stop) = (self.watched, self.tell, self.stop);
        let number = planned.number + 1;
        // Kept from the beginning, so that the figures are there however the flood ends.
        self.floods.push((number, figures.clone()));
        let report = |moment: &load::FloodProgress| tell.moved(number, State::Flood(*moment));
        watched.send_modify(|watched| watched.floods += 1);
        let sending = async {
            let went = load::send(schedule, place, report, figures, stop).await;
            watched.send_modify(|watched| watched.floods -= 1);
            went
        };
        // An error of either ends both.
        let meanwhile = Box::pin(self.play_steps(&planned.meanwhile));
        let (went, ()) = futures::future::try_join(sending, meanwhile).await?;
        let result = went.to_string();
        self.tell.tell(Progress::Measured { number, report: Box::new(went) }).await;
        Ok(result)
    }

    /// Returns the order that a step gave this name.
    fn labelled(&self, label: &Label, planned: &Planned<'_>) -> Result<Uuid, RunError> {
        let place = || planned.step.place.clone();
        self.labels
            .get(label)
            .copied()
            .ok_or_else(|| RunError::NoSuchOrder { label: label.to_string(), place: place() })
    }

    /// Notes that an own order was changed, so that the events about that are waited for, too.
    fn changed(&self, id: Uuid, answer: &Answer) {
        if matches!(answer.status, 200 | 204) {
            let now = Instant::now().into_std();
            self.watched.send_modify(|watched| watched.observer.changed(id, now));
        }
    }

    /// Notes an answer for expectations of `http`.
    fn answered(&self, request: RequestKind, planned: &Planned<'_>, answer: &Answer, took: Duration) {
        let of = Placeholders { run: self.run, number: 1, repetition: planned.repetition };
        let step = planned.step.name.as_ref().map(|name| name.fill(of));
        self.watched.send_modify(|watched| {
            watched.observer.answered(request, step.as_deref(), answer.status, took);
        });
    }

    /// Compares a status with the one that the step names, or with those of success.
    async fn check(
        &mut self,
        planned: &Planned<'_>,
        answer: Answer,
        named: Option<u16>,
        success: &[u16],
        took: Duration,
    ) -> Result<String, RunError> {
        let said = format!("answered with {} after {took:.1?}", answer.status);
        match named {
            None => answer.with(success).map(|_| said),
            Some(named) if named == answer.status => Ok(said),
            Some(named) => Ok(self.answered_otherwise(planned, named, answer.refusal()).await),
        }
    }
}

/// Draws and places the orders of a flood, on the flood's own thread.
struct FloodSender {
    client: load::OrderClient,
    watched: watch::Sender<Watched>,
    /// The name of the step.
    step: Option<String>,
    template: OrderTemplate,
    run: String,
    repetition: u64,
    seed: Seed,
    /// The number of the step.
    number: u64,
}

/// The part of an accepted order that is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    id: Uuid,
    customer_name: String,
}

impl FloodSender {
    /// Places one order and claims it as this run's own.
    async fn place(self: Arc<Self>, number: u64, due: Instant) -> Result<(), RunError> {
        let of = Placeholders { run: &self.run, number, repetition: self.repetition };
        let order = self.template.draw(self.seed.generator(self.number, number), of);
        let body = serde_json::to_vec(&order).map_err(|e| RunError::Crashed(e.to_string()))?;
        let answer = self.client.place(body).await?;
        let accepted = (answer.status == CREATED).then(|| answer.json::<Accepted>()).transpose()?;
        let now = Instant::now();
        self.watched.send_modify(|Watched { observer, .. }| {
            observer.answered(RequestKind::Post, self.step.as_deref(), answer.status, now - due);
            if let Some(Accepted { id, customer_name }) = &accepted {
                observer.claim(*id, customer_name, now.into_std());
            }
        });
        if accepted.is_some() { Ok(()) } else { Err(answer.refusal()) }
    }
}

fn claim(watched: &watch::Sender<Watched>, order: &Order) {
    let now = Instant::now().into_std();
    watched.send_modify(|watched| watched.observer.claim(order.id, &order.customer_name, now));
}
