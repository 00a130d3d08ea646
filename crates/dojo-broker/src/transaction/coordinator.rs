//! The transactional ids of the broker: a lock for each, and the timer that aborts transactions that take too
//! long.
//!
//! A request holds a transaction's lock for as long as it works with the transaction: while a batch of the
//! transaction is appended, and while the markers of its end are written. So no batch that was allowed gets
//! into a partition behind the marker. Requests of different producers don't wait for each other. The order
//! of locks is: the alarm, the list of ids, one transaction, then one partition or one group at a time. No
//! lock is held across an await.

use super::{Ending, State, Transaction};
use crate::{alarm::Alarm, clock::now_ms};
use kafka_protocol::ResponseError;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

/// How many transactional ids are remembered. Beyond that, the idle id that was used least recently is
/// forgotten. Only these ids have transactions, so this also bounds the open transactions in each partition
/// and group.
const REMEMBERED_IDS: usize = 10_000;

/// A request takes its reference under the lock on the list, and keeps it while it works.
type Shared = Arc<Mutex<Transaction>>;

/// All transactional ids, and the last producer id that was given out.
#[derive(Debug, Default)]
pub(crate) struct Coordinator {
    transactions: Mutex<BTreeMap<String, Shared>>,
    last_producer_id: AtomicI64,
    /// In milliseconds since 1970.
    alarm: Alarm<i64>,
}

impl Coordinator {
    /// Returns an id that no producer had before.
    pub(crate) fn next_producer_id(&self) -> i64 {
        self.last_producer_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Works with a transactional id, which becomes known if it isn't.
    ///
    /// # Errors
    /// `COORDINATOR_NOT_AVAILABLE`, after which a client tries again, if every known id is in use and there
    /// is no room for another. Or the error of `work`.
    pub(crate) fn with<T>(
        &self,
        id: &str,
        work: impl FnOnce(&mut Transaction) -> Result<T, ResponseError>,
    ) -> Result<T, ResponseError> {
        let transaction = {
            let mut transactions = self.transactions.lock();
            let is_full = transactions.len() >= REMEMBERED_IDS && !transactions.contains_key(id);
            if is_full && !make_room(&mut transactions) {
                return Err(ResponseError::CoordinatorNotAvailable);
            }
            let new = || Arc::new(Mutex::new(Transaction::new(self.next_producer_id(), now_ms())));
            transactions.entry(id.to_owned()).or_insert_with(new).clone()
        };
        self.work(&transaction, work)
    }

    /// Works with a known transactional id.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_ID_MAPPING` if the id is unknown, `INVALID_REQUEST` if it is empty, or the error of
    /// `work`.
    pub(crate) fn with_known<T>(
        &self,
        id: &str,
        work: impl FnOnce(&mut Transaction) -> Result<T, ResponseError>,
    ) -> Result<T, ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        let transaction = self.transactions.lock().get(id).cloned();
        self.work(&transaction.ok_or(ResponseError::InvalidProducerIdMapping)?, work)
    }

    /// Reads a transactional id, if it is known.
    pub(crate) fn look<T>(&self, id: &str, at: impl FnOnce(&Transaction) -> T) -> Option<T> {
        let transaction = self.transactions.lock().get(id).cloned()?;
        Some(at(&transaction.lock()))
    }

    /// Reads every transactional id in turn, by name.
    pub(crate) fn look_at_each(&self, mut at: impl FnMut(&str, &Transaction)) {
        for (id, transaction) in self.all() {
            at(&id, &transaction.lock());
        }
    }

    /// Aborts transactions when their time is up; `write` writes their markers. Never returns: drop it to end
    /// it.
    pub(crate) async fn keep_time(&self, write: impl Fn(&Ending, i64)) {
        loop {
            self.alarm.ring(|| self.next_deadline(), |at| sleep(until(at))).await;
            let now_ms = now_ms();
            for (_, transaction) in self.all() {
                let mut transaction = transaction.lock();
                if let Some(ending) = transaction.tick(|| self.next_producer_id(), now_ms) {
                    write(&ending, now_ms);
                }
            }
            self.transactions.lock().retain(|_, transaction| {
                Arc::strong_count(transaction) > 1 || !transaction.lock().is_forgotten_at(now_ms)
            });
        }
    }

    fn all(&self) -> Vec<(String, Shared)> {
        self.transactions.lock().iter().map(|(id, transaction)| (id.clone(), transaction.clone())).collect()
    }

    fn work<T>(&self, transaction: &Shared, work: impl FnOnce(&mut Transaction) -> T) -> T {
        let (result, deadline) = {
            let mut transaction = transaction.lock();
            (work(&mut transaction), transaction.deadline_ms())
        };
        self.alarm.heed(deadline);
        result
    }

    fn next_deadline(&self) -> Option<i64> {
        self.all().iter().map(|(_, transaction)| transaction.lock().deadline_ms()).min()
    }
}

fn until(at_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(at_ms.saturating_sub(now_ms())).unwrap_or(0))
}

/// Forgets the idle id that was used least recently. Returns `false` if no id is idle.
fn make_room(transactions: &mut BTreeMap<String, Shared>) -> bool {
    let unused = transactions.iter().filter(|(_, transaction)| Arc::strong_count(transaction) == 1);
    let idle = unused.filter_map(|(id, transaction)| {
        let transaction = transaction.lock();
        (transaction.state() != State::Ongoing).then(|| (transaction.deadline_ms(), id))
    });
    let oldest = idle.min().map(|(_, id)| id.clone());
    oldest.is_some_and(|oldest| transactions.remove(&oldest).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::Protocol;

    #[test]
    fn the_number_of_ids_is_bounded() {
        let coordinator = Coordinator::default();
        for n in 0..REMEMBERED_IDS + 10 {
            coordinator.with(&format!("id-{n}"), |_| Ok(())).unwrap();
        }
        assert_eq!(coordinator.transactions.lock().len(), REMEMBERED_IDS);
    }

    #[test]
    fn an_id_with_a_transaction_open_is_not_forgotten_for_another() {
        let coordinator = Coordinator::default();
        for n in 0..REMEMBERED_IDS {
            let opened = coordinator.with(&format!("id-{n}"), |transaction| {
                let producer = transaction.producer();
                transaction.add_partitions(producer, [("orders".to_owned(), 0)], now_ms())
            });
            opened.unwrap();
        }
        let one_more = || coordinator.with("one more", |_| Ok(()));
        assert_eq!(one_more(), Err(ResponseError::CoordinatorNotAvailable));
        let end = |transaction: &mut Transaction| {
            transaction.end(transaction.producer(), true, Protocol::First, || 0, now_ms())
        };
        coordinator.with_known("id-7", end).unwrap();
        assert_eq!(one_more(), Ok(()));
        assert!(coordinator.look("id-7", |_| ()).is_none());
    }
}
