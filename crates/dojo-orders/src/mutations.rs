//! Changing orders: an audit record goes to `audit`; once Kafka has acknowledged it, the change goes to `orders`; and once
//! this service's own list shows the change, the client gets its answer.
//!
//! The order of the two writes is that of a write-ahead log. A change on `orders` always has its audit record, and that
//! record stands before everything that other services say about the change. The reverse isn't promised: a crash or an
//! outage between the two writes leaves an audit record whose change never came, and a client that repeats its request
//! after that adds a second audit record.
//!
//! An answer says what is known. Kafka is away, or the audit record wasn't acknowledged: nothing was changed. The
//! change itself wasn't acknowledged: the outcome is unknown, and the list shows it later. A change that waited too long
//! behind others of the same order isn't made.
//!
//! A mutation runs in its own task: a client that goes away doesn't leave it half done.

use crate::{
    locks::{OrderLock, OrderLocks},
    marks::Marks,
    model::Model,
    problem::Problem,
    projection::{Creation, Fingerprint},
    request,
    server::CONNECTIONS,
};
use chrono::{DateTime, Utc};
use dojo_contract::{AuditEvent, NewOrder, Order, OrderAction, OrderEvent, Source, time, topic};
use dojo_kafka::{Error, Outgoing, Producer};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// A record that is not acknowledged for so long is given up by the client library, so that it does not arrive long
/// after its client was told that the outcome is unknown.
pub(crate) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(4);
/// A client gets an answer within this, whatever happens; above [`MESSAGE_TIMEOUT`].
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The list sees what was acknowledged within milliseconds, while Kafka is there.
const SEEN_WITHIN: Duration = Duration::from_secs(2);

/// Changes at a time: those of every connection, and as many that a client has left behind.
const AT_A_TIME: usize = 2 * CONNECTIONS;

/// Order ids that follow from an `Idempotency-Key` are name-based (RFC 9562, version 5) in this namespace.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b61_666b_6120_4f72_8465_7220_646f_6a6f);

/// Makes changes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Mutations {
    pub(crate) producer: Producer,
    pub(crate) model: Arc<Model>,
    marks: Arc<Marks>,
    pub(crate) instance_id: String,
    locks: OrderLocks,
    places: Arc<Semaphore>,
    running: TaskTracker,
}

impl Mutations {
    pub(crate) fn new(producer: Producer, model: Arc<Model>, marks: Arc<Marks>, instance_id: String) -> Self {
        let (locks, places) = (OrderLocks::default(), Arc::new(Semaphore::new(AT_A_TIME)));
        Self { producer, model, marks, instance_id, locks, places, running: TaskTracker::new() }
    }

    /// Creates the order that `asked` asks for; with an `Idempotency-Key`, the same order however often it is asked
    /// for.
    pub(crate) async fn create(&self, asked: NewOrder, key: Option<String>) -> Result<Order, Problem> {
        let this = self.clone();
        let deadline = Instant::now() + ANSWER_WITHIN;
        self.run(deadline, async move {
            match key {
                None => this.publish_new(asked, Uuid::now_v7(), deadline).await,
                Some(key) => {
                    this.create_once(asked, Uuid::new_v5(&NAMESPACE, key.as_bytes()), deadline).await
                }
            }
        })
        .await
    }

    /// Changes the order as `body` asks.
    pub(crate) async fn change(&self, id: Uuid, body: Value) -> Result<Order, Problem> {
        let this = self.clone();
        let deadline = Instant::now() + ANSWER_WITHIN;
        self.run(deadline, async move {
            let _lock = this.lock(id, deadline).await?;
            let changed = request::changed(&body, &*this.current(id)?).map_err(Problem::invalid)?;
            this.publish(OrderAction::Updated, changed, Utc::now(), deadline).await
        })
        .await
    }

