//! Reads from JSON bodies what a runner says, and what the room guesses. An error names every wrong field at once.

use crate::write::runs::{
    fields::{Fields, boolean, count, number, shown, text},
    guess::NewGuess,
    report::{RunEnd, RunEvent},
};
use dojo_contract::{FieldError, Run, RunCounts, RunFinding, RunQuestion, RunStep, RunVerdict};
use serde_json::Value;
use std::collections::BTreeSet;
use uuid::Uuid;

/// A run that wants to start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NewRun {
    pub(crate) run_id: String,
    pub(crate) scenario: String,
    pub(crate) alongside: bool,
    pub(crate) lesson: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) seed: Option<u64>,
}

impl NewRun {
    /// Reads a body, or says everything that is wrong with it.
    pub(crate) fn read(body: &Value) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(body, &["runId", "scenario", "alongside", "lesson", "file", "seed"])?;
        let run_id = fields.required("runId", run_id);
        let scenario = fields.required("scenario", |value| text(value, 1, Run::SCENARIO_MAX_CHARS));
        let alongside = fields.optional("alongside", boolean);
        let lesson = fields.optional("lesson", |value| text(value, 1, Run::LESSON_MAX_CHARS).map(Some));
        let file = fields.optional("file", |value| text(value, 1, Run::FILE_MAX_CHARS).map(Some));
        let seed = fields.optional("seed", |value| count(value).map(Some));
        fields.read(|| {
            Some(Self {
                run_id: run_id?,
                scenario: scenario?,
                alongside: alongside?,
                lesson: lesson?,
                file: file?,
                seed: seed?,
            })
        })
    }
}

impl RunEvent {
    /// Reads one event or a list of them, or says everything that is wrong with them.
    pub(crate) fn read_all(body: &Value) -> Result<Vec<Self>, Vec<FieldError>> {
        let Value::Array(list) = body else { return Self::read(body).map(|event| vec![event]) };
        if !(1..=Run::MAX_EVENTS).contains(&list.len()) {
            let message = format!("the list has {} events: give 1 to {}", list.len(), Run::MAX_EVENTS);
            return Err(vec![FieldError::new("", message)]);
        }
        let (mut events, mut errors) = (Vec::new(), Vec::new());
        for (at, body) in list.iter().enumerate() {
            match Self::read(body) {
                Ok(Self::Ended(_)) if at + 1 < list.len() => {
                    let message =
                        "is \"ended\", which is the last event of a run: put it at the end of the list";
                    errors.push(FieldError::new(format!("[{at}].type"), message));
                }
                Ok(event) => events.push(event),
                Err(wrong) => errors.extend(wrong.into_iter().map(|FieldError { field, message }| {
                    let field = if field.is_empty() { format!("[{at}]") } else { format!("[{at}].{field}") };
                    FieldError { field, message }
                })),
            }
        }
        if errors.is_empty() { Ok(events) } else { Err(errors) }
    }

