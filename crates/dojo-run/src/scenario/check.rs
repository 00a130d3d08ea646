//! What needs more than one place of a scenario to know: limits of the contract, and whether steps make sense together.

use super::{Document, OrderTemplate, SettingsChange, Step, Text, position::Segment};
use dojo_contract::{Settings, SettingsPatch};
use serde_json::Value;

const MAX_STEPS: usize = 1_000;
/// As long as a run's real name.
const SAMPLE_RUN: &str = "a1b2c3";

/// Something wrong at a place.
pub(super) struct Complaint {
    pub path: Vec<Segment>,
    pub message: String,
}

impl Complaint {
    fn new<const N: usize>(path: [Segment; N], message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// The same, seen from further up.
    fn below<const N: usize>(mut self, path: [Segment; N]) -> Self {
        self.path.splice(0..0, path);
        self
    }
}

pub(super) fn check(document: &Document) -> Result<(), Complaint> {
    if document.name.trim().is_empty() {
        return Err(Complaint::new(["name".into()], "the name is empty; say what the room will see"));
    }
    if document.steps.is_empty() || document.steps.len() > MAX_STEPS {
        let message = format!("there are {} steps; give 1 to {MAX_STEPS}", document.steps.len());
        return Err(Complaint::new(["steps".into()], message));
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

fn check_step(step: &Step, ordered: bool) -> Result<(), Complaint> {
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
        Step::Expect(_) if !ordered => Err(Complaint::new(
            ["expect".into()],
            "nothing has been ordered yet, and only this run's own orders count; put an `order` or a `flood` before it",
        )),
        Step::Expect(expectation) => match &expectation.customer {
            Some(customer) => {
                check_unnumbered(customer).map_err(|c| c.below(["expect".into(), "customer".into()]))
            }
            None => Ok(()),
        },
    }
}

fn check_unnumbered(text: &Text) -> Result<(), Complaint> {
    if text.is_numbered() {
        return Err(Complaint::new([], "`${n}` has a value only in the order of a `flood`; leave it out"));
    }
    Ok(())
}

/// What the order service would refuse, refused before anything is sent; the last order of a flood has the longest names.
fn check_order(order: &OrderTemplate, count: u64) -> Result<(), Complaint> {
    match order.fill(SAMPLE_RUN, count).validated() {
        Ok(_) => Ok(()),
        Err(errors) => Err(errors
            .into_iter()
            .next()
            .map(|e| Complaint::new([e.field.as_str().into()], format!("`{}` {}", e.field, e.message)))
            .unwrap_or_else(|| Complaint::new([], "the order service would refuse this order"))),
    }
}

fn check_settings(change: &SettingsChange) -> Result<(), Complaint> {
    match SettingsPatch::parse(&Value::Object(change.0.clone()), &Settings::default()) {
        Ok(_) => Ok(()),
        Err(errors) => {
            let Some(error) = errors.into_iter().next() else { return Ok(()) };
            // The field of one instance is `instances.<id>.<setting>`, and an id may have points of its own.
            let path = match error.field.split_once('.') {
                Some((instances, rest)) => {
                    let (id, setting) = rest.rsplit_once('.').unwrap_or((rest, ""));
                    vec![instances.into(), id.into(), setting.into()]
                }
                None => vec![error.field.as_str().into()],
            };
            Err(Complaint { path, message: format!("`{}` {}", error.field, error.message) })
        }
    }
}
