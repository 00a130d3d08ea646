//! Ends transactions in a log, and reads what consumers of committed records may see.

use super::{ActiveProducer, Log, Read, transactions::Marker};
use kafka_protocol::ResponseError;

impl Log {
    /// Returns the offset before which no transaction is open: consumers of committed records can read up to
    /// it.
    pub(crate) fn last_stable_offset(&self) -> i64 {
        // An open transaction may have lost its first records to the bound on the log.
        self.transactions.first_open().map_or(self.end, |first| first.max(self.start))
    }

    /// Ends a producer's transaction. The marker is written even if the transaction has no record here, since
    /// it tells the partition the producer's new epoch.
    pub(crate) fn end_transaction(&mut self, marker: &Marker) {
        let offset = self.end;
        match self.producers.end_transaction(marker) {
            Some(first_offset) => self.transactions.end(first_offset, offset, marker),
            // Nothing ends here, and markers alone must not outgrow the bound.
            None if self.lacks_room_for(0) => return,
            None => {}
        }
        self.push(marker.stored_at(offset));
        self.transactions.forget_before(self.start);
    }

    /// Returns whether the producer has an open transaction with records here.
    pub(crate) fn has_open_transaction(&self, producer_id: i64) -> bool {
        self.producers.in_transaction(producer_id)
    }

    /// Returns the producers that are remembered at `now_ms`, in milliseconds since 1970.
    pub(crate) fn active_producers(&self, now_ms: i64) -> Vec<ActiveProducer> {
        self.producers.active(now_ms)
    }

    /// Reads like [`Log::read`], but only up to the last stable offset, and adds the aborted transactions
    /// that a reader has to skip.
    ///
    /// # Errors
    /// See [`Log::read`].
    pub(crate) fn read_committed(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Read, ResponseError> {
        let mut read = self.read_before(self.last_stable_offset(), offset, max_bytes, at_least_one)?;
        read.aborted = self.transactions.aborted(offset, read.end).copied().collect();
        Ok(read)
    }
}

#[cfg(test)]
#[path = "committed_tests.rs"]
mod tests;
