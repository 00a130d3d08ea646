//! `GET /status`: who is there, who reads what and how far, and what Kafka holds.

use crate::{
    api::instances,
    app::App,
    config::group_of,
    log::stable_offsets::{PartitionOffsets, WATCHED},
};
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use dojo_contract::{InstanceStatus, time, topic};
use dojo_http::NoQuery;
use dojo_kafka::Connectivity;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::timeout;

const TOPICS_WITHIN: Duration = Duration::from_secs(2);

pub(crate) async fn status(State(app): State<Arc<App>>, _: NoQuery) -> Json<Value> {
    let now = Utc::now();
    let topics = topics(&app).await;
    let connectivity = app.producer.connectivity().borrow().clone();
    Json(json!({
        "kafka": {
            "brokers": app.config.kafka.brokers,
            // Names here are the contract's; on the cluster this comes before each.
            "prefix": app.config.kafka.prefix.to_string(),
            "embedded": app.config.embedded_broker,
            "state": state(&connectivity),
            "detail": connectivity.to_string(),
        },
        "instances": instances::views(&app, now),
        "groups": groups(&app.models.instances.all(), now),
        "topics": topics,
        "orders": {
            "count": app.models.orders().len(),
            "older": app.models.orders().older(),
            "caughtUp": app.models.is_caught_up(),
            "unreadableRecords": app.models.unreadable(),
            "notifiedTwice": app.models.page_rows().notified_twice(),
        },
    }))
}

fn state(connectivity: &Connectivity) -> &'static str {
    match connectivity {
        Connectivity::Unknown => "unknown",
        Connectivity::Up => "up",
        Connectivity::Away { .. } => "away",
    }
}

/// The consumer groups, out of what their members say of themselves.
fn groups(instances: &[InstanceStatus], now: DateTime<Utc>) -> Value {
    let mut groups: BTreeMap<_, Vec<Value>> = BTreeMap::new();
    for status in instances.iter().filter(|status| status.is_live(now)) {
        let Some(group) = group_of(status) else { continue };
        let member = json!({"instanceId": status.instance_id, "partitions": status.partitions});
        groups.entry(group).or_default().push(member);
    }
    groups.into_iter().map(|(group, members)| json!({"group": group, "members": members})).collect()
}

/// A partition of a topic that is written in transactions, too.
fn marked(partition: i32, mark: PartitionOffsets) -> Value {
    let mut view = json!({
        "partition": partition,
        "earliestOffset": mark.earliest,
        "endOffset": mark.end,
        "lastStableOffset": mark.stable,
    });
    if let Some(since) = mark.still_since {
        view["stableSince"] = json!(time::format(since));
    }
    view
}

/// Null where Kafka does not tell in time.
async fn topics(app: &App) -> Value {
    if app.producer.is_away() {
        return Value::Null;
    }
    let one = |name: &'static str| async move {
        let partitions: Vec<Value> = if WATCHED.contains(&name) {
            let marks = app.offsets.look(name).await.ok()?;
            marks.into_iter().map(|(partition, mark)| marked(partition, mark)).collect()
        } else {
            let marks = app.producer.watermarks(name).await.ok()?;
            let partition = |(partition, (earliest, end))| json!({"partition": partition, "earliestOffset": earliest, "endOffset": end});
            marks.into_iter().map(partition).collect()
        };
        Some(Map::from_iter([("name".to_owned(), json!(name)), ("partitions".to_owned(), json!(partitions))]))
    };
    let all = futures::future::join_all(topic::TOPICS.iter().map(|spec| one(spec.name)));
    let told = timeout(TOPICS_WITHIN, all).await.ok();
    told.map_or(Value::Null, |topics| json!(topics.into_iter().flatten().collect::<Vec<_>>()))
}
