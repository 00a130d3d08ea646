//! Which service sends and receives what.

use super::{
    parts::{KAFKA_BINDING, message},
    stream,
    topics::{AUDIT_EVENT, DEAD_LETTER, INSTANCE_STATUS, ORDER_EVENT, REMOVAL, RUN, UNREADABLE},
};
use crate::config::Config;
use dojo_contract::{
    ControlKind, Setting,
    topic::{
        AUDIT, AUDIT_GROUP, FRAUD_GROUP, NOTIFICATION_GROUP, ORDERS, ORDERS_DLQ, RUNS, SETTINGS,
        SSE_RELAY_GROUP, STATUS,
    },
};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Whether a service sends or receives.
#[derive(Clone, Copy)]
enum Action {
    Send,
    Receive,
    /// As a member of a consumer group.
    ReceiveIn(&'static str),
}

use Action::{Receive, ReceiveIn, Send};

/// What one service does with one topic: service, action, topic, messages (empty: all of the topic), and why.
type Flow = (&'static str, Action, &'static str, &'static [&'static str], &'static str);

const FLOWS: &[Flow] = &[
    ("orderService", Send, AUDIT, &[AUDIT_EVENT], "Reports each change before it is made, and each redrive."),
    (
        "orderService",
        Send,
        ORDERS,
        &[ORDER_EVENT],
        "Makes the changes that clients ask for, and sends dead letters back.",
    ),
    ("orderService", Send, SETTINGS, &[], "Changes settings, and asks instances to do something."),
    ("orderService", Send, STATUS, &[INSTANCE_STATUS], "Reports every two seconds and on change."),
    (
        "orderService",
        Send,
        RUNS,
        &[RUN, REMOVAL],
        "Keeps what `dojo-run` reports, and what a run has changed.",
    ),
    (
        "orderService",
        Receive,
        RUNS,
        &[RUN, REMOVAL],
        "Knows which run holds the lease, and what to put back.",
    ),
    ("orderService", Receive, ORDERS, &[ORDER_EVENT], "Builds the orders list, and streams the events."),
    (
        "orderService",
        ReceiveIn(SSE_RELAY_GROUP),
        AUDIT,
        &[AUDIT_EVENT],
        "Streams the events, and shows how deliveries ended.",
    ),
    (
        "orderService",
        ReceiveIn(SSE_RELAY_GROUP),
        ORDERS_DLQ,
        &[DEAD_LETTER, UNREADABLE],
        "Streams and lists the dead letters.",
    ),
    ("orderService", Receive, SETTINGS, &[], "Shows the settings."),
    (
        "orderService",
        Receive,
        STATUS,
        &[INSTANCE_STATUS, REMOVAL],
        "Knows the instances, and what they have applied.",
    ),
    (
        "notificationService",
        ReceiveIn(NOTIFICATION_GROUP),
        ORDERS,
        &[ORDER_EVENT],
        "Delivers a notification of each event.",
    ),
    ("notificationService", Send, ORDERS, &[ORDER_EVENT], "Sends an event again whose delivery failed."),
    ("notificationService", Send, AUDIT, &[AUDIT_EVENT], "Reports how each delivery ended."),
    (
        "notificationService",
        Send,
        ORDERS_DLQ,
        &[DEAD_LETTER, UNREADABLE],
        "Gives up an event, or a record that it can't read.",
    ),
    ("notificationService", Receive, SETTINGS, &[], "Applies the settings."),
    ("notificationService", Send, STATUS, &[INSTANCE_STATUS], "Reports every two seconds and on change."),
    ("fraudService", ReceiveIn(FRAUD_GROUP), ORDERS, &[ORDER_EVENT], "Judges each new order."),
    ("fraudService", Send, AUDIT, &[AUDIT_EVENT], "Reports the verdict on each new order."),
    ("fraudService", Receive, AUDIT, &[AUDIT_EVENT], "Recognizes after a restart what it has judged."),
    ("fraudService", Receive, SETTINGS, &[], "Applies the settings."),
    ("fraudService", Send, STATUS, &[INSTANCE_STATUS], "Reports every two seconds and on change."),
    ("auditService", ReceiveIn(AUDIT_GROUP), AUDIT, &[AUDIT_EVENT], "Prints a line for each event."),
    ("auditService", Receive, SETTINGS, &[], "Obeys what it is asked to do."),
    ("auditService", Send, STATUS, &[INSTANCE_STATUS], "Reports every two seconds and on change."),
    ("supervisor", Receive, SETTINGS, &[], "Starts and ends the processes of instances."),
    (
        "supervisor",
        Send,
        STATUS,
        &[INSTANCE_STATUS, REMOVAL],
        "Reports every two seconds, and removes instances that it ended.",
    ),
];

/// Returns the operations by their ids.
pub(super) fn operations(config: &Config) -> Map<String, Value> {
    let mut operations: Map<_, _> = FLOWS.iter().map(|flow| operation(flow, config)).collect();
    operations.insert("orderService.send.events".to_owned(), stream::operation());
    operations
}

fn operation((service, action, topic, messages, summary): &Flow, config: &Config) -> (String, Value) {
    let (verb, group) = match action {
        Send => ("send", None),
        Receive => ("receive", None),
        // A further replica of the order service has its own group.
        ReceiveIn(SSE_RELAY_GROUP) => ("receive", Some(config.relay_group())),
        ReceiveIn(group) => ("receive", Some(Cow::Borrowed(*group))),
    };
    let names = if messages.is_empty() { settings() } else { messages.to_vec() };
    let mut operation = json!({
        "action": verb,
        "channel": {"$ref": format!("#/channels/{topic}")},
        "summary": summary,
        "tags": [{"name": service}],
        "messages": names.iter().map(|name| message(topic, name)).collect::<Vec<_>>(),
    });
    if let Some(group) = group {
        let group = json!({"type": "string", "const": format!("{}{group}", config.kafka.prefix), "description": "The consumer group."});
        operation["bindings"] = json!({"kafka": {"groupId": group, "bindingVersion": KAFKA_BINDING}});
    }
    (format!("{service}.{verb}.{topic}"), operation)
}

/// The messages of `dojo-settings`.
fn settings() -> Vec<&'static str> {
    let values = Setting::ALL.map(Setting::name).into_iter().chain(ControlKind::ALL.map(ControlKind::name));
    values.chain([REMOVAL]).collect()
}
