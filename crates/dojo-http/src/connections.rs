//! The connections of a listener: bounded in number, and when all places are taken, the one that has been idle the longest
//! makes room. So clients that only wait can't keep others out.
//!
//! A connection is idle from its start or from the moment in which the whole response was handed to the HTTP library, until
//! its next request. So a response that its client is slow to read may be cut when places are scarce.

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Admits connections.
pub(crate) struct Connections {
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Idle>>,
}

/// The idle connections, the longest idle first. Each has a place, so their number is bounded.
#[derive(Default)]
struct Idle {
    by_age: BTreeMap<u64, CancellationToken>,
    /// The next key.
    next: u64,
    /// A client waits for a place, and no connection was idle.
    is_room_wanted: bool,
}

impl Connections {
    /// Admits up to `places` connections at a time.
    pub(crate) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), idle: Arc::default() }
    }

    /// Waits for a place. While all are taken, closes the connection that has been idle the longest, or the first one that
    /// becomes idle.
    pub(crate) async fn admit(&self) -> Arc<Connection> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Some(place),
            Err(_) => {
                self.idle.lock().make_room();
                let place = Arc::clone(&self.places).acquire_owned().await.ok();
                self.idle.lock().is_room_wanted = false;
                place
            }
        };
        Connection::new(Arc::clone(&self.idle), place)
    }
}

impl Idle {
    fn make_room(&mut self) {
        match self.by_age.pop_first() {
            Some((_, close)) => close.cancel(),
            None => self.is_room_wanted = true,
        }
    }

    fn insert(&mut self, close: &CancellationToken) -> u64 {
        self.next += 1;
        if std::mem::take(&mut self.is_room_wanted) {
            close.cancel();
        } else {
            self.by_age.insert(self.next, close.clone());
        }
        self.next
    }
}

/// A connection's place.
pub(crate) struct Connection {
    idle: Arc<Mutex<Idle>>,
    /// The connection's key while it is idle.
    key: Mutex<Option<u64>>,
    close: CancellationToken,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn new(idle: Arc<Mutex<Idle>>, place: Option<OwnedSemaphorePermit>) -> Arc<Self> {
        let close = CancellationToken::new();
        let key = Mutex::new(Some(idle.lock().insert(&close)));
        Arc::new(Self { idle, key, close, _place: place })
    }

    /// Resolves when the connection must make room.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + use<> {
        self.close.clone().cancelled_owned()
    }

    /// Whether no request is being answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.key.lock().is_some()
    }

    /// A request has come. The connection is idle again once this is dropped.
    pub(crate) fn request(self: &Arc<Self>) -> Request {
        let key = self.key.lock().take();
        let mut idle = self.idle.lock();
        if key.is_some_and(|key| idle.by_age.remove(&key).is_none()) {
            // A moment ago this connection was to make room. It is needed now, so another one must.
            idle.make_room();
        }
        Request(Arc::clone(self))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(key) = self.key.get_mut() {
            self.idle.lock().by_age.remove(key);
        }
    }
}

/// A request that is being answered. It keeps its connection's place.
pub(crate) struct Request(Arc<Connection>);

impl Drop for Request {
    fn drop(&mut self) {
        let Self(connection) = self;
        let key = connection.idle.lock().insert(&connection.close);
        *connection.key.lock() = Some(key);
    }
}

/// The body of a response, which keeps its connection busy until all of it was handed over.
pub(crate) struct ResponseBody {
    body: Body,
    _request: Request,
}

impl ResponseBody {
    pub(crate) fn new(body: Body, request: Request) -> Self {
        Self { body, _request: request }
    }
}

impl hyper::body::Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::pin::pin;

    #[tokio::test]
    async fn the_connection_that_has_been_idle_the_longest_makes_room() {
        let connections = Connections::new(3);
        let (first, second, third) =
            (connections.admit().await, connections.admit().await, connections.admit().await);
        drop(first.request());
        let busy = second.request();
        let mut next = pin!(connections.admit());
        assert!(next.as_mut().now_or_never().is_none());
        assert!(third.closed().now_or_never().is_some());
        assert!(first.closed().now_or_never().is_none() && second.closed().now_or_never().is_none());
        drop(third);
        assert!(next.now_or_never().is_some());
        drop(busy);
    }

    #[tokio::test]
    async fn while_all_are_busy_the_first_that_becomes_idle_makes_room() {
        let connections = Connections::new(2);
        let (first, second) = (connections.admit().await, connections.admit().await);
        let (busy, also_busy) = (first.request(), second.request());
        let mut next = pin!(connections.admit());
        assert!(next.as_mut().now_or_never().is_none());
        drop(also_busy);
        assert!(second.closed().now_or_never().is_some() && first.closed().now_or_never().is_none());
        drop(second);
        assert!(next.now_or_never().is_some());
        drop(busy);
    }

    #[tokio::test]
    async fn nothing_is_kept_of_connections_that_are_gone() {
        let connections = Connections::new(2);
        let connection = connections.admit().await;
        drop(connection.request());
        drop(connection);
        assert!(connections.idle.lock().by_age.is_empty());
        // A client that leaves takes the connection away before the response is complete.
        let connection = connections.admit().await;
        let request = connection.request();
        drop(connection);
        drop(request);
        assert!(connections.idle.lock().by_age.is_empty());
        assert_eq!(connections.places.available_permits(), 2);
    }

    #[tokio::test]
    async fn a_connection_whose_request_comes_as_it_makes_room_is_spared() {
        let connections = Connections::new(2);
        let (first, second) = (connections.admit().await, connections.admit().await);
        let mut next = pin!(connections.admit());
        assert!(next.as_mut().now_or_never().is_none());
        assert!(first.closed().now_or_never().is_some());
        let request = first.request();
        assert!(!first.is_idle() && second.closed().now_or_never().is_some());
        drop(second);
        assert!(next.now_or_never().is_some());
        drop(request);
        assert!(first.is_idle());
    }
}
