//! Changes to orders: an audit record goes to `audit`; once Kafka has acknowledged it, the change goes to `orders`; and once
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
//! A change runs in its own task: a client that goes away doesn't leave it half done.

use crate::{
    log::stable_offsets::StableOffsets,
    read_models::{
        ReadModels,
        order_list::{Creation, Fingerprint},
    },
    write::{
        ANSWER_WITHIN, VISIBLE_WITHIN, WriteError, order_body,
        order_locks::{OrderLock, OrderLocks},
        read_to_the_logs_end, refuse_unless_ready,
    },
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

/// The client library gives up a record that isn't acknowledged within this time, so that it doesn't arrive long after its
/// client was told that the outcome is unknown; below [`ANSWER_WITHIN`].
pub(crate) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(4);

/// Order ids that follow from an `Idempotency-Key` are name-based (RFC 9562, version 5) in this namespace.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b61_666b_6120_4f72_8465_7220_646f_6a6f);

/// Writes changes to orders. Cheap to clone.
#[derive(Clone)]
pub(crate) struct OrderWriter {
    producer: Producer,
    models: Arc<ReadModels>,
    offsets: Arc<StableOffsets>,
    instance_id: String,
    locks: OrderLocks,
    places: Arc<Semaphore>,
    running: TaskTracker,
}

impl OrderWriter {
    /// Makes up to `most` changes at a time, those included whose clients have gone away.
    pub(crate) fn new(
        producer: Producer,
        models: Arc<ReadModels>,
        offsets: Arc<StableOffsets>,
        instance_id: String,
        most: usize,
    ) -> Self {
        let (locks, places) = (OrderLocks::default(), Arc::new(Semaphore::new(most)));
        Self { producer, models, offsets, instance_id, locks, places, running: TaskTracker::new() }
    }

    /// Creates the order that `body` asks for. With an `Idempotency-Key` a repeated request creates nothing, and gets the same
    /// order.
    pub(crate) async fn create(&self, body: &Value, key: Option<String>) -> Result<Order, WriteError> {
        let asked = order_body::new_order(body)?;
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
    pub(crate) async fn change(&self, id: Uuid, body: Value) -> Result<Order, WriteError> {
        let this = self.clone();
        let deadline = Instant::now() + ANSWER_WITHIN;
        self.run(deadline, async move {
            let _lock = this.lock(id, deadline).await?;
            let changed = order_body::changed(&body, &*this.current(id)?)?;
            this.publish(OrderAction::Updated, changed, Utc::now(), deadline).await
        })
        .await
    }

    /// Deletes the order.
    pub(crate) async fn delete(&self, id: Uuid) -> Result<(), WriteError> {
        let this = self.clone();
        let deadline = Instant::now() + ANSWER_WITHIN;
        self.run(deadline, async move {
            let _lock = this.lock(id, deadline).await?;
            let order = Order::clone(&*this.current(id)?);
            this.publish(OrderAction::Deleted, order, Utc::now(), deadline).await.map(drop)
        })
        .await
    }

    /// Waits for changes whose clients have gone away; at the end of the service.
    pub(crate) async fn drain(&self) {
        self.running.close();
        if timeout(ANSWER_WITHIN, self.running.wait()).await.is_err() {
            tracing::warn!(left = self.running.len(), "changes were still under way at the end");
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        change: impl Future<Output = Result<T, WriteError>> + Send + 'static,
    ) -> Result<T, WriteError> {
        self.refuse_unless_ready()?;
        let place = self.place()?;
        let change = async move {
            let _place = place;
            change.await
        };
        match timeout_at(deadline, self.running.spawn(change)).await {
            Ok(Ok(result)) => result,
            Ok(Err(panicked)) => Err(WriteError::Defect(panicked.to_string())),
            Err(_) => Err(WriteError::OutcomeUnknown("not done within 5 s".to_owned())),
        }
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, WriteError> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| WriteError::Busy)
    }

    /// Waits for earlier changes to this order. By then Kafka may be away, or the client may have been told that the outcome
    /// is unknown; then nothing is sent.
    async fn lock(&self, id: Uuid, deadline: Instant) -> Result<OrderLock, WriteError> {
        let lock = self.locks.lock(id).await;
        self.refuse_unless_wanted(deadline)?;
        Ok(lock)
    }

    fn refuse_unless_wanted(&self, deadline: Instant) -> Result<(), WriteError> {
        if Instant::now() >= deadline {
            return Err(WriteError::TooLate);
        }
        self.refuse_unless_ready()
    }

    fn refuse_unless_ready(&self) -> Result<(), WriteError> {
        refuse_unless_ready(&self.producer, &self.models)
    }

    fn current(&self, id: Uuid) -> Result<Arc<Order>, WriteError> {
        Ok(self.models.orders().get(id)?)
    }

    async fn publish_new(&self, asked: NewOrder, id: Uuid, deadline: Instant) -> Result<Order, WriteError> {
        let now = Utc::now();
        self.publish(OrderAction::Created, asked.into_order(id, now), now, deadline).await
    }

    async fn create_once(&self, asked: NewOrder, id: Uuid, deadline: Instant) -> Result<Order, WriteError> {
        let _lock = self.lock(id, deadline).await?;
        if self.creation(id).is_none() {
            // The first request may have ended without an answer, or at another replica: read everything there is.
            let read = read_to_the_logs_end(&self.offsets, &self.models).await;
            // Without that the fate of an earlier request with the same key isn't known.
            read.map_err(WriteError::OutcomeUnknown)?;
        }
        let Some(creation) = self.creation(id) else {
            self.refuse_unless_wanted(deadline)?;
            return self.publish_new(asked, id, deadline).await;
        };
        if creation.asked.is_some_and(|first| first != Fingerprint::of(&asked)) {
            return Err(WriteError::KeyReused);
        }
        // The answer to the first request: the order as it was created.
        Ok(asked.into_order(id, creation.created_at))
    }

    fn creation(&self, id: Uuid) -> Option<Creation> {
        self.models.orders().creation(id)
    }

    async fn publish(
        &self,
        action: OrderAction,
        order: Order,
        at: DateTime<Utc>,
        deadline: Instant,
    ) -> Result<Order, WriteError> {
        let timestamp = time::to_millis(at);
        let key = order.id.to_string();
        let audit = AuditEvent {
            instance_id: Some(self.instance_id.clone()),
            customer_name: Some(order.customer_name.clone()),
            ..AuditEvent::new(Source::OrderService, action.into(), order.id, timestamp)
        };
        let event = OrderEvent { action, order, timestamp };
        let defect = |error: Error| WriteError::Defect(error.to_string());
        let record = Outgoing::json(topic::ORDERS, key.as_str(), &event, timestamp).map_err(defect)?;
        let audit = Outgoing::json(topic::AUDIT, key, &audit, timestamp).map_err(defect)?;
        self.producer.send(audit).await.map_err(WriteError::NotSent)?;
        // The client may have its answer by now, or Kafka may have gone away.
        self.refuse_unless_wanted(deadline)?;
        let delivered = self.producer.send(record).await.map_err(|error| {
            if error.is_outcome_unknown() {
                return WriteError::OutcomeUnknown(error.to_string());
            }
            WriteError::NotSent(error)
        })?;
        let order = event.order;
        let applied = self.models.applied_orders.wait(delivered.partition, delivered.offset);
        let not_visible = |_| WriteError::NotVisibleYet { id: order.id, action };
        timeout(VISIBLE_WITHIN, applied).await.map_err(not_visible)?;
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dojo_kafka::KafkaConfig;

    const MOST: usize = 3;

    /// The writer of a service whose Kafka is not there.
    fn writer() -> OrderWriter {
        let kafka = KafkaConfig::new("127.0.0.1:1");
        let producer = Producer::new(&kafka, "test", MESSAGE_TIMEOUT).unwrap();
        let offsets = Arc::new(StableOffsets::new(&kafka, producer.clone(), "test").unwrap());
        OrderWriter::new(producer, Arc::default(), offsets, "test".to_owned(), MOST)
    }

    #[tokio::test]
    async fn changes_under_way_are_bounded_in_number() {
        let writer = writer();
        let under_way: Vec<_> = (0..MOST).map(|_| writer.place().unwrap()).collect();
        assert!(matches!(writer.place(), Err(WriteError::Busy)));
        drop(under_way);
        assert!(writer.place().is_ok());
    }

    #[tokio::test]
    async fn a_change_whose_turn_comes_too_late_is_not_made() {
        let late = writer().lock(Uuid::nil(), Instant::now()).await;
        assert!(matches!(late, Err(WriteError::TooLate)), "{late:?}");
    }

    #[tokio::test]
    async fn a_change_is_not_made_before_the_orders_were_read() {
        let writer = writer();
        let body = serde_json::json!({"customerName": "Ada", "item": "Pizza", "quantity": 1, "price": 1});
        let unready = writer.create(&body, None).await;
        assert!(matches!(unready, Err(WriteError::NotReady(_))), "{unready:?}");
    }

    #[tokio::test]
    async fn a_wrong_body_is_refused_with_its_fields_also_while_kafka_is_away() {
        let refused = writer().create(&serde_json::json!({}), None).await;
        assert!(matches!(&refused, Err(WriteError::Invalid(errors)) if errors.len() == 4), "{refused:?}");
    }
}
