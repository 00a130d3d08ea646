//! The audit service on a Kafka.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use chrono::Utc;
use dojo_audit::{Config, run_with};
use dojo_contract::{AuditAction, AuditEvent, Source, topic};
use dojo_kafka::{InstanceName, Outgoing, Readiness};
use dojo_testbed::{Kafka, PATIENCE};
use serde_json::Value;
use std::io::{ErrorKind, Write};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Standard output as a test sees it.
struct Lines(mpsc::UnboundedSender<Vec<u8>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Service {
    lines: mpsc::UnboundedReceiver<Vec<u8>>,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), dojo_audit::Error>>,
}

impl Service {
    fn start(kafka: &Kafka) -> Self {
        let (sender, lines) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let instance = InstanceName { instance_id: Some("audit-1".to_owned()) };
        let config = Config { kafka: kafka.config.clone(), instance };
        let ended = tokio::spawn(run_with(config, Readiness::default(), Lines(sender), stop.clone()));
        Self { lines, stop, ended }
    }

    async fn line(&mut self) -> Value {
        let line = timeout(PATIENCE, self.lines.recv()).await.expect("a line in time").expect("a line");
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(line.ends_with(b"\n"));
        serde_json::from_slice(&line).unwrap()
    }

    async fn stop(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.ended).await.expect("an end in time").unwrap().unwrap();
    }
}

fn audit_event(order: u128) -> Outgoing {
    let mut event = AuditEvent::new(
        Source::NotificationService,
        AuditAction::Notified,
        Uuid::from_u128(order),
        Utc::now(),
    );
    event.instance_id = Some("notification-1".to_owned());
    Outgoing::json(topic::AUDIT, event.order_id.to_string(), &event, event.timestamp).unwrap()
}

fn order_of(line: &Value) -> u128 {
    line["orderId"].as_str().unwrap().parse::<Uuid>().unwrap().as_u128()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_a_line_and_what_is_unreadable_is_skipped() {
    let kafka = Kafka::start().await;
    let poison = |value: Option<&[u8]>| Outgoing { value: value.map(<[u8]>::to_vec), ..audit_event(0) };
    kafka.send(audit_event(1)).await;
    for value in [None, Some(&b"\xff no json"[..]), Some(b"{}"), Some(&vec![b'x'; 900_000])] {
        kafka.send(poison(value)).await;
    }
    kafka.send(audit_event(2)).await;

    let mut service = Service::start(&kafka);
    let first = service.line().await;
    let members: Vec<_> = first.as_object().unwrap().keys().collect();
    assert_eq!(members, ["source", "action", "orderId", "instanceId", "timestamp"]);
    assert_eq!((&first["source"], &first["action"]), (&"notification-service".into(), &"NOTIFIED".into()));
    assert_eq!(first["instanceId"], "notification-1");
    assert_eq!((order_of(&first), order_of(&service.line().await)), (1, 2));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_the_lines_end() {
    let kafka = Kafka::start().await;
    let mut service = Service::start(&kafka);
    kafka.send(audit_event(1)).await;
    assert_eq!(order_of(&service.line().await), 1);
    service.stop().await;

    kafka.send(audit_event(2)).await;
    let mut service = Service::start(&kafka);
    assert_eq!(order_of(&service.line().await), 2);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reading_the_lines_ends_the_service_and_loses_none() {
    let kafka = Kafka::start().await;
    let mut service = Service::start(&kafka);
    kafka.send(audit_event(1)).await;
    assert_eq!(order_of(&service.line().await), 1);
    let Service { lines, ended, .. } = service;
    drop(lines);
    kafka.send(audit_event(2)).await;
    kafka.send(audit_event(3)).await;
    let ended = timeout(PATIENCE, ended).await.expect("an end in time").unwrap();
    assert!(matches!(ended, Err(dojo_audit::Error::OutputClosed)), "{ended:?}");

    let mut service = Service::start(&kafka);
    assert_eq!((order_of(&service.line().await), order_of(&service.line().await)), (2, 3));
    service.stop().await;
}
