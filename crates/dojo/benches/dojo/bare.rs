//! What the services are measured against: the same work on Kafka with nothing around it.

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use dojo_contract::{
    AuditAction, AuditEvent, NewOrder, Order, OrderAction, OrderEvent, Service, Source, topic,
};
use dojo_kafka::{
    ConsumerOptions, Error, Handler, Instance, KafkaConfig, Outbox, Outgoing, Position, Producer, Progress,
    Record, consume,
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

fn producer(brokers: &str) -> Producer {
    Producer::new(&KafkaConfig::new(brokers), "bare", Duration::from_secs(5)).unwrap()
}

/// An axum handler that produces and awaits the two records of an order, and checks and keeps nothing.
pub async fn handler(brokers: &str, port: u16) {
    let producer = Producer::batching(&KafkaConfig::new(brokers), "bare", Duration::from_secs(5)).unwrap();
    let routes = Router::new().route("/orders", post(place)).with_state(producer);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    axum::serve(listener, routes).await.unwrap();
}

async fn place(State(producer): State<Producer>, Json(order): Json<NewOrder>) -> (StatusCode, Json<Order>) {
    let (id, now) = (Uuid::new_v4(), chrono::Utc::now());
    let order = order.into_order(id, now);
    let event = OrderEvent { action: OrderAction::Created, order: order.clone(), timestamp: now };
    producer.send(Outgoing::json(topic::ORDERS, id, &event, now).unwrap()).await.unwrap();
    let audit = AuditEvent::new(Source::OrderService, AuditAction::Created, id, now);
    producer.send(Outgoing::json(topic::AUDIT, id, &audit, now).unwrap()).await.unwrap();
    (StatusCode::CREATED, Json(order))
}

struct Forward;

impl Handler for Forward {
    fn record(&mut self, record: &Record<'_>, position: Position, out: &mut Outbox) -> Result<(), Error> {
        out.send(
            position,
            Outgoing {
                topic: topic::AUDIT,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record.headers.clone(),
                timestamp: record.timestamp,
            },
        );
        out.done(position);
        Ok(())
    }
}

/// A loop that only consumes `orders` and produces the same records to `audit`.
pub async fn forwarding(brokers: &str) {
    let consumed =
        ConsumerOptions::new("bare-group", &[topic::ORDERS], &Instance::start(Service::Audit, None));
    let kafka = KafkaConfig::new(brokers);
    let (progress, for_ever) = (Progress::default(), CancellationToken::new());
    consume(&kafka, consumed, producer(brokers), Forward, progress, for_ever).unwrap().join().await.unwrap();
}