    /// Deletes the order.
    pub(crate) async fn delete(&self, id: Uuid) -> Result<(), Problem> {
        let this = self.clone();
        let deadline = Instant::now() + ANSWER_WITHIN;
        self.run(deadline, async move {
            let _lock = this.lock(id, deadline).await?;
            let order = Order::clone(&*this.current(id)?);
            this.publish(OrderAction::Deleted, order, Utc::now(), deadline).await.map(drop)
        })
        .await
    }

    /// Waits for mutations that nobody waits for any more; at the end of the service.
    pub(crate) async fn drain(&self) {
        self.running.close();
        if timeout(ANSWER_WITHIN, self.running.wait()).await.is_err() {
            tracing::warn!(left = self.running.len(), "changes were still under way at the end");
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        mutation: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        self.refuse_unless_ready()?;
        let place = self.place()?;
        let mutation = async move {
            let _place = place;
            mutation.await
        };
        match timeout_at(deadline, self.running.spawn(mutation)).await {
            Ok(Ok(result)) => result,
            Ok(Err(panicked)) => Err(Problem::internal(panicked)),
            Err(_) => Err(outcome_unknown("not done within 5 s")),
        }
    }

    /// A place among the changes under way; those count that nobody waits for any more.
    fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map_err(|_| Problem::unavailable("nothing was changed: too many changes are under way"))
    }

    /// Waits for whoever changes this order. By then Kafka may be away, or the client have its answer that nothing is
    /// known; then nothing is sent.
    async fn lock(&self, id: Uuid, deadline: Instant) -> Result<OrderLock, Problem> {
        let lock = self.locks.lock(id).await;
        self.refuse_unless_wanted(deadline)?;
        Ok(lock)
    }

    fn refuse_unless_wanted(&self, deadline: Instant) -> Result<(), Problem> {
        if Instant::now() >= deadline {
            return Err(Problem::unavailable("nothing was changed: its turn did not come within 5 s"));
        }
        self.refuse_unless_ready()
    }

    fn refuse_unless_ready(&self) -> Result<(), Problem> {
        if self.producer.is_away() {
            let state = self.producer.connectivity().borrow().to_string();
            return Err(Problem::unavailable(format!("nothing was changed: {state}")));
        }
        if !self.model.is_caught_up() {
            return Err(Problem::unavailable(
                "nothing was changed: the orders are still being read from Kafka",
            ));
        }
        Ok(())
    }

    fn current(&self, id: Uuid) -> Result<Arc<Order>, Problem> {
        self.model.orders().get(id).ok_or_else(|| no_such_order(&id.to_string()))
    }

    async fn publish_new(&self, asked: NewOrder, id: Uuid, deadline: Instant) -> Result<Order, Problem> {
        let now = Utc::now();
        self.publish(OrderAction::Created, asked.into_order(id, now), now, deadline).await
    }

    async fn create_once(&self, asked: NewOrder, id: Uuid, deadline: Instant) -> Result<Order, Problem> {
        let _lock = self.lock(id, deadline).await?;
        if self.creation(id).is_none() {
            // The first request may have ended without an answer, or at another replica: see everything there is.
            self.see_the_logs_end().await?;
        }
        let Some(creation) = self.creation(id) else {
            self.refuse_unless_wanted(deadline)?;
            return self.publish_new(asked, id, deadline).await;
        };
        if creation.asked.is_some_and(|first| first != Fingerprint::of(&asked)) {
            let message = "was used before, with another body: send that again, or use another key";
            return Err(Problem::invalid_field("Idempotency-Key", message));
        }
        // What the first request was answered, or should have been: the order as it was created.
        Ok(asked.into_order(id, creation.created_at))
    }

    fn creation(&self, id: Uuid) -> Option<Creation> {
        self.model.orders().creation(id)
    }

    /// Waits until the list has seen what the log holds now, also behind a transaction that is still open.
    async fn see_the_logs_end(&self) -> Result<(), Problem> {
        let ends = self.marks.ends(topic::ORDERS).await.map_err(|e| not_known(&e))?;
        let all = futures::future::join_all(
            ends.into_iter().map(|(partition, end)| self.model.orders_read.wait(partition, end - 1)),
        );
        if timeout(SEEN_WITHIN, all).await.is_err() {
            tracing::debug!("the orders list did not come to the log's end in time");
        }
        Ok(())
    }

