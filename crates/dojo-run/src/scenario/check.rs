//! Checks a scenario as a whole: the contract's limits, and whether the steps make sense together.

use super::{
    Text,
    document::{Document, OrderTemplate, SettingsChange, Step},
    position::Segment,
};
use dojo_contract::{Settings, SettingsPatch};
use serde_json::Value;

const MAX_STEPS: usize = 1_000;
/// Has the length of a real run's name.
const SAMPLE_RUN: &str = "a1b2c3";

/// A mistake and its path in the document.
pub(super) struct Mistake {
    pub path: Vec<Segment>,
    pub message: String,
}

impl Mistake {
    fn new<const N: usize>(path: [Segment; N], message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// Puts `path` before the mistake's own path.
    fn below<const N: usize>(mut self, path: [Segment; N]) -> Self {
        self.path.splice(0..0, path);
        self
    }
}

pub(super) fn check(document: &Document) -> Result<(), Mistake> {
    if document.name.trim().is_empty() {
        return Err(Mistake::new(["name".into()], "the name is empty; write what the room will see"));
    }
    if document.steps.is_empty() || document.steps.len() > MAX_STEPS {
        let message = format!("there are {} steps; give 1 to {MAX_STEPS}", document.steps.len());
        return Err(Mistake::new(["steps".into()], message));
    }
    if let Some(change) = &document.settings {
        check_settings(change).map_err(|c| c.below(["settings".into()]))?;
    }
    let mut ordered = false;
    for (index, step) in document.steps.iter().enumerate() {
        check_step(step, ordered).map_err(|c| c.below(["steps".into(), index.into()]))?;
        ordered |= matches!(step, Step::Order(_) | Step::Flood(_));
    }
    Ok(())
}

fn check_step(step: &Step, ordered: bool) -> Result<(), Mistake> {
    match step {
        Step::Pause(_) => Ok(()),
        Step::Say(text) => check_unnumbered(text).map_err(|c| c.below(["say".into()])),
        Step::Settings(change) => check_settings(change).map_err(|c| c.below(["settings".into()])),
        Step::Flood(flood) => {
            check_order(&flood.order, flood.count).map_err(|c| c.below(["flood".into(), "order".into()]))
        }
        Step::Order(order) => {
            let unnumbered = |text, field: &str| check_unnumbered(text).map_err(|c| c.below([field.into()]));
            unnumbered(&order.customer_name, "customerName")
                .and_then(|()| unnumbered(&order.item, "item"))
                .and_then(|()| check_order(order, 1))
                .map_err(|c| c.below(["order".into()]))
        }
        Step::Expect(_) if !ordered => Err(Mistake::new(
            ["expect".into()],
            "no order comes before this step, and only this run's own orders count; put an `order` or a `flood` before it",
        )),
        Step::Expect(expectation) => match &expectation.customer {
            Some(customer) => {
                check_unnumbered(customer).map_err(|c| c.below(["expect".into(), "customer".into()]))
            }
            None => Ok(()),
        },
    }
}

fn check_unnumbered(text: &Text) -> Result<(), Mistake> {
    if text.is_numbered() {
        return Err(Mistake::new([], "`${n}` has a value only in the order of a `flood`; remove it"));
    }
    Ok(())
}

/// Refuses what the order service would refuse, before anything is sent. The last order of a flood has the longest names.
fn check_order(order: &OrderTemplate, count: u64) -> Result<(), Mistake> {
    match order.fill(SAMPLE_RUN, count).validated() {
        Ok(_) => Ok(()),
        Err(errors) => Err(errors
            .into_iter()
            .next()
            .map(|e| Mistake::new([e.field.as_str().into()], format!("`{}` {}", e.field, e.message)))
            .unwrap_or_else(|| Mistake::new([], "the order service would refuse this order"))),
    }
}

fn check_settings(change: &SettingsChange) -> Result<(), Mistake> {
    match SettingsPatch::parse(&Value::Object(change.0.clone()), &Settings::default()) {
        Ok(_) => Ok(()),
        Err(errors) => {
            let Some(error) = errors.into_iter().next() else { return Ok(()) };
            // A field of one instance is `instances.<id>.<setting>`, and the id may contain points.
            let path = match error.field.split_once('.') {
                Some((instances, rest)) => {
                    let (id, setting) = rest.rsplit_once('.').unwrap_or((rest, ""));
                    vec![instances.into(), id.into(), setting.into()]
                }
                None => vec![error.field.as_str().into()],
            };
            Err(Mistake { path, message: format!("`{}` {}", error.field, error.message) })
        }
    }
}
