//! Steps about single orders: `order`, `update` and `delete`.

use crate::{
    Placeholders, Text,
    language::{Context, Definitions, Node, Position, Read, Value, mapping, or_variable, shortened},
    scalar::{decimal, scalar},
};
use dojo_contract::{NewOrder, OrderStatus};
use rust_decimal::Decimal;
use serde_json::json;
use std::fmt;

mapping! {
    /// An order whose names may have placeholders, and whose values may be drawn by chance.
    pub struct OrderTemplate, "an order such as { customerName: Ada, item: Pizza, quantity: 1, price: 9.50 }" {
        /// Who orders: a name, a list of names, or names with weights (`{ Ada: 5, Bob: 1 }`).
        "customerName" => customer_name: Choice<Text>,
        /// What is ordered: a name, a list, or names with weights.
        "item" => item: Choice<Text>,
        /// How many: a whole number, a range such as `1..5`, or a list.
        "quantity" => quantity: Choice<i64>,
        /// The unit price in dollars: a number, a range such as `5.00..20.00`, or a list.
        "price" => price: Choice<Decimal>,
    }
}

mapping! {
    /// Places one order and waits for its answer.
    pub struct Order, "an order such as { customerName: Ada, item: Pizza, quantity: 1, price: 9.50 }" {
        ..template: OrderTemplate,
        /// The name by which later steps know this order.
        "as" => label: Option<Label>,
        /// The HTTP status of the answer, 201 by default. With another one, the order may break a limit.
        "answers" => answers: Option<u16>,
    }
}

mapping! {
    /// Changes an order that this run placed.
    pub struct Update, "an update such as { order: ada, status: preparing }" {
        /// The order, by the name that its step gave it with `as`.
        "order" => order: Label,
        /// The new name of the customer.
        "customerName" => customer_name: Option<Text>,
        /// The new item.
        "item" => item: Option<Text>,
        /// The new quantity.
        "quantity" => quantity: Option<i64>,
        /// The new unit price in dollars.
        "price" => price: Option<Decimal>,
        /// The new status: `created`, `preparing`, `delivering`, `delivered` or `cancelled`.
        "status" => status: Option<String>,
        /// The HTTP status of the answer, 200 by default.
        "answers" => answers: Option<u16>,
    }
}

mapping! {
    /// Deletes an order that this run placed.
    pub struct Delete, "a deletion such as { order: ada }" {
        /// The order, by the name that its step gave it with `as`.
        "order" => order: Label,
        /// The HTTP status of the answer, 204 by default.
        "answers" => answers: Option<u16>,
    }
}

/// The name of an order within its scenario, or of a step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(pub String);

scalar!(
    Label,
    "a name of 1 to 60 characters without placeholders",
    json!({"type": ["string", "number", "boolean"], "minLength": 1, "maxLength": 60}),
    |text| {
        let valid = !text.trim().is_empty() && text.chars().count() <= 60 && !text.contains("${");
        valid.then(|| Label(text.to_owned()))
    }
);

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value, or how to draw one by chance.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice<T> {
    /// Always this value.
    Always(T),
    /// One of these, each as often as its weight says.
    Weighted(Vec<(T, u32)>),
    /// A value of a range, both ends included.
    Range(T, T),
}

/// A type of which values can be drawn.
pub trait Chosen: Read {
    /// Describes a single value or a range, for messages.
    const WHAT: &'static str;
    /// Whether `5..9` is a range of this type.
    const RANGES: bool;

    /// Reads a value.
    fn parse(text: &str) -> Option<Self>;
}

impl Chosen for Text {
    const WHAT: &'static str = "text";
    const RANGES: bool = false;

    fn parse(text: &str) -> Option<Self> {
        Some(Self::new(text))
    }
}