    /// Reads an event.
    fn read(body: &Value) -> Result<Self, Vec<FieldError>> {
        let words = |value: &Value| text(value, 1, Run::TEXT_MAX_CHARS);
        match body.get("type").and_then(Value::as_str) {
            Some("renewed") => Fields::of(body, &["type"])?.read(|| Some(Self::Renewed)),
            Some("step") => {
                let mut fields = Fields::of(body, &["type", "number", "of", "text", "total"])?;
                let (no, of) = (fields.required("number", number), fields.required("of", number));
                let text = fields.required("text", words);
                let total = fields.optional("total", |value| count(value).map(Some));
                let step = || {
                    Some(RunStep { number: no?, of: of?, text: text?, total: total?, ..RunStep::default() })
                };
                fields.read(|| step().map(Self::Step))
            }
            Some("progress") => {
                let mut fields = Fields::of(body, &["type", "number", "text", "done"])?;
                let no = fields.required("number", number);
                let text = fields.optional("text", |value| text(value, 1, Run::PROGRESS_MAX_CHARS).map(Some));
                let done = fields.optional("done", |value| count(value).map(Some));
                fields.read(|| Some(Self::Progress { number: no?, text: text?, done: done? }))
            }
            Some("stepEnded") => {
                let mut fields = Fields::of(body, &["type", "number", "result"])?;
                let no = fields.required("number", number);
                // Some steps have nothing to say.
                let result = fields.required("result", |value| text(value, 0, Run::TEXT_MAX_CHARS));
                fields.read(|| Some(Self::StepEnded { number: no?, result: result? }))
            }
            Some("said") => {
                let mut fields = Fields::of(body, &["type", "text"])?;
                let text = fields.required("text", words);
                fields.read(|| text.map(Self::Said))
            }
            Some("finding") => {
                let mut fields = Fields::of(body, &["type", "step", "text", "met", "detail"])?;
                let step = fields.optional("step", |value| number(value).map(Some));
                let expected = fields.required("text", words);
                let met = fields.required("met", boolean);
                let detail = fields.optional("detail", |value| text(value, 0, Run::DETAIL_MAX_CHARS));
                let finding =
                    || Some(RunFinding { step: step?, text: expected?, met: met?, detail: detail? });
                fields.read(|| finding().map(Self::Finding))
            }
            Some("breach") => {
                let mut fields = Fields::of(body, &["type", "text"])?;
                let text = fields.required("text", words);
                fields.read(|| text.map(Self::Breach))
            }
            Some("counts") => counts(body),
            Some("asked") => {
                let mut fields = Fields::of(body, &["type", "number", "text", "choices"])?;
                let no = fields.required("number", number);
                let asked = fields.required("text", |value| text(value, 1, RunQuestion::TEXT_MAX_CHARS));
                let choices = fields.optional("choices", choices);
                let question = || {
                    let (number, text, choices) = (no?, asked?, choices?);
                    Some(RunQuestion { number, text, choices, open: true, ..RunQuestion::default() })
                };
                fields.read(|| question().map(Self::Asked))
            }
            Some("closed") => {
                let mut fields = Fields::of(body, &["type", "number", "facilitator"])?;
                let no = fields.required("number", number);
                let typed = |value: &Value| text(value, 1, RunQuestion::CHOICE_MAX_CHARS).map(Some);
                let facilitator = fields.optional("facilitator", typed);
                fields.read(|| Some(Self::Closed { number: no?, facilitator: facilitator? }))
            }
            Some("revealed") => {
                let mut fields = Fields::of(body, &["type", "number", "answer"])?;
                let (no, answer) = (fields.required("number", number), fields.required("answer", words));
                fields.read(|| Some(Self::Revealed { number: no?, answer: answer? }))
            }
            Some("ended") => {
                let mut fields = Fields::of(body, &["type", "verdict", "failure"])?;
                let verdict = fields.required("verdict", verdict);
                let reason = |value: &Value| text(value, 1, Run::DETAIL_MAX_CHARS).map(Some);
                let failure = fields.optional("failure", reason);
                fields.read(|| Some(Self::Ended(RunEnd { verdict: verdict?, failure: failure? })))
            }
            _ => {
                let value = body.get("type").unwrap_or(&Value::Null);
                if !body.is_object() {
                    return Err(vec![FieldError::new("", "isn't a JSON object")]);
                }
                let message = match value {
                    Value::Null => "is missing".to_owned(),
                    value => format!("is {}: give one of {}", shown(value), TYPES.join(", ")),
                };
                Err(vec![FieldError::new("type", message)])
            }
        }
    }
}

const TYPES: [&str; 12] = [
    "renewed",
    "step",
    "progress",
    "stepEnded",
    "said",
    "finding",
    "breach",
    "counts",
    "asked",
    "closed",
    "revealed",
    "ended",
];

impl NewGuess {
    /// Reads a body, or says everything that is wrong with it.
    pub(crate) fn read(body: &Value) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(body, &["guess", "guesser"])?;
        let guess = fields.required("guess", |value| text(value, 1, RunQuestion::CHOICE_MAX_CHARS));
        let guesser = fields.required("guesser", uuid);
        fields.read(|| Some(Self { guess: guess?, guesser: guesser? }))
    }
}

fn counts(body: &Value) -> Result<RunEvent, Vec<FieldError>> {
    let mut fields = Fields::of(
        body,
        &["type", "orders", "notified", "retries", "givenUp", "redriven", "alerts", "ruleErrors"],
    )?;
    let mut number = |name| fields.required(name, count);
    let (orders, notified, retries) = (number("orders"), number("notified"), number("retries"));
    let (given_up, redriven) = (number("givenUp"), number("redriven"));
    let (alerts, rule_errors) = (number("alerts"), number("ruleErrors"));
    fields.read(|| {
        Some(RunEvent::Counts(RunCounts {
            orders: orders?,
            notified: notified?,
            retries: retries?,
            given_up: given_up?,
            redriven: redriven?,
            alerts: alerts?,
            rule_errors: rule_errors?,
        }))
    })
}

fn choices(value: &Value) -> Result<Vec<String>, String> {
    let (least, most) = (RunQuestion::MIN_CHOICES, RunQuestion::MAX_CHOICES);
    let list = value.as_array().filter(|list| (least..=most).contains(&list.len()));
    let list = list.ok_or_else(|| format!("is {}: give a list of {least} to {most} texts", shown(value)))?;
    let choices = list.iter().map(|choice| text(choice, 1, RunQuestion::CHOICE_MAX_CHARS));
    let choices =
        choices.collect::<Result<Vec<_>, _>>().map_err(|message| format!("has a choice that {message}"))?;
    match choices.iter().collect::<BTreeSet<_>>().len() {
        different if different == choices.len() => Ok(choices),
        _ => Err("has a choice twice: give each once".to_owned()),
    }
}

fn run_id(value: &Value) -> Result<String, String> {
    let id = value.as_str().filter(|id| Run::is_id(id)).map(str::to_owned);
    id.ok_or_else(|| format!("is {}: give 1 to 40 of a-z, 0-9 and '-'", shown(value)))
}

