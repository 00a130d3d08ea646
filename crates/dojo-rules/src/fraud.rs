//! The fraud rule: an order and its window in, alerts out.
//!
//! The script returns an array of alerts, each made with `alert(type, severity, reason)`; an empty array means that the
//! order passed. Nothing is random, so a replay of the log gives the same verdicts.

use crate::{
    EarlierOrder, FraudFacts, OrderFacts, OrderHistory, OrdersOf, Rule, RuleError, RuleErrorKind, TimeOfDay,
    comparisons,
    history::{self, CUSTOMER, EVERYONE},
    script::Script,
    values,
    vocabulary::{self, ORDER, WINDOW},
};
use dojo_contract::{FraudAlert, Severity, WindowStats};
use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, Scope};
use rust_decimal::Decimal;
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// Most alerts of one order. More would not fit into one event on Kafka.
pub(crate) const MAX_ALERTS: usize = 32;

/// The compiled `fraud.rhai`.
#[derive(Debug)]
pub struct FraudRule {
    script: Script,
    longest_span: u32,
}

impl Rule for FraudRule {
    const FILE: &'static str = "fraud.rhai";
    const BUILT_IN: &'static str = include_str!("../../../rules/fraud.rhai");

    fn compile(file: &str, source: &str) -> Result<Self, RuleError> {
        let facts = [ORDER.name, WINDOW.name, CUSTOMER, EVERYONE];
        let script = Script::compile(file, source, &facts, |engine| {
            vocabulary::register(engine, &ORDER);
            vocabulary::register(engine, &WINDOW);
            history::register(engine);
            register_alert(engine);
        })?;
        let mut rule = Self { script, longest_span: 0 };
        let history = Arc::new(SampleHistory::default());
        for (order, window) in samples() {
            let facts = FraudFacts { order, window, history: Arc::clone(&history) as _ };
            rule.evaluate(facts, true).map_err(RuleError::on_a_sample)?;
        }
        rule.longest_span = history.longest_span.load(Ordering::Relaxed).max(rule.script.longest_span());
        Ok(rule)
    }
}

impl FraudRule {
    /// Judges an order. No alert means that it passed.
    ///
    /// # Errors
    /// The rule failed on this order, or returned something other than an array of alerts.
    pub fn judge(&self, facts: FraudFacts) -> Result<Vec<FraudAlert>, RuleError> {
        self.evaluate(facts, false)
    }

    /// Returns the longest span that the rule is known to ask about, in seconds; 0 if it is known to ask about none. A rule may
    /// ask about a longer one on some orders.
    pub fn longest_span(&self) -> u32 {
        self.longest_span
    }

    fn evaluate(&self, facts: FraudFacts, trial: bool) -> Result<Vec<FraudAlert>, RuleError> {
        let FraudFacts { order, window, history } = facts;
        let mut scope = Scope::new();
        scope.push_constant_dynamic(ORDER.name, ORDER.value(order));
        scope.push_constant_dynamic(WINDOW.name, WINDOW.value(window));
        scope.push_constant_dynamic(CUSTOMER, history::value(OrdersOf::Customer, Arc::clone(&history)));
        scope.push_constant_dynamic(EVERYONE, history::value(OrdersOf::Everyone, history));
        let value = self.script.run(scope, 0, trial)?;
        self.alerts(value)
    }

    fn alerts(&self, value: Dynamic) -> Result<Vec<FraudAlert>, RuleError> {
        let wrong = |message| self.script.error(RuleErrorKind::Value, message);
        let elements = value.try_cast_result::<Array>().map_err(|value| {
            wrong(format!(
                "the rule returned {}, not an array of alerts; make the last line the array, without a semicolon",
                values::describe(&value)
            ))
        })?;
        if elements.len() > MAX_ALERTS {
            return Err(wrong(format!("{} alerts for one order; the most are {MAX_ALERTS}", elements.len())));
        }
        let mut alerts = Vec::with_capacity(elements.len());
        for (index, element) in elements.into_iter().enumerate() {
            alerts.push(element.try_cast_result::<FraudAlert>().map_err(|element| {
                wrong(format!(
                    "element {index} of the rule's array is {}, not an alert; make it with alert(type, severity, reason)",
                    values::describe(&element)
                ))
            })?);
        }
        Ok(alerts)
    }
}

