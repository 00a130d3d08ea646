//! The names that a rule uses for its facts. Each kind of fact has one table, for rhai's getters, the check for misspelled
//! names, and the printed form.
//!
//! The names are those of the JSON events, so that a participant who has read an event knows them.

use crate::{AttemptFacts, EarlierOrder, OrderFacts, SettingsFacts, comparisons};
use dojo_contract::{FraudAlert, WindowStats};
use rhai::{Dynamic, Engine, INT};
use std::{fmt, sync::Arc};

/// A property's name, its type, its description, and the function that reads it from the facts.
type Property<F> = (&'static str, Type, &'static str, fn(&F) -> Dynamic);

/// The name, the type and the description of a property.
pub(crate) type Described = (&'static str, Type, &'static str);

/// The type of a value, as far as it is known before the rule runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Whole,
    Decimal,
    Text,
    Character,
    Truth,
    Nothing,
    Array,
    Map,
    Alert,
}

impl Type {
    /// Returns the type in a sentence.
    pub fn described(self) -> &'static str {
        match self {
            Self::Whole => "a whole number",
            Self::Decimal => "a decimal number",
            Self::Text => "a text",
            Self::Character => "a character",
            Self::Truth => "true or false",
            Self::Nothing => "nothing",
            Self::Array => "an array",
            Self::Map => "a map",
            Self::Alert => "a single alert",
        }
    }

    /// Returns whether values of both types can be compared.
    pub fn is_like(self, other: Self) -> bool {
        let number = |of| matches!(of, Self::Whole | Self::Decimal);
        let text = |of| matches!(of, Self::Text | Self::Character);
        self == other || number(self) && number(other) || text(self) && text(other)
    }
}

/// A function of the dojo.
pub(crate) struct Function {
    /// The fact before the dot, if the function belongs to one.
    pub of: Option<&'static str>,
    pub name: &'static str,
    pub parameters: &'static [(&'static str, Type)],
    pub returns: Type,
    pub text: &'static str,
}

impl Function {
    /// Returns how a call is written: `customer.orders(seconds)`.
    pub fn call(&self) -> String {
        let of = self.of.map(|of| format!("{of}.")).unwrap_or_default();
        let names: Vec<&str> = self.parameters.iter().map(|&(name, _)| name).collect();
        format!("{of}{}({})", self.name, names.join(", "))
    }
}

const SECONDS: &[(&str, Type)] = &[("seconds", Type::Whole)];

/// The functions of the dojo in both rules. What a rule doesn't have isn't registered with its engine.
pub(crate) static FUNCTIONS: &[Function] = &[
    Function {
        of: None,
        name: "alert",
        parameters: &[("type", Type::Text), ("severity", Type::Text), ("reason", Type::Text)],
        returns: Type::Alert,
        text: "Makes an alert. The severity is \"HIGH\", \"MEDIUM\" or \"LOW\".",
    },
    Function {
        of: Some("customer"),
        name: "orders",
        parameters: SECONDS,
        returns: Type::Whole,
        text: "Orders of this customer in the last seconds (1 to 3600), this order included.",
    },
    Function {
        of: Some("customer"),
        name: "total",
        parameters: SECONDS,
        returns: Type::Decimal,
        text: "Sum of the totals of these orders, in dollars.",
    },
    Function {
        of: Some("customer"),
        name: "recent",
        parameters: SECONDS,
        returns: Type::Array,
        text: "The customer's earlier orders of the last seconds, the newest first, at most 50.",
    },
    Function {
        of: Some("everyone"),
        name: "orders",
        parameters: SECONDS,
        returns: Type::Whole,
        text: "Orders of everyone in the last seconds (1 to 3600), this order included.",
    },
    Function {
        of: Some("everyone"),
        name: "total",
        parameters: SECONDS,
        returns: Type::Decimal,
        text: "Sum of the totals of these orders, in dollars.",
    },
    Function {
        of: None,
        name: "random",
        parameters: &[],
        returns: Type::Decimal,
        text: "The next random number from 0 up to, not including, 1. The same attempt gets the same numbers.",
    },
];

