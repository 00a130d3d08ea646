//! `GET /`: the page's first picture, taken from the model that also answers the API, and the cursor at which its
//! script continues, so that no event is missing and none is shown twice.
//!
//! Only the template has the markup of a row; the script clones it. Texts from people and records are escaped here, and
//! the script sets them as text.

pub(crate) mod assets;
mod glossary;
mod gzip;
pub(crate) mod template;

use crate::{
    app::App,
    log::stream_topic::StreamTopic,
    read_models::{
        page_rows::{DeadLetter, Row, Verdict, partial},
        redrives::{Place, Redrive, Redrives},
    },
    read_only::{Part, ReadOnly},
};
use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{Html, IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use dojo_contract::{
    AuditEvent, Control, Defaults, DesiredState, InstanceStatus, Order, OrderStatus, Service, Setting,
    SettingValue, Settings, WindowStats, time,
};
use dojo_http::Problem;
use dojo_kafka::SettingsFollower;
use glossary::{Entry, GLOSSARY};
use gzip::takes_gzip;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use uuid::Uuid;

/// Orders in the first picture; in the script the list grows to `MOST_ROWS`.
const ORDERS: usize = 100;
/// Characters of an id that tell the orders of one workshop apart.
const SHORT_ID: usize = 8;

/// Returns the page
#[utoipa::path(
    get,
    path = "/",
    tag = "page",
    operation_id = "getPage",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html; charset=utf-8"))
)]
pub(crate) async fn page(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    // Reading the templates' files blocks, and compressing takes a millisecond.
    let filled = tokio::task::spawn_blocking(move || {
        let html = app.template.fill(|why| {
            let mut picture = PageView::of(&app);
            picture.problems.extend(why);
            picture
        })?;
        let no_store = [(header::CACHE_CONTROL, "no-store")];
        Ok::<_, minijinja::Error>(if takes_gzip(&headers) {
            let compressed = gzip::compressed(&html, gzip::FAST);
            (no_store, gzip::VARIES, gzip::ENCODING, Html(compressed)).into_response()
        } else {
            (no_store, gzip::VARIES, Html(html)).into_response()
        })
    });
    let page = filled.await.map_err(|panicked| Problem::internal(panicked.to_string()))?;
    page.map_err(|error| Problem::internal(format!("{error:#}")))
}

