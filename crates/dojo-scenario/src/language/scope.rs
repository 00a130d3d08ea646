//! What a scenario had so far, while its steps are read from top to bottom.

use std::collections::BTreeSet;

/// What the steps above the one that is read did, and where that one stands.
#[derive(Debug, Default)]
pub struct Scope {
    /// The names of the orders (`as`).
    pub orders: BTreeSet<String>,
    /// The names of the orders that were deleted.
    pub deleted: BTreeSet<String>,
    /// The names of the steps that send requests.
    pub steps: BTreeSet<String>,
    /// The requests that were sent, such as `POST /orders`.
    pub requests: BTreeSet<&'static str>,
    /// Whether a record was put on `orders` by hand, which may be an order.
    pub has_records: bool,
    /// Whether `${n}` has a value: the order of a flood is read.
    pub in_flood: bool,
    /// Whether the step is played while a flood is sent.
    pub in_meanwhile: bool,
    /// How often the step is played because of the repetitions around it; `None` outside of a repetition.
    pub repeated: Option<u64>,
    /// The steps that are played, repetitions included.
    pub planned: u64,
}
