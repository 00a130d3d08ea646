//! The topic browser: which topics there are, and what is on them. It reads, and joins no consumer group.

pub(crate) mod list;
pub(crate) mod look;
pub(crate) mod page;
pub(crate) mod reading;
pub(crate) mod records;
pub(crate) mod shown;
