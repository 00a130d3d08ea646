//! What a runner reports, and what each report makes of the run's record. Pure.
//!
//! A report may come twice, because its answer was lost; the second time it changes nothing. A report about a step or a question that
//! made room for newer ones is left out.

use dojo_contract::{Run, RunCounts, RunFinding, RunQuestion, RunStep, RunVerdict};

/// What a runner reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunEvent {
    /// It is still there.
    Renewed,
    /// It has begun a step.
    Step(RunStep),
    /// A step has moved on.
    Progress { number: u32, text: Option<String>, done: Option<u64> },
    /// A step has ended.
    StepEnded { number: u32, result: String },
    /// It has said something to the room.
    Said(String),
    /// It has found something out.
    Finding(RunFinding),
    /// A promise was broken.
    Breach(String),
    /// The events of its own orders so far.
    Counts(RunCounts),
    /// It asks the room a question.
    Asked(RunQuestion),
    /// It doesn't wait for guesses any more.
    Closed { number: u32, facilitator: Option<String> },
    /// The right answer to a question.
    Revealed { number: u32, answer: String },
    /// It has ended.
    Ended(RunEnd),
}

/// How a run has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunEnd {
    pub(crate) verdict: RunVerdict,
    /// Why it was not played to its end.
    pub(crate) failure: Option<String>,
}

impl RunEvent {
    /// Adds the report to the run's record. The end is added once what the run has changed is put back.
    pub(crate) fn apply(self, run: &mut Run) {
        match self {
            Self::Renewed | Self::Ended(_) => {}
            Self::Step(step) => run.begin_step(step),
            Self::Progress { number, text, done } => {
                if let Some(step) = run.step_mut(number) {
                    step.progress = text.or_else(|| step.progress.take());
                    step.done = done.or(step.done);
                }
            }
            Self::StepEnded { number, result } => {
                if let Some(step) = run.step_mut(number) {
                    step.result = Some(result);
                }
            }
            Self::Said(text) => run.say(text),
            Self::Finding(finding) => run.add_finding(finding),
            Self::Breach(breach) => run.add_breach(breach),
            Self::Counts(counts) => run.counts = counts,
            Self::Asked(question) => run.ask(question),
            Self::Closed { number, facilitator } => {
                if let Some(question) = run.question_mut(number) {
                    question.close();
                    question.facilitator = facilitator;
                }
            }
            Self::Revealed { number, answer } => {
                if let Some(question) = run.question_mut(number) {
                    question.close();
                    question.answer = Some(answer);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn after(events: &[RunEvent]) -> Run {
        let mut run = Run::starting("a-1".into(), "a".into(), false, DateTime::UNIX_EPOCH, "order-1".into());
        events.iter().for_each(|event| event.clone().apply(&mut run));
        run
    }

    fn step(number: u32) -> RunEvent {
        RunEvent::Step(RunStep { number, of: 2, text: "flood".into(), total: Some(12), ..RunStep::default() })
    }

    #[test]
    fn a_step_shows_its_last_progress_and_its_result() {
        let progress =
            |text: Option<&str>, done| RunEvent::Progress { number: 1, text: text.map(str::to_owned), done };
        let ended = RunEvent::StepEnded { number: 1, result: "12 orders".into() };
        let run =
            after(&[step(1), progress(Some("sending"), Some(3)), step(2), progress(None, Some(5)), ended]);
        let expected = RunStep {
            number: 1,
            of: 2,
            text: "flood".into(),
            progress: Some("sending".into()),
            done: Some(5),
            total: Some(12),
            result: Some("12 orders".into()),
        };
        assert_eq!(run.steps[0], expected);
        assert_eq!(run.steps[1].progress, None);
    }

    #[test]
    fn a_question_is_asked_closed_and_revealed() {
        let asked = RunEvent::Asked(RunQuestion { number: 1, open: true, ..RunQuestion::default() });
        let closed = RunEvent::Closed { number: 1, facilitator: Some("12".into()) };
        let revealed = RunEvent::Revealed { number: 1, answer: "7".into() };
        let events = [asked, closed, revealed];
        assert!(after(&events[..1]).questions[0].open);
        assert!(!after(&events[..2]).questions[0].open);
        let question = &after(&events).questions[0];
        assert_eq!((question.answer.as_deref(), question.facilitator.as_deref()), (Some("7"), Some("12")));
    }

    #[test]
    fn a_report_about_a_step_or_a_question_that_is_gone_is_left_out() {
        let run = after(&[
            RunEvent::StepEnded { number: 9, result: "x".into() },
            RunEvent::Closed { number: 9, facilitator: None },
        ]);
        assert!(run.steps.is_empty() && run.questions.is_empty());
    }
}
