//! What the room hears of a run: each [`Progress`] becomes the events of `POST /runs/{id}/events`, which wait in an
//! [`Outbox`] until the lease sends them.

use crate::progress::{Extent, Progress, State, Step};
use dojo_contract::{Run, RunCounts, RunQuestion, RunVerdict};
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Most events that wait. A run has at most 1,000 steps, each with fewer than four events that don't replace one another, so
/// that none is lost.
const MAX_WAITING: usize = 5_000;

/// An event that a runner reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Event {
    Renewed,
    Step {
        number: usize,
        of: usize,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    Progress {
        number: usize,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        done: Option<u64>,
    },
    StepEnded {
        number: usize,
        result: String,
    },
    Said {
        text: String,
    },
    Finding {
        step: usize,
        text: String,
        met: bool,
        detail: String,
    },
    Breach {
        text: String,
    },
    Counts(RunCounts),
    Asked {
        number: usize,
        text: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        choices: Vec<String>,
    },
    Closed {
        number: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        facilitator: Option<String>,
    },
    Revealed {
        number: usize,
        answer: String,
    },
    Ended {
        verdict: RunVerdict,
        #[serde(skip_serializing_if = "Option::is_none")]
        failure: Option<String>,
    },
}

impl Event {
    /// Returns whether `self` is of no interest any more once `newer` is known.
    fn is_replaced_by(&self, newer: &Self) -> bool {
        match (self, newer) {
            (Self::Progress { number, .. }, Self::Progress { number: newer, .. }) => number == newer,
            (Self::Counts(_), Self::Counts(_)) => true,
            _ => false,
        }
    }
}

/// Returns what the room hears of a moment of the run.
pub(crate) fn events(progress: &Progress) -> Vec<Event> {
    let event = match progress {
        Progress::Began(Step { number, of, text, extent }) => {
            let total = match extent {
                Extent::Orders(orders) => Some(*orders),
                Extent::Lasts(lasts) => u64::try_from(lasts.as_millis()).ok(),
                Extent::Answer | Extent::Within(_) => None,
            };
            Event::Step { number: *number, of: *of, text: shown(text, Run::TEXT_MAX_CHARS), total }
        }
        // Before the first step and after the last one, there is no step whose state this could be.
        Progress::Moved { number: 0, .. } => return Vec::new(),
        Progress::Moved { number, state } => {
            let done = match state {
                State::Flood(flood) => Some(flood.accepted),
                State::Passed(passed) => u64::try_from(passed.as_millis()).ok(),
                State::Seen(_) | State::Waiting(_) => None,
            };
            Event::Progress {
                number: *number,
                text: shown(&state.to_string(), Run::PROGRESS_MAX_CHARS),
                done,
            }
        }
        Progress::Ended { step, result } => {
            Event::StepEnded { number: step.number, result: cut(result, Run::TEXT_MAX_CHARS) }
        }
        Progress::Counted(counts) => Event::Counts(*counts),
        Progress::Found { number, finding } => Event::Finding {
            step: *number,
            text: shown(&finding.text, Run::TEXT_MAX_CHARS),
            met: finding.met,
            detail: cut(&finding.seen, Run::DETAIL_MAX_CHARS),
        },
        Progress::Said(text) => Event::Said { text: shown(text, Run::TEXT_MAX_CHARS) },
        Progress::Broken(text) => Event::Breach { text: shown(text, Run::TEXT_MAX_CHARS) },
        Progress::Asked(question) => Event::Asked {
            number: question.number,
            text: cut(&question.text, RunQuestion::TEXT_MAX_CHARS),
            choices: question
                .choices
                .iter()
                .map(|choice| cut(choice, RunQuestion::CHOICE_MAX_CHARS))
                .collect(),
        },
        Progress::Closed(closed) => Event::Closed {
            number: closed.number,
            facilitator: closed.typed().map(|typed| cut(typed, RunQuestion::CHOICE_MAX_CHARS)),
        },
        Progress::Revealed(revealed) => {
            let answer = Event::Revealed {
                number: revealed.number,
                answer: cut(&revealed.answer, Run::TEXT_MAX_CHARS),
            };
            let because = revealed.because.iter();
            let because = because.map(|text| Event::Said { text: shown(text, Run::TEXT_MAX_CHARS) });
            return std::iter::once(answer).chain(because).collect();
        }
        Progress::Measured { .. } | Progress::RuleChanged { .. } | Progress::Noted(_) => return Vec::new(),
    };
    vec![event]
}

/// Returns a text for the room, which isn't empty and has at most this many characters.
fn shown(text: &str, most: usize) -> String {
    match text.trim() {
        "" => "…".to_owned(),
        text => cut(text, most),
    }
}

/// Returns the first `most` characters of a text.
pub(crate) fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Events that wait to be sent, and how many there were.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    /// Events that were taken, to be sent.
    taken: usize,
}