/// Everything that the page shows at one moment, as texts.
#[derive(Serialize)]
struct PageView {
    cursor: String,
    ready: bool,
    instance_id: String,
    embedded: bool,
    brokers: String,
    prefix: String,
    can: Can,
    problems: Vec<String>,
    orders: Vec<OrderRow>,
    /// Orders that are older than the list.
    older: u64,
    /// Every status that an order can be given.
    statuses: [&'static str; OrderStatus::ALL.len()],
    audit: Vec<AuditRow>,
    alerts: Vec<AuditRow>,
    dead_letters: Vec<DeadLetterRow>,
    /// The values for all instances, by the setting's name.
    settings: BTreeMap<&'static str, SettingView>,
    /// What the topic `dojo-settings` holds: a JSON object of its keys and values. The stream goes on from there.
    topic_settings: String,
    notified_twice: u64,
    instances: Vec<InstanceCard>,
    /// Whether there is a supervisor, which can add and remove processes.
    supervisor: bool,
    glossary: &'static [Entry],
    /// A JSON object of what came in each of the last seconds, for the board.
    rates: String,
}

/// What the page lets a person change. The template leaves out the controls of everything else.
#[derive(Serialize, Clone, Copy)]
struct Can {
    orders: bool,
    settings: bool,
    instances: bool,
    dlq: bool,
    records: bool,
    rules: bool,
    scenarios: bool,
}

impl Can {
    fn with(read_only: &ReadOnly) -> Self {
        Self {
            orders: read_only.allows(Part::Orders),
            settings: read_only.allows(Part::Settings),
            instances: read_only.allows(Part::Instances),
            dlq: read_only.allows(Part::Dlq),
            records: read_only.allows(Part::Records),
            rules: read_only.allows(Part::Rules),
            scenarios: read_only.allows(Part::Scenarios),
        }
    }
}

#[derive(Serialize)]
struct OrderRow {
    id: String,
    short: String,
    customer: String,
    item: String,
    quantity: i64,
    price: String,
    total: String,
    /// Of its newest record on `orders`, as `0@17`.
    place: String,
    status: &'static str,
    at: String,
    delivery: String,
    fraud: String,
    /// Why the rule failed on it.
    mistake: String,
}

#[derive(Serialize)]
struct AuditRow {
    order_id: String,
    short: String,
    at: String,
    action: String,
    customer: String,
    by: String,
    retry: Option<u32>,
    alerts: String,
    severity: String,
    reason: String,
    rule: String,
    /// Of the record of `orders` that it is about, as `0@17`.
    about: String,
    /// The orders of the customer and of everybody in the windows of a verdict, and the version of its rule: `6 17 9ae0dfc6`.
    window: String,
}

#[derive(Serialize)]
struct DeadLetterRow {
    /// Empty if the record's key isn't the id of an order.
    order_id: String,
    offset: i64,
    short: String,
    at: String,
    what: String,
    reason: String,
    by: String,
    original: String,
    rule: String,
    /// One a line.
    headers: String,
    /// A JSON list. The stream goes on from there.
    redrives: String,
}

/// A setting's value, and the value it falls back to when the topic has none.
#[derive(Serialize)]
struct SettingView {
    name: &'static str,
    value: String,
    source: String,
    fallback: String,
    fallback_source: String,
}

#[derive(Serialize)]
struct InstanceCard {
    id: String,
    service: &'static str,
    state: String,
    live: bool,
    partitions: Vec<PartitionTag>,
    rule: String,
    rule_error: String,
    limitation: String,
    /// When its process started.
    started_at: String,
}

#[derive(Serialize)]
struct PartitionTag {
    name: String,
    lag: String,
}

impl PageView {
    fn of(app: &App) -> Self {
        // The cursor comes first. The stream delivers what follows it, and the script recognizes an order that the
        // picture already has.
        let mut cursor = app.models.hub.end();
        let settings = app.settings.follower().map(SettingsFollower::snapshot).unwrap_or_default();
        // The settings have a reader of their own, which may be behind the stream's.
        if cursor.get(StreamTopic::Settings, 0).is_some_and(|next| settings.offset < next) {
            cursor.set(StreamTopic::Settings, 0, settings.offset, None);
        }
        let settings = settings.settings;
        let (orders, older) = {
            let list = app.models.orders();
            let orders = list.page(ORDERS, None).map(|page| page.orders).unwrap_or_default();
            let orders: Vec<_> = orders.into_iter().map(|order| (list.place(order.id), order)).collect();
            (orders, list.older())
        };
        let rows = app.models.page_rows();
        let orders =
            orders.iter().map(|(place, order)| OrderRow::of(order, *place, rows.verdict(order.id))).collect();
        let seen = |topic, partition, offset| cursor.get(topic, partition).is_some_and(|next| offset < next);
        let audit_rows = |of: &VecDeque<Row<AuditEvent>>| {
            let rows = of.iter().filter(|row| seen(StreamTopic::Audit, row.partition, row.offset));
            rows.map(|row| AuditRow::of(&row.what)).collect()
        };
        let (audit, alerts) = (audit_rows(&rows.audit), audit_rows(&rows.alerts));
        let mut dead_letters: Vec<_> = rows
            .dead_letters
            .iter()
            .filter(|row| seen(StreamTopic::DeadLetters, row.partition, row.offset))
            .map(|row| DeadLetterRow::of(row.offset, &row.what))
            .collect();
        let notified_twice = rows.notified_twice();
        drop(rows);
        {
            let redrives = app.models.redrives();
            dead_letters.iter_mut().for_each(|row| row.redrives = redrives_of(&redrives, row.offset));
        }
        let defaults = &app.config.defaults;
        let now = Utc::now();
        let mut instances = app.models.instances.all();
        let supervisors = instances.extract_if(.., |status| status.service == Service::Supervisor);
        let supervisor = supervisors.filter(|status| status.is_live(now)).count() > 0;
        instances.sort_by_key(|status| rank(status.service));
        let mut problems: Vec<_> = app.not_ready().into_iter().map(|(_, cause)| cause).collect();
        let ready = problems.is_empty();
        problems.extend(app.offsets.notices());
        for status in instances.iter().filter(|status| status.is_live(now)) {
            for problem in status.rule_error.iter().cloned().chain(limitation(status)) {
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        Self {
            cursor: cursor.to_string(),
            ready,
            instance_id: app.config.instance_id().to_owned(),
            embedded: app.config.embedded_broker,
            brokers: app.config.kafka.brokers.clone(),
            prefix: app.config.kafka.prefix.to_string(),
            can: Can::with(&app.config.page.read_only),
            problems,
            orders,
            older,
            statuses: OrderStatus::ALL.map(OrderStatus::name),
            audit,
            alerts,
            dead_letters,
            settings: settings_of_all(&settings, defaults),
            topic_settings: topic_settings(&settings).to_string(),
            notified_twice,
            instances: instances.iter().map(|status| InstanceCard::of(status, &settings, now)).collect(),
            supervisor,
            glossary: GLOSSARY,
            rates: serde_json::to_string(&*app.models.rates()).unwrap_or_default(),
        }
    }
}

impl OrderRow {
    fn of(order: &Order, place: Option<(i32, i64)>, verdict: Verdict) -> Self {
        let id = order.id.to_string();
        Self {
            short: short(&id),
            id,
            customer: order.customer_name.clone(),
            item: order.item.clone(),
            quantity: order.quantity,
            price: format!("{:.2}", order.price),
            total: format!("{:.2}", order.total()),
            place: place.map(|(partition, offset)| format!("{partition}@{offset}")).unwrap_or_default(),
            status: order.status.name(),
            at: time::format(order.created_at),
            delivery: verdict.delivery.unwrap_or_default(),
            fraud: verdict.fraud.unwrap_or_default(),
            mistake: verdict.mistake.unwrap_or_default(),
        }
    }
}

impl AuditRow {
    fn of(event: &AuditEvent) -> Self {
        let order_id = event.order_id.to_string();
        let short = short(&order_id);
        let alerts = event.alerts.as_deref().unwrap_or_default();
        let join = |texts: Vec<&str>, separator: &str| texts.join(separator);
        let reasons = join(alerts.iter().map(|alert| alert.reason.as_str()).collect(), "; ");
        Self {
            order_id,
            at: time::format(event.timestamp),
            action: wire_name(&event.action) + partial(event),
            customer: event.customer_name.clone().unwrap_or_else(|| short.clone()),
            by: event.instance_id.clone().unwrap_or_else(|| wire_name(&event.source)),
            retry: event.retry_count.filter(|count| *count > 0),
            alerts: join(alerts.iter().map(|alert| alert.kind.as_str()).collect(), ", "),
            severity: alerts.iter().map(|a| a.severity).max().map(|s| wire_name(&s)).unwrap_or_default(),
            reason: match reasons.is_empty() {
                true => event.reason.clone().unwrap_or_default(),
                false => reasons + partial(event),
            },
            rule: event.rule_version.clone().unwrap_or_default(),
            about: event.partition.zip(event.offset).map(|(p, o)| format!("{p}@{o}")).unwrap_or_default(),
            window: event.window_stats.map(|stats| window_text(stats, event)).unwrap_or_default(),
            short,
        }
    }
}

fn window_text(stats: WindowStats, event: &AuditEvent) -> String {
    let rule = event.rule_version.as_deref().unwrap_or_default();
    format!("{} {} {rule}", stats.customer_orders_in_window, stats.global_orders_in_window)
}

impl DeadLetterRow {
    fn of(offset: i64, letter: &DeadLetter) -> Self {
        let what = match (&letter.customer_name, &letter.item) {
            (Some(customer), Some(item)) => format!("{customer} · {item}"),
            _ => "unreadable record".to_owned(),
        };
        Self {
            short: short(&letter.key),
            order_id: Uuid::parse_str(&letter.key).map(|_| letter.key.clone()).unwrap_or_default(),
            offset,
            at: letter.timestamp.and_then(time::from_kafka).map(time::format).unwrap_or_default(),
            what,
            reason: letter.reason.clone(),
            by: letter.instance_id.clone().unwrap_or_default(),
            original: letter.original.clone().unwrap_or_default(),
            rule: letter.rule_version.clone().unwrap_or_default(),
            headers: letter.headers.clone(),
            redrives: String::new(),
        }
    }
}

impl SettingView {
    fn of(settings: &Settings, setting: Setting, defaults: &Defaults) -> Self {
        let (value, source) = settings.for_all(setting, defaults);
        let (fallback, fallback_source) = Settings::default().for_all(setting, defaults);
        Self {
            name: setting.name(),
            value: shown(value),
            source: wire_name(&source),
            fallback: shown(fallback),
            fallback_source: wire_name(&fallback_source),
        }
    }
}

/// A redrive, and the records on `orders` whose audit events tell what becomes of it.
#[derive(Serialize)]
struct RedriveView<'a> {
    #[serde(flatten)]
    redrive: &'a Redrive,
    tries: &'a VecDeque<Place>,
}

fn redrives_of(redrives: &Redrives, letter: i64) -> String {
    let views = redrives.with_tries(letter).map(|(redrive, tries)| RedriveView { redrive, tries });
    serde_json::to_string(&views.collect::<Vec<_>>()).unwrap_or_default()
}

/// What the topic holds, as the stream delivers it: keys and values.
fn topic_settings(settings: &Settings) -> Value {
    let values = settings.iter().map(|(name, value)| (name.to_string(), value.to_json()));
    let controls = settings.controls().flat_map(|(instance, control)| {
        let state = (control.state != DesiredState::default()).then_some(Control::State(control.state));
        let controls = state.into_iter().chain(control.crash.map(Control::Crash));
        controls.map(move |control| (control.key(instance), control.to_json()))
    });
    values.chain(controls).collect::<Map<_, _>>().into()
}

fn settings_of_all(settings: &Settings, defaults: &Defaults) -> BTreeMap<&'static str, SettingView> {
    let view = |setting: Setting| (setting.name(), SettingView::of(settings, setting, defaults));
    Setting::ALL.into_iter().map(view).collect()
}

impl InstanceCard {
    fn of(status: &InstanceStatus, settings: &Settings, now: DateTime<Utc>) -> Self {
        let id = status.instance_id.clone();
        let is_crashed = settings.control(&id).crash == Some(status.started_at);
        let live = status.is_live(now) && !is_crashed;
        let state = if is_crashed {
            "crashed".to_owned()
        } else if status.is_recent(now) {
            wire_name(&status.state)
        } else {
            "silent".to_owned()
        };
        let partitions = status.partitions.iter().map(|p| PartitionTag {
            name: format!("{} {}", p.topic, p.partition),
            lag: if p.lag < 0 { "?".to_owned() } else { p.lag.to_string() },
        });
        Self {
            service: status.service.name(),
            state,
            live,
            partitions: if live { partitions.collect() } else { Vec::new() },
            rule: status.rule_version.clone().unwrap_or_default(),
            rule_error: status.rule_error.clone().filter(|_| live).unwrap_or_default(),
            limitation: if live { limitation(status).unwrap_or_default() } else { String::new() },
            started_at: time::format(status.started_at),
            id,
        }
    }
}

/// The instance's name and what it can't do; the script shows the same text.
fn limitation(status: &InstanceStatus) -> Option<String> {
    status.limitation.as_ref().map(|limitation| format!("{}: {limitation}", status.instance_id))
}

/// Services with controls come first; the script sorts in the same way.
fn rank(service: Service) -> u8 {
    match service {
        Service::Notification => 0,
        Service::Fraud => 1,
        Service::Audit => 2,
        Service::Order => 3,
        Service::Supervisor => 4,
    }
}

/// The end of an id, because ids of version 7 begin with the time.
fn short(id: &str) -> String {
    let skip = id.chars().count().saturating_sub(SHORT_ID);
    id.chars().skip(skip).collect()
}

/// A setting's value as a person reads it.
fn shown(value: SettingValue) -> String {
    match value {
        SettingValue::Number(number) => digits(number),
        SettingValue::OnExhausted(choice) => choice.name().to_owned(),
        SettingValue::Guarantee(guarantee) => guarantee.name().to_owned(),
    }
}

fn digits(number: Decimal) -> String {
    number.normalize().to_string()
}

/// A variant's name in JSON.
fn wire_name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use template::Template;

