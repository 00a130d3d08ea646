//! The scenario language: a lesson as YAML, the schedule of its load, and the verdict on its expectations. Pure: it knows no
//! clock, no HTTP and no Kafka, and is given facts.
//!
//! ```yaml
//! name: Fraud spam
//! steps:
//!   - flood: { count: 12, rate: 20/s, order: { customerName: "Mallory ${run}", item: Pizza, quantity: 1, price: 1 } }
//!   - expect: { action: FRAUD_ALERT, alert: VELOCITY, exactly: 7, within: 10s }
//! ```
//!
//! The modules are in reading order: how a file is read ([`language`]); how a run draws random values ([`draw`]); when the orders
//! of a flood are due ([`schedule`]); what a scenario consists of ([`document`]); what a run sees, and whether that is what
//! was expected ([`observe`]).

pub mod language;
pub use language::{MAX_BYTES, Mistake, ParseError, Place, Position, Sources, unknown_variables};

pub mod scalar;
pub use scalar::{Rate, Size};

mod text;
pub use text::{Placeholders, Text};

pub mod draw;
pub mod schedule;

pub mod document;
mod orders;

mod scenario;
pub use scenario::{MAX_EXPECTATIONS, Scenario, is_part};

mod plan;
pub use plan::{MAX_PLANNED, Planned, flat};

mod timeline;
pub use timeline::{Moment, Timeline};

mod schema;
pub use schema::schema;

pub mod observe;

#[cfg(test)]
mod tests;
