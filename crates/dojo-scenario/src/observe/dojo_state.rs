//! The state of the dojo as the order service shows it, and what expectations say about it: lag, owners, members and
//! rebalances.
//!
//! A state is met as soon as it holds.

use super::{
    Judgement,
    api::{DojoStatus, Member, RebalanceList, TopicList},
};
use crate::{
    document::{LagExpectation, MembersExpectation, RebalancesExpectation},
    scalar::counted,
};
use dojo_contract::topic;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The lag of a group: it lies between the two, because reports are up to two seconds old.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Lag {
    reported: u64,
    most: u64,
}

/// The groups of the dojo that read `orders`.
const STARTS_AT_THE_OLDEST: [&str; 2] = [topic::NOTIFICATION_GROUP, topic::FRAUD_GROUP];

/// The newest state of the dojo.
#[derive(Debug, Default)]
pub(super) struct DojoState {
    status: Option<DojoStatus>,
    /// The lag of a group on a partition of `orders`, by its committed offset. `None` until the order service has answered.
    committed_lag: Option<BTreeMap<(String, i32), Option<i64>>>,
    /// Rebalances by group since the first list.
    rebalances: BTreeMap<String, u64>,
    /// `since` of the last list, and its highest number.
    last_list: Option<(Option<String>, u64)>,
}

impl DojoState {
    /// Takes the answer of `GET /status`. One that can't be read is no state.
    pub fn status(&mut self, answer: &Value) {
        self.status = DojoStatus::deserialize(answer).ok();
    }

    pub fn topics(&mut self, list: &TopicList) {
        let orders = list.topics.iter().filter(|listed| listed.name == topic::ORDERS);
        let groups = orders.flat_map(|listed| &listed.groups);
        let lags = groups.flat_map(|group| {
            group.partitions.iter().map(|at| ((group.group.clone(), at.partition), at.lag))
        });
        self.committed_lag = Some(lags.collect());
    }

    /// Counts the rebalances that are new since the last list; the first one shows what was before the run.
    pub fn rebalances(&mut self, answer: &Value) {
        let Ok(list) = RebalanceList::deserialize(answer) else { return };
        let highest = list.rebalances.iter().map(|rebalance| rebalance.id).max().unwrap_or(0);
        let known = match &self.last_list {
            None => highest,
            Some((since, known)) if *since == list.since => *known,
            // The order service has restarted, and numbers its rebalances from 1 again.
            Some(_) => 0,
        };
        for rebalance in list.rebalances.iter().filter(|rebalance| rebalance.id > known) {
            *self.rebalances.entry(rebalance.group.clone()).or_default() += 1;
        }
        self.last_list = Some((list.since.clone(), highest.max(known)));
    }

    /// Forgets the state, but not the rebalances.
    pub fn forget(&mut self) {
        self.status = None;
        self.committed_lag = None;
    }

    /// Judges a lag. That a group is far behind is taken from its reports; that it is close to the end must hold against the
    /// present end, too.
    pub fn judge_lag(&self, expected: &LagExpectation, time_is_up: bool) -> Judgement {
        let missed = time_is_up.then_some(false);
        let Some(status) = &self.status else { return Judgement { met: missed, seen: NO_STATUS.to_owned() } };
        let partitions = match expected.partition {
            Some(partition) => vec![partition],
            None => status.partitions_of_orders(),
        };
        let mut sum = Lag::default();
        for partition in partitions {
            let Some(lag) = self.lag(status, &expected.group, partition) else {
                let seen = format!("the lag of {} in partition {partition} isn't known", expected.group);
                return Judgement { met: missed, seen };
            };
            sum.reported = sum.reported.saturating_add(lag.reported);
            sum.most = sum.most.saturating_add(lag.most);
        }
        let fits = expected.at_least.is_none_or(|least| sum.reported >= least)
            && expected.at_most.is_none_or(|most| sum.most <= most);
        let seen = match sum {
            Lag { reported, most } if most > reported => {
                format!("a lag of {reported} to {}", counted(most, "record"))
            }
            Lag { reported, .. } => format!("a lag of {}", counted(reported, "record")),
        };
        Judgement { met: if fits { Some(true) } else { missed }, seen }
    }