/// A constant in every rule, and its properties.
pub(crate) struct Noun<F: 'static> {
    /// The constant's name in a script, and the name of its type in messages.
    pub name: &'static str,
    pub properties: &'static [Property<F>],
}

/// Facts as a value of a script, which are cheap to clone however often the script copies them.
struct Fact<F>(Arc<F>);

impl<F> Clone for Fact<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: Send + Sync> Noun<F> {
    /// Returns the value for a script.
    pub fn value(&self, facts: F) -> Dynamic {
        Dynamic::from(Fact(Arc::new(facts)))
    }
}

pub(crate) static ORDER: Noun<OrderFacts> = Noun {
    name: "order",
    properties: &[
        ("id", Type::Text, "Id of the order.", |order| order.id.as_str().into()),
        ("customerName", Type::Text, "Name of the customer.", |order| order.customer_name.as_str().into()),
        ("item", Type::Text, "What was ordered.", |order| order.item.as_str().into()),
        ("quantity", Type::Whole, "How many were ordered.", |order| order.quantity.into()),
        ("price", Type::Decimal, "Price of one, in dollars.", |order| order.price.into()),
        ("total", Type::Decimal, "Quantity times price, in dollars.", |order| order.total.into()),
        ("status", Type::Text, "Status of the order, such as \"created\".", |order| {
            order.status.as_str().into()
        }),
        ("hour", Type::Whole, "Hour of the day in UTC, 0 to 23.", |order| count(order.placed.hour.into())),
        ("minute", Type::Whole, "Minute of the hour, 0 to 59.", |order| count(order.placed.minute.into())),
        ("second", Type::Whole, "Second of the minute, 0 to 59.", |order| count(order.placed.second.into())),
    ],
};

pub(crate) static WINDOW: Noun<WindowStats> = Noun {
    name: "window",
    properties: &[
        (
            "customerOrdersInWindow",
            Type::Whole,
            "Orders of this customer in the last 60 seconds, this order included.",
            |window| count(window.customer_orders_in_window),
        ),
        (
            "globalOrdersInWindow",
            Type::Whole,
            "Orders of everyone in the last 60 seconds, this order included.",
            |window| count(window.global_orders_in_window),
        ),
    ],
};

pub(crate) static EARLIER_ORDER: Noun<EarlierOrder> = Noun {
    name: "earlier order",
    properties: &[
        ("item", Type::Text, "What was ordered.", |order| order.item.as_ref().into()),
        ("quantity", Type::Whole, "How many were ordered.", |order| order.quantity.into()),
        ("total", Type::Decimal, "Quantity times price, in dollars.", |order| order.total.into()),
        ("secondsAgo", Type::Whole, "How many seconds it was placed before the order at hand.", |order| {
            count(order.seconds_ago.into())
        }),
    ],
};

pub(crate) static ATTEMPT: Noun<AttemptFacts> = Noun {
    name: "attempt",
    properties: &[
        (
            "action",
            Type::Text,
            "What happened to the order: \"created\", \"updated\" or \"deleted\".",
            |attempt| attempt.action.as_str().into(),
        ),
        ("retryCount", Type::Whole, "How many attempts failed before this one.", |attempt| {
            count(attempt.retry_count.into())
        }),
        ("instanceId", Type::Text, "The instance at work, such as \"notification-1\".", |attempt| {
            attempt.instance_id.as_str().into()
        }),
        ("hour", Type::Whole, "Hour of the day in UTC, 0 to 23.", |attempt| count(attempt.at.hour.into())),
        ("minute", Type::Whole, "Minute of the hour, 0 to 59.", |attempt| count(attempt.at.minute.into())),
        ("second", Type::Whole, "Second of the minute, 0 to 59.", |attempt| count(attempt.at.second.into())),
    ],
};

