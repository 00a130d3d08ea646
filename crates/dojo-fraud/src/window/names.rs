//! Names of customers and items, each kept once.

use std::{collections::HashSet, sync::Arc};

#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashSet<Arc<str>>,
    bytes: usize,
}

impl Names {
    /// Returns the one copy of a name.
    pub(super) fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.known.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.bytes += name.len();
        self.known.insert(Arc::clone(&name));
        name
    }

    /// Releases a copy; removes the name with its last copy.
    pub(super) fn release(&mut self, name: Arc<str>) {
        // This copy, and the one in the set.
        if Arc::strong_count(&name) == 2 && self.known.remove(&name) {
            self.bytes -= name.len();
        }
    }

    /// Returns how long all names are together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