impl Outbox {
    /// Adds what the room hears of a moment of the run.
    pub fn report(&self, progress: &Progress) {
        events(progress).into_iter().for_each(|event| self.push(event));
    }

    /// Adds an event. The state of a step and the counts replace older ones that still wait.
    pub fn push(&self, event: Event) {
        let mut waiting = self.waiting();
        if let Some(older) = waiting.events.iter_mut().rev().find(|older| older.is_replaced_by(&event)) {
            *older = event;
        } else if waiting.events.len() < MAX_WAITING {
            waiting.events.push_back(event);
        }
    }

    /// Takes the oldest events, as many as one request may have.
    pub fn take(&self) -> Vec<Event> {
        let mut waiting = self.waiting();
        let number = waiting.events.len().min(Run::MAX_EVENTS);
        waiting.taken += number;
        waiting.events.drain(..number).collect()
    }

    /// Returns the number of events so far.
    pub fn total(&self) -> usize {
        let waiting = self.waiting();
        waiting.taken + waiting.events.len()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        load::FloodProgress,
        question::{Closed, Question, Revealed, Why},
    };
    use serde_json::{Value, json};
    use std::time::Duration;

    fn sent(progress: Progress) -> Value {
        serde_json::to_value(events(&progress)).unwrap()
    }

    fn flood(accepted: u64) -> Progress {
        let state = FloodProgress { orders: 12, sent: 9, accepted, failed: 0, silent_for: Duration::ZERO };
        Progress::Moved { number: 2, state: State::Flood(state) }
    }

    #[test]
    fn a_step_is_told_with_its_state_and_its_result() {
        let step = Step { number: 2, of: 3, text: "x".repeat(600), extent: Extent::Orders(12) };
        let text = "x".repeat(500);
        assert_eq!(
            sent(Progress::Began(step.clone())),
            json!([{"type": "step", "number": 2, "of": 3, "text": text, "total": 12}])
        );
        assert_eq!(
            sent(flood(8)),
            json!([{"type": "progress", "number": 2, "text": "9 of 12 sent, 8 accepted", "done": 8}])
        );
        assert_eq!(
            sent(Progress::Ended { step, result: "done".into() }),
            json!([{"type": "stepEnded", "number": 2, "result": "done"}])
        );
        assert_eq!(sent(Progress::Moved { number: 0, state: State::Waiting("lag".into()) }), json!([]));
    }

    #[test]
    fn counts_have_the_names_of_the_record() {
        let counts = RunCounts { orders: 3, given_up: 2, ..RunCounts::default() };
        assert_eq!(
            sent(Progress::Counted(counts)),
            json!([{"type": "counts", "orders": 3, "notified": 0, "retries": 0, "givenUp": 2, "redriven": 0, "alerts": 0,
                    "ruleErrors": 0}])
        );
    }

    #[test]
    fn a_question_is_asked_closed_and_revealed() {
        let question = Question {
            number: 1,
            text: "How many?".into(),
            choices: vec!["None".into(), "7".into()],
            within: Duration::from_secs(60),
            typed: false,
        };
        assert_eq!(
            sent(Progress::Asked(question)),
            json!([{"type": "asked", "number": 1, "text": "How many?", "choices": ["None", "7"]}])
        );
        assert_eq!(
            sent(Progress::Closed(Closed { number: 1, why: Why::Typed("7".into()) })),
            json!([{"type": "closed", "number": 1, "facilitator": "7"}])
        );
        let revealed = Revealed {
            number: 1,
            text: "How many?".into(),
            answer: "7".into(),
            because: Some("Five are within the limit.".into()),
            typed: None,
            guesses: Vec::new(),
        };
        assert_eq!(
            sent(Progress::Revealed(revealed)),
            json!([{"type": "revealed", "number": 1, "answer": "7"},
                   {"type": "said", "text": "Five are within the limit."}])
        );
    }

    #[test]
    fn a_state_replaces_the_older_one_that_waits_and_nothing_else_is_lost() {
        let outbox = Outbox::default();
        for accepted in 1..=3 {
            outbox.report(&flood(accepted));
            outbox.report(&Progress::Said("hear".into()));
        }
        let taken = outbox.take();
        let said = Event::Said { text: "hear".into() };
        let Some(Event::Progress { done: Some(3), .. }) = taken.first() else { panic!("{taken:?}") };
        assert_eq!(taken.get(1..), Some(&[said.clone(), said.clone(), said][..]));
        assert_eq!(outbox.total(), 4);
    }

    #[test]
    fn one_request_has_a_bounded_number_of_events() {
        let outbox = Outbox::default();
        (0..450).for_each(|n| outbox.push(Event::Said { text: n.to_string() }));
        assert_eq!([outbox.take().len(), outbox.take().len(), outbox.take().len()], [200, 200, 50]);
    }
}
