//! Places the orders of a flood: a client of one route, with as little work for a request as can be.
//!
//! At thousands of orders a second on a machine that also runs the dojo, what the client costs is missing to the dojo. So
//! this client is not the one of the other steps: it has nothing between the order and the HTTP library. Its connections
//! are kept alive, and belong to the runtime that first sends on them.

use crate::{
    RunError, Target,
    client::{ANSWER_WITHIN, Answer, CONNECT_WITHIN, IDLE, root_cause},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Uri,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::Name},
    },
    rt::{TokioExecutor, TokioTimer},
};
use std::{
    future::{Ready, ready},
    io,
    net::SocketAddr,
    task::{Context, Poll},
    vec,
};
use tower::Service;

/// Method and route, for messages.
pub const POST_ORDERS: &str = "POST /orders";
/// The largest answer that is read. An accepted order is far smaller.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Places orders at one dojo. Clones share their connections.
#[derive(Debug, Clone)]
pub struct OrderClient {
    http: Client<HttpConnector<Resolved>, Full<Bytes>>,
    orders: Uri,
    target: String,
}

/// The addresses of the target. They are looked up once for all connections, because a look-up blocks a thread.
#[derive(Debug, Clone)]
struct Resolved(Vec<SocketAddr>);

impl Service<Name> for Resolved {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(self.0.clone().into_iter()))
    }
}

impl OrderClient {
    /// A client of the dojo at `target`.
    ///
    /// # Errors
    /// The target's host has no address.
    pub async fn new(target: &Target) -> Result<Self, RunError> {
        let url = target.url("/orders");
        let away = |reason: String| RunError::Away { target: target.to_string(), reason };
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or(80);
        let addresses = tokio::time::timeout(CONNECT_WITHIN, tokio::net::lookup_host((host, port)))
            .await
            .map_err(|_| away(format!("its address was not found within {CONNECT_WITHIN:?}")))?
            .map_err(|e| away(e.to_string()))?;
        let mut connector = HttpConnector::new_with_resolver(Resolved(addresses.collect()));
        connector.set_connect_timeout(Some(CONNECT_WITHIN));
        connector.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        let orders = url.as_str().parse().map_err(|e| away(format!("{e}")))?;
        Ok(Self { http, orders, target: target.to_string() })
    }

    /// Places an order, given as JSON. Returns the answer with any status.
    ///
    /// # Errors
    /// No answer came in time.
    pub async fn place(&self, order: Vec<u8>) -> Result<Answer, RunError> {
        let timed_out = |_| RunError::TimedOut { request: POST_ORDERS, after: ANSWER_WITHIN };
        tokio::time::timeout(ANSWER_WITHIN, self.post(order)).await.map_err(timed_out)?
    }

    async fn post(&self, order: Vec<u8>) -> Result<Answer, RunError> {
        let mut request = Request::new(Full::new(Bytes::from(order)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.orders.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = self.http.request(request).await.map_err(|error| {
            let reason = root_cause(&error);
            if error.is_connect() {
                RunError::Away { target: self.target.clone(), reason }
            } else {
                RunError::BrokeOff { request: POST_ORDERS, reason }
            }
        })?;
        let (head, body) = response.into_parts();
        Ok(Answer::new(POST_ORDERS, head.status.as_u16(), whole(body).await?.into()))
    }
}

async fn whole(body: Incoming) -> Result<Bytes, RunError> {
    match Limited::new(body, MAX_ANSWER_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(RunError::BrokeOff { request: POST_ORDERS, reason: root_cause(&*error) }),
    }
}
