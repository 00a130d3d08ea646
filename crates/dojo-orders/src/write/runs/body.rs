//! Reads what a runner says from JSON bodies. An error names every wrong field at once.

use dojo_contract::{FieldError, Run, RunFinding, RunStep, RunVerdict};
use serde_json::{Map, Value};

/// How much of a name an error repeats.
const SHOWN_CHARS: usize = 40;
/// The highest number of a step.
const MAX_STEPS: u64 = 1_000_000;

/// A run that wants to start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NewRun {
    pub(crate) run_id: String,
    pub(crate) scenario: String,
    pub(crate) alongside: bool,
}

/// What a runner reports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RunEvent {
    /// It is still there.
    Renewed,
    /// It has begun a step.
    Step(RunStep),
    /// It has found something out.
    Finding(RunFinding),
    /// It has ended.
    Ended(RunVerdict),
}

impl NewRun {
    /// Reads a body, or says everything that is wrong with it.
    pub(crate) fn read(body: &Value) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(body, &["runId", "scenario", "alongside"])?;
        let run_id = fields.required("runId", run_id);
        let scenario = fields.required("scenario", |value| text(value, 1, Run::SCENARIO_MAX_CHARS));
        let alongside = fields.optional("alongside", boolean);
        fields.read(|| Some(Self { run_id: run_id?, scenario: scenario?, alongside: alongside? }))
    }
}

impl RunEvent {
    /// Reads a body, or says everything that is wrong with it.
    pub(crate) fn read(body: &Value) -> Result<Self, Vec<FieldError>> {
        match body.get("type").and_then(Value::as_str) {
            Some("renewed") => Fields::of(body, &["type"])?.read(|| Some(Self::Renewed)),
            Some("step") => {
                let mut fields = Fields::of(body, &["type", "number", "of", "text"])?;
                let (number, of) = (fields.required("number", step), fields.required("of", step));
                let text = fields.required("text", |value| text(value, 1, Run::TEXT_MAX_CHARS));
                fields.read(|| Some(Self::Step(RunStep { number: number?, of: of?, text: text? })))
            }
            Some("finding") => {
                let mut fields = Fields::of(body, &["type", "text", "met", "detail"])?;
                let expected = fields.required("text", |value| text(value, 1, Run::TEXT_MAX_CHARS));
                let met = fields.required("met", boolean);
                let detail = fields.optional("detail", |value| text(value, 0, Run::DETAIL_MAX_CHARS));
                let finding = || Some(RunFinding { text: expected?, met: met?, detail: detail? });
                fields.read(|| finding().map(Self::Finding))
            }
            Some("ended") => {
                let mut fields = Fields::of(body, &["type", "verdict"])?;
                let verdict = fields.required("verdict", verdict);
                fields.read(|| verdict.map(Self::Ended))
            }
            _ => {
                let mut fields =
                    Fields::of(body, &["type", "number", "of", "text", "met", "detail", "verdict"])?;
                fields.required("type", |value| -> Result<(), _> {
                    Err(format!(r#"is {}: give "renewed", "step", "finding" or "ended""#, shown(value)))
                });
                fields.read(|| None::<Self>)
            }
        }
    }
}

/// The members of a body, and what is wrong with them.
struct Fields<'a> {
    members: &'a Map<String, Value>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    fn of(body: &'a Value, known: &[&str]) -> Result<Self, Vec<FieldError>> {
        let Value::Object(members) = body else {
            return Err(vec![FieldError::new("", "the body isn't a JSON object")]);
        };
        let unknown = members.keys().filter(|name| !known.contains(&name.as_str()));
        let error = |name: &String| {
            let name: String = name.chars().take(SHOWN_CHARS).collect();
            FieldError::new(name, format!("isn't a field here: give any of {}", known.join(", ")))
        };
        Ok(Self { members, errors: unknown.map(error).collect() })
    }

