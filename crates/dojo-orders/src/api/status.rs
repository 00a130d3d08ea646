//! `GET /status`: who is there, who reads what and how far, and what Kafka holds.

use crate::{
    api::instances::{self, InstanceView},
    app::App,
    config::group_of,
    log::stable_offsets::{PartitionOffsets, WATCHED},
};
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use dojo_contract::{InstanceStatus, PartitionStatus, time, topic};
use dojo_http::NoQuery;
use dojo_kafka::Connectivity;
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::timeout;
use utoipa::ToSchema;

const TOPICS_WITHIN: Duration = Duration::from_secs(2);

/// What the order service knows of the dojo.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    kafka: KafkaView,
    /// Every instance that has reported.
    instances: Vec<InstanceView>,
    /// The consumer groups, as their live members report them.
    groups: Vec<Group>,
    /// The topics; null where Kafka is away, or doesn't answer in time.
    #[schema(required)]
    topics: Option<Vec<Topic>>,
    orders: OrdersView,
}

/// The Kafka that the dojo uses.
#[derive(Serialize, ToSchema)]
struct KafkaView {
    /// Where clients first connect to.
    brokers: String,
    /// What comes before the name of every topic and group on the cluster. Names here are without it.
    prefix: String,
    /// Whether the broker is the one that is embedded in the dojo.
    embedded: bool,
    state: KafkaState,
    /// The state in a sentence.
    detail: String,
}

/// Whether Kafka can be reached.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum KafkaState {
    Unknown,
    Up,
    Away,
}

/// A consumer group.
#[derive(Serialize, ToSchema)]
struct Group {
    group: String,
    members: Vec<Member>,
}

/// A member of a consumer group.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Member {
    instance_id: String,
    partitions: Vec<PartitionStatus>,
}

/// A topic.
#[derive(Serialize, ToSchema)]
struct Topic {
    name: &'static str,
    partitions: Vec<TopicPartition>,
}

/// A partition of a topic.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TopicPartition {
    partition: i32,
    /// Offset of the oldest record.
    earliest_offset: i64,
    /// Offset of the next record.
    end_offset: i64,
    /// Offset up to which, exclusively, readers of committed records read. On topics that are written in transactions.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_stable_offset: Option<i64>,
    /// Since when an open transaction has held that offset where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    stable_since: Option<String>,
}

/// The orders list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OrdersView {
    /// Orders that the list has.
    count: usize,
    /// Orders that are older than those.
    older: u64,
    /// Whether `orders` was read to its end since the start.
    caught_up: bool,
    /// Records of `orders` that could not be read.
    unreadable_records: u64,
    /// Events whose notification was delivered twice.
    notified_twice: u64,
}

/// Returns who is there, who reads what and how far, and what Kafka holds
#[utoipa::path(
    get,
    path = "/status",
    tag = "dojo",
    operation_id = "getStatus",
    responses((status = 200, description = "What the order service knows, also while Kafka is away.", body = Status))
)]
pub(crate) async fn status(State(app): State<Arc<App>>, _: NoQuery) -> Json<Status> {
    let now = Utc::now();
    let topics = topics(&app).await;
    let connectivity = app.producer.connectivity().borrow().clone();
    let orders = orders(&app);
    Json(Status {
        kafka: KafkaView {
            brokers: app.config.kafka.brokers.clone(),
            prefix: app.config.kafka.prefix.to_string(),
            embedded: app.config.embedded_broker,
            state: state(&connectivity),
            detail: connectivity.to_string(),
        },
        instances: instances::views(&app, now),
        groups: groups(app.models.instances.all(), now),
        topics,
        orders,
    })
}

/// Locks the orders list once: a second lock for reading would wait behind a writer that waits for the first one to end.
fn orders(app: &App) -> OrdersView {
    let (count, older) = {
        let list = app.models.orders();
        (list.len(), list.older())
    };
    OrdersView {
        count,
        older,
        caught_up: app.models.is_caught_up(),
        unreadable_records: app.models.unreadable(),
        notified_twice: app.models.page_rows().notified_twice(),
    }
}

fn state(connectivity: &Connectivity) -> KafkaState {
    match connectivity {
        Connectivity::Unknown => KafkaState::Unknown,
        Connectivity::Up => KafkaState::Up,
        Connectivity::Away { .. } => KafkaState::Away,
    }
}

/// The consumer groups, out of what their members say of themselves.
fn groups(instances: Vec<InstanceStatus>, now: DateTime<Utc>) -> Vec<Group> {
    let mut groups: BTreeMap<_, Vec<Member>> = BTreeMap::new();
    for status in instances.into_iter().filter(|status| status.is_live(now)) {
        let Some(group) = group_of(&status) else { continue };
        let member = Member { instance_id: status.instance_id, partitions: status.partitions };
        groups.entry(group).or_default().push(member);
    }
    groups.into_iter().map(|(group, members)| Group { group: group.into_owned(), members }).collect()
}

/// A partition of a topic that is written in transactions, too.
fn marked((partition, mark): (i32, PartitionOffsets)) -> TopicPartition {
    TopicPartition {
        partition,
        earliest_offset: mark.earliest,
        end_offset: mark.end,
        last_stable_offset: Some(mark.stable),
        stable_since: mark.still_since.map(time::format),
    }
}

fn plain((partition, (earliest_offset, end_offset)): (i32, (i64, i64))) -> TopicPartition {
    TopicPartition { partition, earliest_offset, end_offset, last_stable_offset: None, stable_since: None }
}

/// `None` where Kafka does not tell in time.
async fn topics(app: &App) -> Option<Vec<Topic>> {
    if app.producer.is_away() {
        return None;
    }
    let one = |name: &'static str| async move {
        let partitions = if WATCHED.contains(&name) {
            app.offsets.look(name).await.ok()?.into_iter().map(marked).collect()
        } else {
            app.producer.watermarks(name).await.ok()?.into_iter().map(plain).collect()
        };
        Some(Topic { name, partitions })
    };
    let all = futures::future::join_all(topic::TOPICS.iter().map(|spec| one(spec.name)));
    let told = timeout(TOPICS_WITHIN, all).await.ok()?;
    Some(told.into_iter().flatten().collect())
}