pub(crate) static SETTINGS: Noun<SettingsFacts> = Noun {
    name: "settings",
    properties: &[
        ("failRate", Type::Decimal, "Probability that an attempt fails, 0 to 1.", |settings| {
            settings.fail_rate.into()
        }),
        ("maxRetries", Type::Whole, "How many retries an event gets.", |settings| {
            count(settings.max_retries.into())
        }),
        (
            "onExhausted",
            Type::Text,
            "What happens after the last retry: \"dlq\", \"drop\" or \"retry\".",
            |settings| settings.on_exhausted.name().into(),
        ),
        ("deliveryMillis", Type::Whole, "How long a delivery takes, in milliseconds.", |settings| {
            count(settings.delivery_millis)
        }),
    ],
};

fn count(number: u64) -> Dynamic {
    INT::try_from(number).unwrap_or(INT::MAX).into()
}

/// Registers a noun with an engine: its type, a getter for each property, and its printed form. It can't be compared as a whole.
pub(crate) fn register<F: Send + Sync>(engine: &mut Engine, noun: &'static Noun<F>) {
    engine.register_type_with_name::<Fact<F>>(noun.name);
    comparisons::refuse_whole::<Fact<F>>(engine, noun.name);
    for &(property, _, _, get) in noun.properties {
        engine.register_get(property, move |fact: &mut Fact<F>| get(&fact.0));
    }
    engine
        .register_fn("to_string", move |fact: &mut Fact<F>| Printed::<F>(&fact.0, noun).to_string())
        .register_fn("to_debug", move |fact: &mut Fact<F>| Printed::<F>(&fact.0, noun).to_string());
}

/// Returns the properties of the constant named `noun`, or `None` if it has none.
pub(crate) fn properties(noun: &str) -> Option<Vec<Described>> {
    fn described<F>(noun: &Noun<F>) -> Vec<Described> {
        noun.properties.iter().map(|&(name, kind, text, _)| (name, kind, text)).collect()
    }
    match noun {
        _ if noun == ORDER.name => Some(described(&ORDER)),
        _ if noun == WINDOW.name => Some(described(&WINDOW)),
        _ if noun == EARLIER_ORDER.name => Some(described(&EARLIER_ORDER)),
        _ if noun == ATTEMPT.name => Some(described(&ATTEMPT)),
        _ if noun == SETTINGS.name => Some(described(&SETTINGS)),
        "customer" | "everyone" => Some(Vec::new()),
        _ => None,
    }
}

/// Returns the printed form of a fact or an alert; `None` for any other value.
pub(crate) fn printed_fact(value: &Dynamic) -> Option<String> {
    fn printed<F: Send + Sync + 'static>(value: &Dynamic, noun: &'static Noun<F>) -> Option<String> {
        let fact = value.read_lock::<Fact<F>>()?;
        Some(Printed::<F>(&fact.0, noun).to_string())
    }
    printed(value, &ORDER)
        .or_else(|| printed(value, &WINDOW))
        .or_else(|| printed(value, &EARLIER_ORDER))
        .or_else(|| printed(value, &ATTEMPT))
        .or_else(|| printed(value, &SETTINGS))
        .or_else(|| value.read_lock::<FraudAlert>().map(|alert| alert.to_string()))
}

/// `order #{id: "…", quantity: 1, …}`, as rhai writes a map.
struct Printed<'a, F: 'static>(&'a F, &'static Noun<F>);

impl<F> fmt::Display for Printed<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(facts, noun) = self;
        write!(f, "{} #{{", noun.name)?;
        for (index, (name, _, _, get)) in noun.properties.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let value = get(facts);
            if value.is_string() {
                write!(f, "{comma}{name}: {:?}", value.to_string())?;
            } else {
                write!(f, "{comma}{name}: {value}")?;
            }
        }
        f.write_str("}")
    }
}