    fn lag(&self, status: &DojoStatus, group: &str, partition: i32) -> Option<Lag> {
        let owners = status.members(group).filter_map(|member| member.on_orders(partition));
        match owners.max_by_key(|owned| owned.lag) {
            Some(owned) => {
                let reported = u64::try_from(owned.lag).ok()?;
                let position = u64::try_from(owned.position).ok()?;
                let end = status.end_of_orders(partition).and_then(|end| u64::try_from(end).ok());
                let most = end.map_or(reported, |end| end.saturating_sub(position).max(reported));
                Some(Lag { reported, most })
            }
            None => {
                let committed = self.committed_lag.as_ref()?.get(&(group.to_owned(), partition)).copied();
                // A group of the dojo that has committed nothing starts at the oldest record.
                let whole = || {
                    if STARTS_AT_THE_OLDEST.contains(&group) {
                        status.length_of_orders(partition)
                    } else {
                        None
                    }
                };
                let lag = u64::try_from(committed.flatten().or_else(whole)?).ok()?;
                Some(Lag { reported: lag, most: lag })
            }
        }
    }

    /// Judges who reads a partition: an instance, or another than an instance.
    pub fn judge_owner(
        &self,
        group: &str,
        partition: i32,
        is: Option<&str>,
        is_not: Option<&str>,
        time_is_up: bool,
    ) -> Judgement {
        let missed = time_is_up.then_some(false);
        let Some(status) = &self.status else { return Judgement { met: missed, seen: NO_STATUS.to_owned() } };
        let owners = status.members(group).filter(|member| member.on_orders(partition).is_some());
        let owners: Vec<_> = owners.map(|member| member.instance_id.as_str()).collect();
        // Two owners: the reports of one of them are out of date.
        let fits = owners.len() == 1
            && is.is_none_or(|is| owners.contains(&is))
            && is_not.is_none_or(|is_not| !owners.contains(&is_not));
        let seen = match &owners[..] {
            [] => "no live instance reads it".to_owned(),
            [owner] => format!("{owner} reads it"),
            owners => format!("{} report that they read it", owners.join(" and ")),
        };
        Judgement { met: if fits { Some(true) } else { missed }, seen }
    }

    pub fn judge_members(&self, expected: &MembersExpectation, time_is_up: bool) -> Judgement {
        let missed = time_is_up.then_some(false);
        let Some(status) = &self.status else { return Judgement { met: missed, seen: NO_STATUS.to_owned() } };
        // An instance that is still starting has no partition yet, and isn't idle.
        let running = status.members(&expected.group).filter(|member| status.is_running(&member.instance_id));
        let (mut members, mut idle) = (0, 0);
        for member in running {
            members += 1;
            idle += u64::from(member.partitions.is_empty());
        }
        let fits = members == expected.exactly && expected.idle.is_none_or(|wanted| idle == wanted);
        let seen = format!("{}, {idle} of them idle", counted(members, "member"));
        Judgement { met: if fits { Some(true) } else { missed }, seen }
    }

    /// Returns a line for each live member of a group: which partitions it reads, and how far it is behind.
    pub fn members(&self, group: &str) -> Vec<String> {
        let members = self.status.iter().flat_map(|status| status.members(group)).take(MEMBERS_SHOWN);
        let described = members.map(|Member { instance_id, partitions }| match &partitions[..] {
            [] => format!("{instance_id} reads no partition"),
            partitions => {
                let read = partitions.iter().map(|read| {
                    let lag = match u64::try_from(read.lag) {
                        Ok(lag) => format!("{} behind", counted(lag, "record")),
                        Err(_) => "lag unknown".to_owned(),
                    };
                    format!("{} {} ({lag})", read.topic, read.partition)
                });
                format!("{instance_id} reads {}", read.collect::<Vec<_>>().join(", "))
            }
        });
        described.collect()
    }

    /// Judges the number of rebalances: "at least" as soon as it is reached, "at most" when the time is up.
    pub fn judge_rebalances(&self, expected: &RebalancesExpectation, time_is_up: bool) -> Judgement {
        let missed = time_is_up.then_some(false);
        if self.last_list.is_none() {
            let seen = "the order service has not listed its rebalances".to_owned();
            return Judgement { met: missed, seen };
        }
        let number = self.rebalances.get(&expected.group).copied().unwrap_or(0);
        let reached = expected.at_least.is_none_or(|least| number >= least);
        let met = match expected.at_most {
            Some(most) if number > most => Some(false),
            Some(_) => time_is_up.then_some(reached),
            None if reached => Some(true),
            None => missed,
        };
        Judgement { met, seen: format!("{} since the run began", counted(number, "rebalance")) }
    }
}

/// Where the reason of an unexpected lag is most likely to be found.
pub(super) const LOOK_FOR_LAG: &str =
    "are the group's instances running and keeping up? GET /status shows the instances and their lag";
/// Where the reason of unexpected members is most likely to be found.
pub(super) const LOOK_FOR_MEMBERS: &str = "did every instance start and join its group? GET /instances shows them; GET /rebalances says what happened";

/// Most members of a group that evidence describes.
const MEMBERS_SHOWN: usize = 20;

const NO_STATUS: &str = "the order service has not answered GET /status";