impl Chosen for i64 {
    const WHAT: &'static str = "a whole number such as 2, or a range such as 1..5";
    const RANGES: bool = true;

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Chosen for Decimal {
    const WHAT: &'static str = "a price in dollars such as 9.50, or a range such as 5.00..20.00";
    const RANGES: bool = true;

    fn parse(text: &str) -> Option<Self> {
        decimal(text)
    }
}

/// Most values of a list from which one is drawn.
const MAX_CHOICES: usize = 1_000;

impl<T: Chosen + PartialOrd> Read for Choice<T> {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        let choices: Vec<(T, u32)> = match &node.value {
            Value::List(items) => {
                let read: Vec<_> = items.iter().map(|item| Some((T::read(item, context)?, 1))).collect();
                read.into_iter().collect::<Option<_>>()?
            }
            Value::Mapping(members) => {
                let read: Vec<_> = members
                    .iter()
                    .map(|(key, weight)| {
                        let name = T::read(&Node::text(key.at, &key.text), context);
                        let weight = context.scalar(weight, "a weight from 1 to 1000", |text| {
                            text.parse().ok().filter(|weight| (1..=1_000).contains(weight))
                        });
                        Some((name?, weight?))
                    })
                    .collect();
                read.into_iter().collect::<Option<_>>()?
            }
            Value::Scalar(_) => return Self::scalar(node, context),
        };
        if choices.is_empty() || choices.len() > MAX_CHOICES {
            let message =
                format!("there are {} values to choose from; give 1 to {MAX_CHOICES}", choices.len());
            context.mistakes.add(node.at, message);
            return None;
        }
        Some(Self::Weighted(choices))
    }

    fn schema(definitions: &mut Definitions) -> serde_json::Value {
        let one = T::schema(definitions);
        let weight = or_variable(json!({"type": "integer", "minimum": 1, "maximum": 1000}), definitions);
        let weights = json!({"type": "object", "additionalProperties": weight, "minProperties": 1});
        let range = json!({"type": "string", "pattern": r"^ *-?[0-9.]+ *\.\. *-?[0-9.]+ *$|\$\{"});
        let list = json!({"type": "array", "items": one, "minItems": 1});
        let mut kinds = vec![one, list, weights];
        if T::RANGES {
            kinds.push(range);
        }
        json!({ "anyOf": kinds })
    }
}

impl<T: Chosen + PartialOrd> Choice<T> {
    fn scalar(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        if !T::RANGES {
            return T::read(node, context).map(Self::Always);
        }
        let choice = context.scalar(node, T::WHAT, |text| match text.split_once("..") {
            Some((from, to)) => Some(Self::Range(T::parse(from.trim())?, T::parse(to.trim())?)),
            None => T::parse(text).map(Self::Always),
        })?;
        match &choice {
            Self::Range(from, to) if from > to => {
                context
                    .mistakes
                    .add(node.at, "the range ends before it begins; write the smaller value first");
                None
            }
            _ => Some(choice),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Choice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always(value) => value.fmt(f),
            Self::Range(from, to) => write!(f, "{from}..{to}"),
            Self::Weighted(choices) => match &choices[..] {
                [(only, _)] => only.fmt(f),
                [(first, _), (second, _)] => write!(f, "{first} or {second}"),
                [(first, _), .., (last, _)] => write!(f, "one of {} ({first}, …, {last})", choices.len()),
                [] => Ok(()),
            },
        }
    }
}

/// The name of a request in expectations.
pub(super) const POST: &str = "POST /orders";
/// The name of a request in expectations.
pub(super) const PUT: &str = "PUT /orders";
/// The name of a request in expectations.
pub(super) const DELETE: &str = "DELETE /orders";

/// Has the length of a real run's name.
const SAMPLE_RUN: &str = "a1b2c3";

/// Checks an order, and remembers its name.
pub(super) fn check(node: &Node, context: &mut Context<'_>) {
    if !refused(node, context) {
        check_template(node, 1, context);
    }
    if let (true, Some(name)) = (refused(node, context), node.member("as")) {
        let message = "an order that is refused needs no name, because no later step can use it";
        context.mistakes.add(name.at, message).help("remove `as`, or `answers`");
    }
    context.scope.requests.insert(POST);
    let Some(label) = context.peek::<Label>(node.member("as")) else { return };
    if !context.scope.orders.insert(label.0.clone())
        && let Some(name) = node.member("as")
    {
        context
            .mistakes
            .add(name.at, format!("two orders are called `{label}`"))
            .help("give each order its own name, so that later steps can tell them apart");
    }
}

