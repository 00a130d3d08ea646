//! Scenario runs: the lease that one of them holds, and the undo of what a run has changed.
//!
//! A run is a record on `dojo-runs`, which is written again with each step, finding and change. What a run changes is noted
//! there before the change is made ([`journal`]). When the run ends, or its runner falls silent ([`expiry`]), the changes are
//! put back in one place ([`undo`]); a restarted order service finds on the topic what there is to put back.
//!
//! The runner reports several events at once, which are one write ([`report`]); so are the guesses that wait for their turn
//! together ([`guess`]).

pub(crate) mod fields;
pub(crate) mod guess;
pub(crate) mod report;

pub(crate) mod body;
pub(in crate::write) mod changes;
mod words;

pub(crate) mod journal;

pub(crate) mod undo;

pub(crate) mod expiry;
