//! The event stream, `GET /events`, as a channel.

use super::parts::{Schemas, message};
use crate::{
    event_stream::data::{EventData, Gap, Heartbeat, RunData, SettingData, StatusData},
    log::stream_topic::StreamTopic,
    rebalances::rebalance::Rebalance,
};
use dojo_contract::{AuditEvent, DlqEvent, OrderEvent};
use serde_json::{Map, Value, json};

/// The name of the channel.
pub(super) const CHANNEL: &str = "events";
const REBALANCE: &str = "rebalance";
const GAP: &str = "gap";
const HEARTBEAT: &str = "heartbeat";

/// Describes the stream. The name of a message is the `event:` of the events.
pub(super) fn channel(schemas: &mut Schemas) -> Value {
    let mut messages: Map<_, _> = StreamTopic::ALL
        .into_iter()
        .map(|topic| {
            let data = match topic {
                StreamTopic::Orders => schemas.inline::<EventData<OrderEvent>>(),
                StreamTopic::Audit => schemas.inline::<EventData<AuditEvent>>(),
                StreamTopic::DeadLetters => schemas.inline::<EventData<DlqEvent>>(),
                StreamTopic::Settings => schemas.inline::<SettingData>(),
                StreamTopic::Status => schemas.inline::<StatusData>(),
                StreamTopic::Runs => schemas.inline::<RunData>(),
            };
            let summary = format!("A record of `{}`. Its `id:` is a cursor.", topic.name());
            (topic.event().to_owned(), json!({"summary": summary, "payload": data}))
        })
        .collect();
    let rebalance = "A rebalance, when it begins and each time more is known of it. It has no `id:`; `GET /rebalances` has those \
        that a client has missed.";
    messages.insert(
        REBALANCE.to_owned(),
        json!({"summary": rebalance, "payload": schemas.reference::<Rebalance>()}),
    );
    let gap =
        "What came between is gone, or the cursor belongs to another log; the log's first record follows.";
    messages.insert(GAP.to_owned(), json!({"summary": gap, "payload": schemas.reference::<Gap>()}));
    let heartbeat = "Comes every three seconds on a stream on which nothing else happens. It has no `id:`.";
    messages.insert(
        HEARTBEAT.to_owned(),
        json!({"summary": heartbeat, "payload": schemas.reference::<Heartbeat>()}),
    );
    json!({
        "address": "/events",
        "description": "Everything that happens, as server-sent events. The name of a message is its `event:`, the payload its \
            `data:`. A client that reconnects with `Last-Event-ID` gets every later record that the log still holds.",
        "servers": [{"$ref": "#/servers/http"}],
        "messages": messages,
    })
}

/// Describes who sends the stream.
pub(super) fn operation() -> Value {
    let names = StreamTopic::ALL.map(StreamTopic::event).into_iter().chain([REBALANCE, GAP, HEARTBEAT]);
    json!({
        "action": "send",
        "channel": {"$ref": format!("#/channels/{CHANNEL}")},
        "summary": "Streams everything that happens to each client of `GET /events`.",
        "tags": [{"name": "orderService"}],
        "messages": names.map(|name| message(CHANNEL, name)).collect::<Vec<_>>(),
        "bindings": {"http": {"method": "GET", "bindingVersion": "0.3.0"}},
    })
}