    fn picture(order: OrderRow) -> PageView {
        PageView {
            cursor: "o1-a2".into(),
            ready: true,
            instance_id: "order-1".into(),
            embedded: true,
            brokers: "localhost:9092".into(),
            prefix: "class-7.".into(),
            can: Can::with(&ReadOnly::default()),
            problems: Vec::new(),
            orders: vec![order],
            older: 0,
            statuses: OrderStatus::ALL.map(OrderStatus::name),
            audit: Vec::new(),
            alerts: Vec::new(),
            dead_letters: Vec::new(),
            settings: settings_of_all(&Settings::default(), &Defaults::default()),
            topic_settings: "{}".into(),
            notified_twice: 0,
            instances: Vec::new(),
            supervisor: true,
            glossary: GLOSSARY,
            rates: "{}".into(),
        }
    }

    #[test]
    fn markup_in_a_name_is_shown_as_text() {
        let order = Order {
            id: Uuid::nil(),
            customer_name: "<script>alert(1)</script>\" onload='x'".into(),
            item: "</li><b>".into(),
            quantity: 1,
            price: Decimal::new(15, 1),
            status: OrderStatus::Created,
            created_at: DateTime::UNIX_EPOCH,
        };
        let html = Template::new(None)
            .unwrap()
            .fill(|_| picture(OrderRow::of(&order, None, Verdict::default())))
            .unwrap();
        assert!(html.contains("&lt;script&gt;alert(1)") && html.contains("1.50"), "{html}");
        assert!(!html.contains("<script>alert") && !html.contains("</li><b>"));
        for value in [">None<", "\"None\"", ">True<", "\"True\""] {
            assert!(!html.contains(value), "{value} is no value that HTML knows");
        }
    }

    #[test]
    fn the_page_keeps_to_its_own_security_policy() {
        for (name, source) in template::BUILT_IN {
            assert!(
                !source.contains("style=") && !source.contains("<style") && !source.contains("onclick"),
                "{name}"
            );
            assert!(!source.contains("//cdn") && !source.contains("https://"), "{name}");
            assert_eq!(source.matches("<script").count(), source.matches("<script src=\"/assets/").count());
        }
        for (name, script) in assets::scripts() {
            // The policy lets a script set one property of a style, and no text of one.
            let script = script.replace(".style.setProperty(", "");
            for dangerous in ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", ".style", "confirm("] {
                assert!(!script.contains(dangerous), "{name}: {dangerous}");
            }
        }
    }
}