fn uuid(value: &Value) -> Result<Uuid, String> {
    let id = value.as_str().and_then(|text| Uuid::try_parse(text).ok());
    id.ok_or_else(|| format!("is {}: give a UUID that the guesser keeps", shown(value)))
}

fn verdict(value: &Value) -> Result<RunVerdict, String> {
    let [one, two, three, four] = RunVerdict::ALL.map(RunVerdict::name);
    let verdict = value.as_str().and_then(RunVerdict::from_name);
    verdict.ok_or_else(|| format!(r#"is {}: give "{one}", "{two}", "{three}" or "{four}""#, shown(value)))
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
        let body = json!({"runId": "A", "scenario": "", "alongside": 1, "speed": 2, "lesson": 1, "file": "", "seed": -1});
        let wrong = ["speed", "runId", "scenario", "alongside", "lesson", "file", "seed"];
        assert_eq!(fields(NewRun::read(&body)), wrong);
        assert_eq!(fields(NewRun::read(&json!({}))), ["runId", "scenario"]);
        assert_eq!(fields(NewRun::read(&json!([]))), [""]);
        let new = NewRun::read(&json!({"runId": "a-1", "scenario": "first-order.yaml", "seed": 7})).unwrap();
        assert_eq!((new.run_id.as_str(), new.alongside, new.seed), ("a-1", false, Some(7)));
    }

    #[test]
    fn each_type_of_event_has_its_own_fields() {
        let step = json!({"type": "step", "number": 2, "of": 3, "text": "flood", "total": 12});
        let expected =
            RunStep { number: 2, of: 3, text: "flood".into(), total: Some(12), ..RunStep::default() };
        assert_eq!(RunEvent::read_all(&step), Ok(vec![RunEvent::Step(expected)]));
        let ended = json!({"type": "ended", "verdict": "notMet"});
        let expected = RunEvent::Ended(RunEnd { verdict: RunVerdict::NotMet, failure: None });
        assert_eq!(RunEvent::read_all(&ended), Ok(vec![expected]));
        assert_eq!(RunEvent::read_all(&json!({"type": "renewed"})), Ok(vec![RunEvent::Renewed]));
        let long = "x".repeat(1_001);
        for (body, wrong) in [
            (json!({"type": "step", "number": 0, "of": 1.5, "text": 1}), &["number", "of", "text"][..]),
            (json!({"type": "progress", "number": 1, "text": long, "done": -1}), &["text", "done"]),
            (json!({"type": "stepEnded"}), &["number", "result"]),
            (json!({"type": "said", "text": ""}), &["text"]),
            (
                json!({"type": "finding", "step": 0, "met": "yes", "detail": long}),
                &["step", "text", "met", "detail"],
            ),
            (json!({"type": "breach"}), &["text"]),
            (
                json!({"type": "counts", "orders": 1.5, "notified": 0, "retries": 0, "givenUp": 0, "redriven": 0, "alerts": 0}),
                &["orders", "ruleErrors"],
            ),
            (json!({"type": "asked", "number": 1, "text": long, "choices": ["one"]}), &["text", "choices"]),
            (json!({"type": "asked", "number": 1, "text": "?", "choices": ["one", "one"]}), &["choices"]),
            (json!({"type": "closed", "number": 1, "facilitator": 7}), &["facilitator"]),
            (json!({"type": "revealed", "number": 1}), &["answer"]),
            (json!({"type": "ended", "verdict": "won", "failure": ""}), &["verdict", "failure"]),
            (json!({"type": "renewed", "verdict": "met"}), &["verdict"]),
            (json!({"type": "began"}), &["type"]),
            (json!({}), &["type"]),
            (json!("renewed"), &[""]),
        ] {
            assert_eq!(fields(RunEvent::read_all(&body)), wrong, "{body}");
        }
    }

    #[test]
    fn a_list_of_events_is_read_in_its_order_and_its_mistakes_are_named_by_their_place() {
        let said = |text: &str| json!({"type": "said", "text": text});
        let ended = json!({"type": "ended", "verdict": "met"});
        let list = json!([said("a"), said("b"), ended]);
        let read = RunEvent::read_all(&list).unwrap();
        assert_eq!(read[..2], ["a", "b"].map(|text| RunEvent::Said(text.to_owned())));
        let wrong = json!([said(""), ended, 7, said("b")]);
        assert_eq!(fields(RunEvent::read_all(&wrong)), ["[0].text", "[1].type", "[2]"]);
        assert_eq!(fields(RunEvent::read_all(&json!([]))), [""]);
        assert_eq!(fields(RunEvent::read_all(&Value::Array(vec![said("a"); 201]))), [""]);
    }

    #[test]
    fn a_guess_is_a_text_of_a_guesser_with_a_uuid() {
        let id = Uuid::from_u128(7);
        let read = |guess: Value| NewGuess::read(&json!({"guess": guess, "guesser": id}));
        assert_eq!(read(json!("7")).unwrap(), NewGuess { guess: "7".into(), guesser: id });
        assert_eq!(read(json!("None")).unwrap().guess, "None");
        assert_eq!(fields(NewGuess::read(&json!({"guess": 7, "guesser": "Ada"}))), ["guess", "guesser"]);
    }
}