/// Checks a change of an order.
pub(super) fn check_update(node: &Node, context: &mut Context<'_>) {
    const MEMBERS: [&str; 5] = ["customerName", "item", "quantity", "price", "status"];
    if !MEMBERS.iter().any(|name| node.member(name).is_some()) {
        context
            .mistakes
            .add(node.at, "the update changes nothing")
            .help(format!("add at least one of {}", MEMBERS.join(", ")));
    }
    if !refused(node, context) {
        check_template(node, 1, context);
        context.check_known(
            node.member("status"),
            "a status of an order",
            &OrderStatus::ALL.map(OrderStatus::name),
        );
    }
    check_known(node, context);
    context.scope.requests.insert(PUT);
}

/// Checks a deletion of an order.
pub(super) fn check_delete(node: &Node, context: &mut Context<'_>) {
    check_known(node, context);
    if let Some(name) = context.peek::<String>(node.member("order")) {
        context.scope.deleted.insert(name);
    }
    context.scope.requests.insert(DELETE);
}

/// Checks that a step above gave an order the name that `node` has as `order`.
fn check_known(node: &Node, context: &mut Context<'_>) {
    if let (Some(order), Some(name)) = (node.member("order"), context.peek::<String>(node.member("order")))
        && context.scope.deleted.contains(&name)
        && !refused(node, context)
    {
        let message = format!("`{}` was deleted by a step above", shortened(&name));
        context.mistakes.add(order.at, message).help("add `answers: 404` if that is the lesson");
        return;
    }
    let known: Vec<_> = context.scope.orders.iter().cloned().collect();
    match (&known[..], node.member("order")) {
        ([], Some(order)) => {
            let message = "no order above has a name";
            context
                .mistakes
                .add(order.at, message)
                .help("add `as` with this name to the `order` that is meant");
        }
        (known, order) => {
            let known: Vec<_> = known.iter().map(String::as_str).collect();
            context.check_known(order, "the name (`as`) of an order above", &known);
        }
    }
}

/// Returns whether the scenario expects that the order service refuses the request, so that it may break a limit.
fn refused(node: &Node, context: &mut Context<'_>) -> bool {
    context.peek::<u16>(node.member("answers")).is_some_and(|status| status >= 400)
}

/// Records what the order service would refuse, before anything is sent. `last` is the number of the last order of a flood,
/// which has the longest names.
pub(super) fn check_template(node: &Node, last: u64, context: &mut Context<'_>) {
    let longest =
        Placeholders { run: SAMPLE_RUN, number: last, repetition: context.scope.repeated.unwrap_or(1) };
    for (at, text) in values::<Text>(node.member("customerName"), context) {
        check_field(at, |order| order.customer_name = text.fill(longest), context);
    }
    for (at, text) in values::<Text>(node.member("item"), context) {
        check_field(at, |order| order.item = text.fill(longest), context);
    }
    for (at, quantity) in values::<i64>(node.member("quantity"), context) {
        check_field(at, |order| order.quantity = quantity, context);
    }
    for (at, price) in values::<Decimal>(node.member("price"), context) {
        check_field(at, |order| order.price = price, context);
    }
}

/// Checks a value of an order that is faultless otherwise.
fn check_field(at: Position, set: impl FnOnce(&mut NewOrder), context: &mut Context<'_>) {
    let mut order = NewOrder {
        customer_name: "Ada".to_owned(),
        item: "Pizza".to_owned(),
        quantity: 1,
        price: Decimal::ONE,
    };
    set(&mut order);
    for error in order.validated().err().unwrap_or_default() {
        context.mistakes.add(at, format!("`{}` {}", error.field, error.message));
    }
}

/// Returns the values that may be chosen, of a range its ends, each with its position.
fn values<T: Chosen + PartialOrd>(node: Option<&Node>, context: &mut Context<'_>) -> Vec<(Position, T)> {
    let Some(node) = node else { return Vec::new() };
    let nodes = match &node.value {
        Value::Scalar(_) => vec![node.clone()],
        Value::List(items) => items.to_vec(),
        Value::Mapping(members) => members.iter().map(|(key, _)| Node::text(key.at, &key.text)).collect(),
    };
    let mut values = Vec::new();
    for node in nodes.iter().take(MAX_CHOICES) {
        match context.peek::<Choice<T>>(Some(node)) {
            Some(Choice::Always(value)) => values.push((node.at, value)),
            Some(Choice::Range(from, to)) => values.extend([(node.at, from), (node.at, to)]),
            Some(Choice::Weighted(_)) | None => {}
        }
    }
    values
}
