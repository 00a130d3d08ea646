//! The server with real connections.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, missing_docs, reason = "a test panics")]

use axum::{
    Json, Router,
    body::Body,
    response::Response,
    routing::{get, post},
};
use dojo_http::{AllowedHosts, JsonBody, finish, serve};
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

const PATIENCE: Duration = Duration::from_secs(60);
const HEAD: &str = "HTTP/1.1\r\nhost: localhost\r\n";

/// A server that ends with the test.
struct Server {
    address: SocketAddr,
    _stop: DropGuard,
}

impl Server {
    async fn start(connections: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let routes = Router::new()
            .route("/", get(async || "hello"))
            .route("/echo", post(async |JsonBody(body): JsonBody| Json(body)))
            .route("/panic", get(panics))
            .route("/open", get(never_ends));
        let hosts = AllowedHosts::new(address.ip(), Vec::new());
        tokio::spawn(serve(listener, finish(routes, Some(hosts)), connections, stop.clone()));
        Self { address, _stop: stop.drop_guard() }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request on a connection of its own; returns the whole response.
    async fn ask(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        let mut response = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut response)).await.unwrap().unwrap();
        String::from_utf8(response).unwrap()
    }
}

async fn panics() {
    panic!("as the test wants it");
}

/// A response that has begun and does not end.
async fn never_ends() -> Response {
    Response::new(Body::from_stream(futures::stream::pending::<Result<String, std::io::Error>>()))
}

async fn status_line(stream: &mut TcpStream) -> String {
    let mut line = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut line)).await.unwrap().unwrap();
    String::from_utf8(line.to_vec()).unwrap()
}

fn post_json(body: &str, more: &str) -> String {
    let length = body.len();
    format!("POST /echo {HEAD}{more}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn idle_connections_make_room_for_new_ones() {
    let server = Server::start(4).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(server.connect().await);
    }
    // One has been used, and one has sent half a request.
    idle[0].write_all(format!("GET / {HEAD}\r\n").as_bytes()).await.unwrap();
    assert_eq!(status_line(&mut idle[0]).await, "HTTP/1.1 200");
    idle[1].write_all(b"GET /").await.unwrap();
    for _ in 0..8 {
        let mut next = server.connect().await;
        next.write_all(format!("GET / {HEAD}\r\n").as_bytes()).await.unwrap();
        assert_eq!(status_line(&mut next).await, "HTTP/1.1 200");
        idle.push(next);
    }
}

#[tokio::test]
async fn a_connection_that_is_answering_makes_no_room() {
    let server = Server::start(1).await;
    let mut open = server.connect().await;
    open.write_all(format!("GET /open {HEAD}\r\n").as_bytes()).await.unwrap();
    assert_eq!(status_line(&mut open).await, "HTTP/1.1 200");
    let mut next = server.connect().await;
    next.write_all(format!("GET / {HEAD}\r\n").as_bytes()).await.unwrap();
    let answered = timeout(Duration::from_millis(300), next.read_u8()).await;
    assert!(answered.is_err(), "{answered:?}");
    drop(open);
    assert_eq!(status_line(&mut next).await, "HTTP/1.1 200");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered_before_the_connection_ends() {
    let server = Server::start(8).await;
    let large = format!("[{}]", "1,".repeat(512 * 1024));
    for _ in 0..50 {
        let response = server.ask(post_json(&large, "connection: close\r\n")).await;
        assert!(
            response.starts_with("HTTP/1.1 413 ") && response.contains("larger than 65536"),
            "{response}"
        );
    }
}

#[tokio::test]
async fn a_response_that_needs_no_body_arrives_though_a_large_one_was_sent() {
    let server = Server::start(8).await;
    let body = "x".repeat(1024 * 1024);
    for _ in 0..50 {
        let length = body.len();
        let request =
            format!("POST /nothing {HEAD}connection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        let response = server.ask(request).await;
        assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
    }
}

#[tokio::test]
async fn a_member_that_appears_twice_is_refused_by_name() {
    let server = Server::start(8).await;
    let request = post_json(r#"{"a": {"price": 1, "price": 2}}"#, "connection: close\r\n");
    let response = server.ask(request).await;
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 "), "{response}");
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["errors"][0]["field"], "a.price");
    assert_eq!(problem["detail"], "the body has `a.price` twice: send it once");
}

#[tokio::test]
async fn a_panic_is_the_answer_to_one_request_and_the_connection_goes_on() {
    let server = Server::start(8).await;
    let twice = format!("GET /panic {HEAD}\r\nGET / {HEAD}connection: close\r\n\r\n");
    let response = server.ask(twice).await;
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    assert!(response.contains("application/problem+json") && !response.contains("as the test wants it"));
    assert!(response.ends_with("hello"), "{response}");
}

#[tokio::test]
async fn every_response_has_the_security_headers_and_unknown_paths_are_problems() {
    let server = Server::start(8).await;
    for (request, status) in [
        ("GET /", "200"),
        ("GET /nothing", "404"),
        ("DELETE /", "405"),
        ("OPTIONS /", "204"),
        ("GET /panic", "500"),
    ] {
        let response = server.ask(format!("{request} {HEAD}connection: close\r\n\r\n")).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {response}");
        assert!(response.contains("content-security-policy: default-src 'none';"), "{request}: {response}");
        assert!(response.contains("x-content-type-options: nosniff"), "{request}: {response}");
    }
    let foreign = server.ask("GET / HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n").await;
    assert!(foreign.starts_with("HTTP/1.1 403 ") && foreign.contains("ALLOWED_HOSTS"), "{foreign}");
}
