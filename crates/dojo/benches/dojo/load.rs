//! A load of POSTs over kept-alive connections, with as little work of its own as can be.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(5);

fn request(port: u16, customer: u64) -> Vec<u8> {
    let body =
        format!(r#"{{"customerName":"Customer {customer}","item":"Pizza","quantity":2,"price":9.50}}"#);
    format!(
        "POST /orders HTTP/1.1\r\nhost: localhost:{port}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Reads one answer and tells whether it is a 201.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    buffer.clear();
    loop {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the connection was closed");
        let Some(head) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
        let length: usize =
            text.split("content-length: ").nth(1).unwrap().lines().next().unwrap().trim().parse().unwrap();
        if buffer.len() >= head + 4 + length {
            return text.starts_with("http/1.1 201");
        }
    }
}

/// POSTs a second on `connections`, each waiting for its answer.
pub async fn posts_per_second(port: u16, connections: u64) -> f64 {
    let counted = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let clients: Vec<_> = (0..connections)
        .map(|n| {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (request, mut buffer) = (request(port, n), Vec::with_capacity(4096));
                while begun.elapsed() < WARM_UP + MEASURED {
                    stream.write_all(&request).await.unwrap();
                    assert!(answer(&mut stream, &mut buffer).await, "{}", String::from_utf8_lossy(&buffer));
                    if begun.elapsed() > WARM_UP {
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    counted.load(Ordering::Relaxed) as f64 / MEASURED.as_secs_f64()
}
