//! How a scenario file is read: YAML as a tree with positions, typed values from it, and the mistakes on the way.

mod mistakes;
pub use mistakes::{Mistake, Mistakes, ParseError, Place, Position};

mod files;
pub use files::{MAX_BYTES, Sources, text_of};

mod syntax;

mod node;
pub use node::{Key, Node, Scalar, Value};

mod variables;
pub use variables::{PLACEHOLDERS, Variables, unknown_variables};

mod scope;
pub use scope::Scope;

mod context;
pub use context::Context;

mod read;
pub use read::{Definitions, Read, described, named, or_variable};

mod members;
pub(crate) use members::mapping;
pub use members::{Fields, Members, property, unknown_name};

/// How alike two names must be for one to be a misspelling of the other.
const ALIKE: f64 = 0.8;
/// Most characters of a value that a message quotes.
const QUOTED: usize = 60;

/// Returns the known name that was probably meant.
pub fn nearest<'a>(named: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let named = named.to_lowercase();
    known
        .map(|name| (strsim::jaro_winkler(&named, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// Returns the known name of which `name` is a misspelling, where other names than the known ones are allowed: it differs in a
/// letter, or in two of a long name.
pub fn misspelt<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    const LONG: usize = 10;
    let distance = |known: &str| strsim::osa_distance(&known.to_lowercase(), &name.to_lowercase());
    let near = known.iter().find(|known| distance(known) <= if known.len() < LONG { 1 } else { 2 });
    near.copied().filter(|near| *near != name)
}

/// Cuts a value to what a message quotes.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