    fn required<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        match self.members.get(name) {
            Some(value) => self.keep(name, read(value)),
            None => self.keep(name, Err("is missing".to_owned())),
        }
    }

    /// Reads a member whose default stands for a missing one.
    fn optional<T: Default>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        self.members.get(name).map_or_else(|| Some(T::default()), |value| self.keep(name, read(value)))
    }

    fn keep<T>(&mut self, name: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|message| self.errors.push(FieldError::new(name, message))).ok()
    }

    /// Returns what was read, or the errors.
    fn read<T>(self, read: impl FnOnce() -> Option<T>) -> Result<T, Vec<FieldError>> {
        if self.errors.is_empty() { read().ok_or(self.errors) } else { Err(self.errors) }
    }
}

fn run_id(value: &Value) -> Result<String, String> {
    let id = value.as_str().filter(|id| Run::is_id(id)).map(str::to_owned);
    id.ok_or_else(|| format!("is {}: give 1 to 40 of a-z, 0-9 and '-'", shown(value)))
}

fn text(value: &Value, least: usize, most: usize) -> Result<String, String> {
    let text = value.as_str().ok_or_else(|| format!("is {}: give a text", shown(value)))?;
    let chars = text.chars().count();
    if (least..=most).contains(&chars) {
        return Ok(text.to_owned());
    }
    Err(format!("has {chars} characters: give {least} to {most}"))
}

fn boolean(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("is {}: give true or false", shown(value)))
}

fn step(value: &Value) -> Result<u32, String> {
    let number = value.as_u64().filter(|number| (1..=MAX_STEPS).contains(number));
    let number = number.and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| format!("is {}: give a whole number from 1 to {MAX_STEPS}", shown(value)))
}

fn verdict(value: &Value) -> Result<RunVerdict, String> {
    let [one, two, three, four] = RunVerdict::ALL.map(RunVerdict::name);
    let verdict = value.as_str().and_then(RunVerdict::from_name);
    verdict.ok_or_else(|| format!(r#"is {}: give "{one}", "{two}", "{three}" or "{four}""#, shown(value)))
}

/// Returns a value as an error shows it.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields<T: std::fmt::Debug>(read: Result<T, Vec<FieldError>>) -> Vec<String> {
        read.unwrap_err().into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn everything_wrong_with_a_new_run_is_reported_at_once() {
        let body = json!({"runId": "A", "scenario": "", "alongside": 1, "speed": 2});
        assert_eq!(fields(NewRun::read(&body)), ["speed", "runId", "scenario", "alongside"]);
        assert_eq!(fields(NewRun::read(&json!({}))), ["runId", "scenario"]);
        assert_eq!(fields(NewRun::read(&json!([]))), [""]);
        let new = NewRun::read(&json!({"runId": "a-1", "scenario": "first-order.yaml"})).unwrap();
        assert_eq!((new.run_id.as_str(), new.alongside), ("a-1", false));
    }

    #[test]
    fn each_type_of_event_has_its_own_fields() {
        let step = json!({"type": "step", "number": 2, "of": 3, "text": "flood"});
        let expected = RunStep { number: 2, of: 3, text: "flood".into() };
        assert_eq!(RunEvent::read(&step), Ok(RunEvent::Step(expected)));
        let ended = json!({"type": "ended", "verdict": "notMet"});
        assert_eq!(RunEvent::read(&ended), Ok(RunEvent::Ended(RunVerdict::NotMet)));
        assert_eq!(RunEvent::read(&json!({"type": "renewed"})), Ok(RunEvent::Renewed));
        for (body, wrong) in [
            (json!({"type": "step", "number": 0, "of": 1.5, "text": 1}), &["number", "of", "text"][..]),
            (
                json!({"type": "finding", "met": "yes", "detail": "x".repeat(1_001)}),
                &["text", "met", "detail"],
            ),
            (json!({"type": "ended", "verdict": "won"}), &["verdict"]),
            (json!({"type": "renewed", "verdict": "met"}), &["verdict"]),
            (json!({"type": "began"}), &["type"]),
            (json!({}), &["type"]),
            (json!("renewed"), &[""]),
        ] {
            assert_eq!(fields(RunEvent::read(&body)), wrong, "{body}");
        }
    }
}
