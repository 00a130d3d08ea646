//! Clients of the stream that never read: others are served, and nothing piles up for them.

use crate::{away::memory, process::Start};
use dojo_contract::{AuditAction, AuditEvent, Source, topic};
use dojo_kafka::Outgoing;
use dojo_testbed::Kafka;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
};
use uuid::Uuid;

const READERS: usize = 20;
/// Much more than the order service keeps of its events, and than the buffers of all connections take.
const EVENTS: usize = 60_000;
const EVENT_BYTES: usize = 1_000;
/// What the order service may need more: its ring, and a bounded part of the log for each reader.
const GROWTH_KIB: u64 = 64 * 1_024;

/// Asks for the stream, and takes nothing in.
async fn never_reads(port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    let request = format!("GET /events?from=earliest HTTP/1.1\r\nhost: localhost:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

fn audit_event() -> Outgoing {
    let (id, now) = (Uuid::new_v4(), chrono::Utc::now());
    let reason = Some("x".repeat(EVENT_BYTES));
    let event = AuditEvent { reason, ..AuditEvent::new(Source::OrderService, AuditAction::Updated, id, now) };
    Outgoing::json(topic::AUDIT, id, &event, now).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_never_read_cost_nobody_anything() {
    let kafka = Kafka::start().await;
    let dojo = Start::at(&kafka.config).ready().await;
    let port = dojo.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let before = memory(&dojo).await;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(never_reads(port).await);
    }
    let events = dojo.events().await;
    kafka.flood(std::iter::repeat_with(audit_event).take(EVENTS)).await;
    let order = dojo.placed("Ada", "1").await;
    events.all_have(&[order.clone()].into(), &["created"]).await;
    events.all_have(&[order].into(), &["NOTIFIED"]).await;
    let now = memory(&dojo).await;
    for (instance, now) in now {
        let before = before[&instance];
        println!("{instance}: {before} KiB before, {now} KiB after");
        assert!(now < before + GROWTH_KIB, "{instance} has {now} KiB, and had {before} KiB");
    }
}