    async fn publish(
        &self,
        action: OrderAction,
        order: Order,
        at: DateTime<Utc>,
        deadline: Instant,
    ) -> Result<Order, Problem> {
        let timestamp = time::to_millis(at);
        let key = order.id.to_string();
        let audit = AuditEvent {
            instance_id: Some(self.instance_id.clone()),
            customer_name: Some(order.customer_name.clone()),
            ..AuditEvent::new(Source::OrderService, action.into(), order.id, timestamp)
        };
        let event = OrderEvent { action, order, timestamp };
        let record =
            Outgoing::json(topic::ORDERS, key.as_str(), &event, timestamp).map_err(Problem::internal)?;
        let audit = Outgoing::json(topic::AUDIT, key, &audit, timestamp).map_err(Problem::internal)?;
        self.producer.send(audit).await.map_err(|error| nothing_changed(&error))?;
        // The client may have its answer by now, or Kafka may have gone away.
        self.refuse_unless_wanted(deadline)?;
        let delivered = self.producer.send(record).await.map_err(|error| not_done(&error))?;
        let order = event.order;
        let seen = self.model.orders_read.wait(delivered.partition, delivered.offset);
        timeout(SEEN_WITHIN, seen).await.map_err(|_| {
            Problem::unavailable(format!(
                "the order {} is {}, but the orders list has not shown it yet: look again soon",
                order.id,
                action.name()
            ))
        })?;
        Ok(order)
    }
}

pub(crate) fn no_such_order(id: &str) -> Problem {
    Problem::not_found(format!("there is no order {id}"))
}

fn not_done(error: &Error) -> Problem {
    if error.is_outcome_unknown() {
        return outcome_unknown(&error.to_string());
    }
    nothing_changed(error)
}

fn nothing_changed(error: &Error) -> Problem {
    tracing::debug!(%error, "a change was not made");
    Problem::unavailable(format!("nothing was changed: {error}"))
}

/// The log could not be read, so nobody can say what became of an earlier request with the same key.
fn not_known(error: &Error) -> Problem {
    outcome_unknown(&error.to_string())
}

fn outcome_unknown(why: &str) -> Problem {
    Problem::unavailable(format!(
        "the outcome is unknown ({why}): GET /orders shows what the log holds. \
         A request with an Idempotency-Key can be repeated without being done twice"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Capacity;
    use dojo_kafka::KafkaConfig;

    /// Of a service whose Kafka is not there.
    fn mutations() -> Mutations {
        let kafka = KafkaConfig::new("127.0.0.1:1");
        let producer = Producer::new(&kafka, "test", MESSAGE_TIMEOUT).unwrap();
        let model = Arc::new(Model::new(Capacity::default()));
        let marks = Arc::new(Marks::new(&kafka, producer.clone(), "test").unwrap());
        Mutations::new(producer, model, marks, "test".to_owned())
    }

    #[tokio::test]
    async fn changes_under_way_are_bounded_in_number() {
        let mutations = mutations();
        let under_way: Vec<_> = (0..AT_A_TIME).map(|_| mutations.place().unwrap()).collect();
        let refused = mutations.place().unwrap_err();
        assert!(format!("{refused:?}").contains("too many changes"), "{refused:?}");
        drop(under_way);
        assert!(mutations.place().is_ok());
    }

    #[tokio::test]
    async fn a_change_whose_turn_comes_too_late_is_not_made() {
        let mutations = mutations();

        let late = mutations.lock(Uuid::nil(), Instant::now()).await.unwrap_err();
        assert!(format!("{late:?}").contains("nothing was changed: its turn"), "{late:?}");
        // In time, but there is no Kafka, and nothing has been read from it.
        let unready = mutations.lock(Uuid::nil(), Instant::now() + ANSWER_WITHIN).await.unwrap_err();
        assert!(format!("{unready:?}").contains("nothing was changed"), "{unready:?}");
    }
}
