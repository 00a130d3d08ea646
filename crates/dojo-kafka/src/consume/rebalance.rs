//! A member at a rebalance: it completes the work under way, gives up its partitions, and takes up its new share.

use super::{
    callbacks::Rebalance,
    delivery::Interrupt,
    member::{Member, Withheld},
};
use crate::{AssignedPartition, Error, Handler, LogLookup as _, StartAt};
use dojo_contract::PartitionStatus;
use rdkafka::{Offset, TopicPartitionList, consumer::Consumer as _, error::KafkaError};
use std::time::{Duration, Instant};

const COMMITTED_WITHIN: Duration = Duration::from_secs(2);

/// librdkafka aborts the process if the same partitions are assigned again before the last assignment has taken effect.
const ASSIGN_EVERY: Duration = Duration::from_secs(1);

impl<H: Handler> Member<H> {
    /// Acts on librdkafka's reports since the last turn.
    pub(super) fn rebalance(&mut self) -> Result<(), Interrupt> {
        loop {
            let next = self.consumer.context().rebalances().pop_front();
            match next {
                None => break,
                Some(Rebalance::Revoke) => self.revoke()?,
                Some(Rebalance::Assign(share)) => {
                    if let Err(error) = self.assign(&share) {
                        return self.assign_later(share, error);
                    }
                }
            }
        }
        if self.withheld.as_ref().is_some_and(|withheld| Instant::now() >= withheld.until)
            && let Some(Withheld { share, .. }) = self.withheld.take()
        {
            tracing::warn!(
                group = self.job.consume.group,
                partitions = share.count(),
                "another member has the other partitions; continuing without them"
            );
            if let Err(error) = self.take_up(&share) {
                return self.assign_later(share, error);
            }
        }
        Ok(())
    }

    fn revoke(&mut self) -> Result<(), Error> {
        self.delivery.revoke(&self.consumer);
        self.forget_share();
        self.job.progress.taken();
        self.consumer.unassign().map_err(|source| self.group_error("give up its partitions", source))
    }

    /// Forgets everything about the share that was taken up.
    pub(super) fn forget_share(&mut self) {
        self.delivery.ledger().assign([]);
        self.resume_all();
        self.handler.revoked();
        self.owned = TopicPartitionList::new();
        self.withheld = None;
        // Another instance may read these partitions now, and this one isn't behind with them.
        for PartitionStatus { topic, partition, .. } in self.job.progress.partitions() {
            self.consumer.context().report_lag(&topic, partition, 0);
        }
    }

    fn assign(&mut self, share: &TopicPartitionList) -> Result<(), Error> {
        let partitions = share.count();
        let of = self.partitions_needed()?;
        if partitions == 0 || partitions >= of {
            self.incomplete_since = None;
            return self.take_up(share);
        }
        let until = *self.incomplete_since.get_or_insert_with(Instant::now) + self.withhold_for;
        if Instant::now() >= until {
            return self.take_up(share);
        }
        let group = &self.job.consume.group;
        tracing::warn!(
            group,
            partitions,
            of,
            "this service needs every partition; waiting for the missing ones"
        );
        // Reads nothing, but accepts the group's assignment, so that the next rebalance finds this member ready.
        self.consumer
            .assign(&TopicPartitionList::new())
            .map_err(|source| self.group_error("wait for its other partitions", source))?;
        self.job.progress.waits(format!(
            "waiting for every partition: the group {group} has given this instance {partitions} of {of}"
        ));
        self.withheld = Some(Withheld { share: share.clone(), until });
        Ok(())
    }

    /// Returns how many partitions this member needs before it can work.
    fn partitions_needed(&self) -> Result<usize, Error> {
        match self.topics.names[..] {
            [topic] if self.job.consume.needs_every_partition => self.lookup.partitions(topic),
            _ => Ok(0),
        }
    }

    /// Starts to read `share`.
    fn take_up(&mut self, share: &TopicPartitionList) -> Result<(), Error> {
        self.read_from_committed(share)?;
        self.owned = share.clone();
        Ok(())
    }

    /// Reads the member's share again from the committed offsets, at the next turn.
    pub(super) fn take_up_again(&mut self) {
        if self.owned.count() > 0 {
            std::thread::sleep(ASSIGN_EVERY.saturating_sub(self.last_assigned.elapsed()));
            let share = self.owned.clone();
            self.forget_share();
            self.assign_next(share);
        }
    }

    /// Tries `share` again at the next turn, since Kafka may only be away.
    fn assign_later(&mut self, share: TopicPartitionList, error: Error) -> Result<(), Interrupt> {
        if !error.may_pass() {
            return Err(error.into());
        }
        self.warn_once("can't start reading its partitions yet", &error);
        self.assign_next(share);
        Ok(())
    }

    /// Takes up `share` at the next turn, unless the group has rebalanced again by then.
    fn assign_next(&self, share: TopicPartitionList) {
        let mut rebalances = self.consumer.context().rebalances();
        if rebalances.is_empty() {
            rebalances.push_back(Rebalance::Assign(share));
        }
    }

    fn read_from_committed(&mut self, share: &TopicPartitionList) -> Result<(), Error> {
        let committed = self.committed(share)?;
        let starts = self.handler.assigned(&committed, &self.lookup)?;
        let mut list = TopicPartitionList::with_capacity(committed.len());
        for AssignedPartition { topic, partition, committed } in &committed {
            let asked = starts.iter().find(|s: &&StartAt| s.topic == *topic && s.partition == *partition);
            let start = asked.map(|s| s.offset).or(*committed).map_or(Offset::Beginning, Offset::Offset);
            list.add_partition_offset(&self.topics.prefix.on_cluster(topic), *partition, start)
                .map_err(|source| self.group_error("start at an offset", source))?;
        }
        let topics = &self.topics;
        self.delivery.ledger().assign(
            committed.iter().filter_map(|c| Some(((topics.index(&c.topic)?, c.partition), c.committed))),
        );
        self.resume_all();
        self.consumer.assign(&list).map_err(|source| self.group_error("take up its partitions", source))?;
        self.last_assigned = Instant::now();
        let owned: Vec<_> = committed.iter().map(|c| format!("{}/{}", c.topic, c.partition)).collect();
        tracing::info!(group = self.job.consume.group, partitions = owned.join(" "), "assigned");
        let limitation = self.incomplete_since.map(|_| {
            let partitions = committed.len();
            format!("working without every partition: another member of its group has all but {partitions}")
        });
        let owned = committed.into_iter().map(|c| ((c.topic, c.partition), c.committed)).collect();
        self.job.progress.given(owned, limitation);
        Ok(())
    }

    fn committed(&self, partitions: &TopicPartitionList) -> Result<Vec<AssignedPartition>, Error> {
        let list = self
            .consumer
            .committed_offsets(partitions.clone(), COMMITTED_WITHIN)
            .map_err(|source| self.group_error("read its committed offsets", source))?;
        let offset = |o| if let Offset::Offset(offset) = o { Some(offset) } else { None };
        Ok(list
            .elements()
            .iter()
            .map(|e| AssignedPartition {
                topic: self.topics.prefix.in_contract(e.topic()).to_owned(),
                partition: e.partition(),
                committed: offset(e.offset()),
            })
            .collect())
    }

    fn group_error(&self, attempt: &'static str, source: KafkaError) -> Error {
        Error::Group { group: self.job.consume.group.clone(), attempt, source: Box::new(source) }
    }
}
