//! The order service: REST API, projection of the `orders` log, server-sent events, control plane, and the page.
//!
//! It writes what clients ask for to Kafka, and shows what Kafka holds; it has no state of its own. So it can be killed
//! at any time: a restart reads the log and shows the same orders.
//!
//! Two sides that meet only in Kafka:
//!
//! - **Writing**: a request is read and checked (`request.rs`), its audit record goes to `audit` and then the change to
//!   `orders` (`mutations.rs`), and the answer waits until the reading side has seen the change (`reached.rs`). After a
//!   crash or an outage an audit record may stand there whose change never came, or twice after a repeated request.
//! - **Reading**: `feeds.rs` reads topics into the model: the orders list (`projection.rs`), the instances
//!   (`instances.rs`), the newest rows of the page (`recent.rs`), and the hub (`hub.rs`), from which every stream of
//!   `GET /events` takes its events (`stream.rs`), or from the log, where the hub no longer has them (`catch_up.rs`).
//!
//! What stands in the way of either is said: `marks.rs` knows since when an open transaction holds readers back, and a
//! cursor (`cursor.rs`) knows which log it belongs to, so that nobody goes on in the middle of another one.
//!
//! What a client may rely on is in each route's module; `router.rs` says which is which. A refusal is always a problem
//! document (`problem.rs`).

mod config;
pub use config::{Config, PageConfig};

mod cursor;
mod feed;
mod frame;
mod reading;

mod feeds;
mod hub;
mod instances;
mod marks;
mod model;
mod projection;
mod reached;
mod recent;

mod locks;
mod mutations;
mod request;

mod catch_up;
mod stream;

mod app;
mod body;
mod origin;
mod problem;
mod query;
mod router;
mod server;
mod stall;

mod assets;
mod dead_letters;
mod events;
mod health;
mod metrics;
pub use health::serve_health;
pub use metrics::Metrics;
mod orders;
mod page;
mod rules;
mod settings;
mod status;
mod template;

mod service;
pub use service::{Error, run};
