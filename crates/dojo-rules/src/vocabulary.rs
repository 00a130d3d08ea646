//! The names that a rule uses for its facts. Each kind of fact has one table, for rhai's getters, the check for misspelled
//! names, and the printed form.
//!
//! The names are those of the JSON events, so that a participant who has read an event knows them.

use crate::{AttemptFacts, EarlierOrder, OrderFacts, SettingsFacts};
use dojo_contract::{FraudAlert, WindowStats};
use rhai::{Dynamic, Engine, INT};
use std::{fmt, sync::Arc};

/// A property's name, and the function that reads it from the facts.
type Property<F> = (&'static str, fn(&F) -> Dynamic);

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
        ("id", |order| order.id.as_str().into()),
        ("customerName", |order| order.customer_name.as_str().into()),
        ("item", |order| order.item.as_str().into()),
        ("quantity", |order| order.quantity.into()),
        ("price", |order| order.price.into()),
        ("total", |order| order.total.into()),
        ("status", |order| order.status.as_str().into()),
        ("hour", |order| count(order.placed.hour.into())),
        ("minute", |order| count(order.placed.minute.into())),
        ("second", |order| count(order.placed.second.into())),
    ],
};

pub(crate) static WINDOW: Noun<WindowStats> = Noun {
    name: "window",
    properties: &[
        ("customerOrdersInWindow", |window| count(window.customer_orders_in_window)),
        ("globalOrdersInWindow", |window| count(window.global_orders_in_window)),
    ],
};

pub(crate) static EARLIER_ORDER: Noun<EarlierOrder> = Noun {
    name: "earlier order",
    properties: &[
        ("item", |order| order.item.as_ref().into()),
        ("quantity", |order| order.quantity.into()),
        ("total", |order| order.total.into()),
        ("secondsAgo", |order| count(order.seconds_ago.into())),
    ],
};

pub(crate) static ATTEMPT: Noun<AttemptFacts> = Noun {
    name: "attempt",
    properties: &[
        ("action", |attempt| attempt.action.as_str().into()),
        ("retryCount", |attempt| count(attempt.retry_count.into())),
        ("instanceId", |attempt| attempt.instance_id.as_str().into()),
        ("hour", |attempt| count(attempt.at.hour.into())),
        ("minute", |attempt| count(attempt.at.minute.into())),
        ("second", |attempt| count(attempt.at.second.into())),
    ],
};

pub(crate) static SETTINGS: Noun<SettingsFacts> = Noun {
    name: "settings",
    properties: &[
        ("failRate", |settings| settings.fail_rate.into()),
        ("maxRetries", |settings| count(settings.max_retries.into())),
        ("onExhausted", |settings| settings.on_exhausted.name().into()),
        ("deliveryMillis", |settings| count(settings.delivery_millis)),
    ],
};

fn count(number: u64) -> Dynamic {
    INT::try_from(number).unwrap_or(INT::MAX).into()
}

/// Registers a noun with an engine: its type, a getter for each property, and its printed form.
pub(crate) fn register<F: Send + Sync>(engine: &mut Engine, noun: &'static Noun<F>) {
    engine.register_type_with_name::<Fact<F>>(noun.name);
    for &(property, get) in noun.properties {
        engine.register_get(property, move |fact: &mut Fact<F>| get(&fact.0));
    }
    engine
        .register_fn("to_string", move |fact: &mut Fact<F>| Printed::<F>(&fact.0, noun).to_string())
        .register_fn("to_debug", move |fact: &mut Fact<F>| Printed::<F>(&fact.0, noun).to_string());
}

/// Returns the properties of the constant named `noun`, or `None` if it isn't a fact.
pub(crate) fn properties(noun: &str) -> Option<Vec<&'static str>> {
    fn names<F>(noun: &Noun<F>) -> Vec<&'static str> {
        noun.properties.iter().map(|&(name, _)| name).collect()
    }
    match noun {
        _ if noun == ORDER.name => Some(names(&ORDER)),
        _ if noun == WINDOW.name => Some(names(&WINDOW)),
        _ if noun == ATTEMPT.name => Some(names(&ATTEMPT)),
        _ if noun == SETTINGS.name => Some(names(&SETTINGS)),
        _ => None,
    }
}

/// `order #{id: "…", quantity: 1, …}`, as rhai writes a map.
struct Printed<'a, F: 'static>(&'a F, &'static Noun<F>);

impl<F> fmt::Display for Printed<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(facts, noun) = self;
        write!(f, "{} #{{", noun.name)?;
        for (index, (name, get)) in noun.properties.iter().enumerate() {
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

/// Describes a value in a sentence: `a text`, `nothing`, `an array`.
pub(crate) fn describe(value: &Dynamic) -> &'static str {
    match () {
        () if value.is_unit() => "nothing",
        () if value.is_bool() => "true or false",
        () if value.is_int() => "a whole number",
        () if value.is_decimal() => "a decimal number",
        () if value.is_string() => "a text",
        () if value.is_char() => "a character",
        () if value.is_array() => "an array",
        () if value.is_map() => "a map",
        () if value.is_fnptr() => "a function",
        () if value.is::<FraudAlert>() => "a single alert",
        () => "something else",
    }
}