fn register_alert(engine: &mut Engine) {
    comparisons::refuse_whole::<FraudAlert>(engine, "alert");
    engine
        .register_type_with_name::<FraudAlert>("alert")
        .register_fn("alert", alert)
        .register_fn("to_string", |alert: &mut FraudAlert| alert.to_string())
        .register_fn("to_debug", |alert: &mut FraudAlert| alert.to_string());
}

fn alert(
    kind: ImmutableString,
    severity: ImmutableString,
    reason: ImmutableString,
) -> Result<FraudAlert, Box<EvalAltResult>> {
    let refuse = |message: String| Err(comparisons::refusal(message));
    let Some(severity) = Severity::from_name(&severity) else {
        return refuse(format!(
            "alert(type, severity, reason): write \"HIGH\", \"MEDIUM\" or \"LOW\" as the severity, not \"{severity}\""
        ));
    };
    let kind = kind.trim();
    if kind.is_empty() || kind.chars().count() > FraudAlert::MAX_KIND {
        return refuse(format!(
            "alert(type, severity, reason): the type must have 1 to {} characters",
            FraudAlert::MAX_KIND
        ));
    }
    // Most reasons have fewer bytes than the limit, so their characters needn't be counted.
    let reason = match reason.len() {
        ..=FraudAlert::MAX_REASON => reason.as_str().to_owned(),
        _ => reason.chars().take(FraudAlert::MAX_REASON).collect(),
    };
    Ok(FraudAlert { kind: kind.to_owned(), reason, severity })
}

/// An ordinary order and an extreme one, between which lies almost every threshold of a rule.
fn samples() -> [(OrderFacts, WindowStats); 2] {
    let order = |quantity: i64, price: Decimal| OrderFacts {
        id: "00000000-0000-4000-8000-000000000000".to_owned(),
        customer_name: "Ada".to_owned(),
        item: "Pizza Margherita".to_owned(),
        quantity,
        price,
        total: Decimal::from(quantity) * price,
        status: "created".to_owned(),
        placed: TimeOfDay { hour: 12, minute: 30, second: 0 },
    };
    [
        (
            order(1, Decimal::new(950, 2)),
            WindowStats { customer_orders_in_window: 1, global_orders_in_window: 1, partial: false },
        ),
        (
            order(1_000, Decimal::new(100_000, 0)),
            WindowStats {
                customer_orders_in_window: 10_000,
                global_orders_in_window: 100_000,
                partial: false,
            },
        ),
    ]
}

/// A customer with a few earlier orders. Notes the longest span that it is asked about.
#[derive(Default)]
struct SampleHistory {
    longest_span: AtomicU32,
}

impl OrderHistory for SampleHistory {
    fn orders(&self, of: OrdersOf, span: u32) -> u64 {
        self.longest_span.fetch_max(span, Ordering::Relaxed);
        match of {
            OrdersOf::Customer => 3,
            OrdersOf::Everyone => 9,
        }
    }

    fn total(&self, of: OrdersOf, span: u32) -> Decimal {
        Decimal::from(self.orders(of, span)) * Decimal::new(950, 2)
    }

    fn recent(&self, span: u32) -> Vec<EarlierOrder> {
        let earlier = |seconds_ago| EarlierOrder {
            item: "Pizza Margherita".into(),
            quantity: 1,
            total: Decimal::new(950, 2),
            seconds_ago,
        };
        self.longest_span.fetch_max(span, Ordering::Relaxed);
        [span / 3, span / 2].map(earlier).into()
    }
}
