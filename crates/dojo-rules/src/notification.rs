//! The notification rule: an order and an attempt to notify its customer in, delivered or failed out.
//!
//! A script that throws means a failed delivery, with the thrown value as the reason. A script that runs to its end means
//! a delivered message, whatever value it returns. `random()` depends only on the caller's seed, so the same attempt always
//! has the same outcome.

use crate::{
    AttemptFacts, Delivery, NotificationFacts, OrderFacts, Rule, RuleError, SettingsFacts, TimeOfDay, error,
    sandbox::{self, Stop},
    script::Script,
    vocabulary::{self, ATTEMPT, ORDER, SETTINGS},
};
use dojo_contract::OnExhausted;
use rhai::{Dynamic, EvalAltResult, Scope};
use rust_decimal::Decimal;

/// The compiled `notification.rhai`.
#[derive(Debug)]
pub struct NotificationRule {
    script: Script,
}

impl Rule for NotificationRule {
    const FILE: &'static str = "notification.rhai";
    const BUILT_IN: &'static str = include_str!("../../../rules/notification.rhai");

    fn compile(file: &str, source: &str) -> Result<Self, RuleError> {
        let script = Script::compile(file, source, &[ORDER.name, ATTEMPT.name, SETTINGS.name], |engine| {
            vocabulary::register(engine, &ORDER);
            vocabulary::register(engine, &ATTEMPT);
            vocabulary::register(engine, &SETTINGS);
            engine.register_fn("random", sandbox::random);
        })?;
        let rule = Self { script };
        for facts in samples() {
            rule.evaluate(facts, 0, true).map_err(RuleError::on_a_sample)?;
        }
        Ok(rule)
    }
}

impl NotificationRule {
    /// Decides an attempt. The same arguments give the same outcome, because `random()` depends only on `seed`.
    ///
    /// # Errors
    /// The rule failed for another reason than `throw`.
    pub fn deliver(&self, facts: NotificationFacts, seed: u64) -> Result<Delivery, RuleError> {
        self.evaluate(facts, seed, false)
    }

    fn evaluate(&self, facts: NotificationFacts, seed: u64, trial: bool) -> Result<Delivery, RuleError> {
        let NotificationFacts { order, attempt, settings } = facts;
        let mut scope = Scope::new();
        scope.push_constant_dynamic(ORDER.name, ORDER.value(order));
        scope.push_constant_dynamic(ATTEMPT.name, ATTEMPT.value(attempt));
        scope.push_constant_dynamic(SETTINGS.name, SETTINGS.value(settings));
        match self.script.evaluate(scope, seed, trial) {
            Ok(_) => Ok(Delivery::Delivered),
            Err(Stop::Error(error)) => match thrown(*error) {
                Ok(value) => Ok(Delivery::Failed { reason: reason(&value) }),
                Err(error) => Err(self.script.stopped(Stop::Error(error))),
            },
            Err(stop) => Err(self.script.stopped(stop)),
        }
    }
}

/// Returns the value that the script threw, in a function or outside.
///
/// # Errors
/// Any other error, unchanged.
fn thrown(error: EvalAltResult) -> Result<Dynamic, Box<EvalAltResult>> {
    match error {
        EvalAltResult::ErrorRuntime(value, _) => Ok(value),
        EvalAltResult::ErrorInFunctionCall(name, source, inner, position) => thrown(*inner)
            .map_err(|inner| EvalAltResult::ErrorInFunctionCall(name, source, inner, position).into()),
        other => Err(other.into()),
    }
}

fn reason(thrown: &Dynamic) -> String {
    let text: String = error::thrown_text(thrown).chars().take(Delivery::MAX_REASON).collect();
    if text.trim().is_empty() { "the rule gave no reason".to_owned() } else { text }
}

/// Attempts with a fail rate of 0, 0.3 and 1.
fn samples() -> [NotificationFacts; 3] {
    let order = OrderFacts {
        id: "00000000-0000-4000-8000-000000000000".to_owned(),
        customer_name: "Ada".to_owned(),
        item: "Pizza Margherita".to_owned(),
        quantity: 2,
        price: Decimal::new(950, 2),
        total: Decimal::new(1_900, 2),
        status: "created".to_owned(),
        placed: TimeOfDay { hour: 12, minute: 30, second: 0 },
    };
    let facts = |action: &str, retry_count, fail_rate| NotificationFacts {
        order: order.clone(),
        attempt: AttemptFacts {
            action: action.to_owned(),
            retry_count,
            instance_id: "notification-1".to_owned(),
            at: TimeOfDay { hour: 12, minute: 30, second: 1 },
        },
        settings: SettingsFacts {
            fail_rate,
            max_retries: 2,
            on_exhausted: OnExhausted::DeadLetter,
            delivery_millis: 0,
        },
    };
    [
        facts("created", 0, Decimal::ZERO),
        facts("updated", 1, Decimal::new(3, 1)),
        facts("deleted", 2, Decimal::ONE),
    ]
}
