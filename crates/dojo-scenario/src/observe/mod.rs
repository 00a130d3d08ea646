//! What a run sees, and whether that is what was expected. Pure: facts and times come in, decisions go out.
//!
//! An [`Observer`] takes the events of the stream, the answers of the API and the dojo's state. It counts as they
//! arrive, [`judge`](Observer::judge)s each expectation, and reports each broken promise of `always`. [`fit`] decides whether a
//! dojo is fit for a lesson before it starts.
//!
//! In reading order: an event is read (`event`), expectations say whether they count it (`filter`), it is added to its order
//! (`own_order`, `orders`), and the counts are judged (`watchers`, `verdict`). Beside that: answers to
//! the run's requests (`answers`), the state of the dojo (`api`, `dojo_state`), and the promises (`promises`).

mod answers;
mod api;
mod before;
mod counts;
mod dojo_state;
mod event;
mod filter;
mod finding;
mod observer;
mod orders;
mod own_order;
mod promises;
mod verdict;
mod watchers;

pub use answers::RequestKind;
pub use before::{Fitness, fit};
pub use finding::{Evidence, Example, ExampleEvent, Judgement};
pub use observer::{Needs, Observer};
pub use promises::{Breach, Promise};
pub use watchers::Tally;

#[cfg(test)]
mod tests;
