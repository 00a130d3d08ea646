//! How a run goes, for those who watch it: a terminal, a report, a page.

use crate::{
    Finding,
    load::{FloodProgress, LoadReport},
    question::{Closed, Question, Revealed},
};
use dojo_contract::RunCounts;
use std::{fmt, time::Duration};

/// A step of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its number, from 1.
    pub number: usize,
    /// The number of steps.
    pub of: usize,
    /// The step in words.
    pub text: String,
    /// How far it goes.
    pub extent: Extent,
}

/// How far a step goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// As long as the answer to a request takes.
    Answer,
    /// A fixed time.
    Lasts(Duration),
    /// So many orders.
    Orders(u64),
    /// Until something is seen, for at most this time.
    Within(Duration),
}

/// The state of a step at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The orders of a flood.
    Flood(FloodProgress),
    /// What has been seen of an expectation.
    Seen(String),
    /// What the run waits for.
    Waiting(String),
    /// How much of a fixed time has passed.
    Passed(Duration),
}

/// Writes the state in words.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flood(progress) => progress.fmt(f),
            Self::Seen(text) | Self::Waiting(text) => f.write_str(text),
            Self::Passed(passed) => write!(f, "{} s passed", passed.as_secs()),
        }
    }
}

/// What a caller can show while a scenario plays.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Progress {
    /// A step has begun.
    Began(Step),
    /// The state of a step, in place of its last one.
    Moved {
        /// The step's number, from 1; 0 before the first one and after the last one.
        number: usize,
        /// Its state.
        state: State,
    },
    /// The events of this run's own orders so far. Comes when they have changed, a few times a second, and
    /// at the end.
    Counted(RunCounts),
    /// The figures of a flood that has ended.
    Measured {
        /// The step's number, from 1.
        number: usize,
        /// The figures.
        report: Box<LoadReport>,
    },
    /// What came of an expectation.
    Found {
        /// The step's number, from 1.
        number: usize,
        /// The finding.
        finding: Finding,
    },
    /// A step is done. Others may have begun and ended since it began.
    Ended {
        /// The step.
        step: Step,
        /// What came of it.
        result: String,
    },
    /// A rule was changed, until the end of the run.
    RuleChanged {
        /// The rule.
        name: String,
        /// Its version from now on.
        version: String,
    },
    /// A text of the scenario for the room.
    Said(String),
    /// A question for the room. The run waits for an answer.
    Asked(Question),
    /// A question is closed, and the run goes on.
    Closed(Closed),
    /// The answer to a question, at the end of the run.
    Revealed(Revealed),
    /// Something worth knowing that isn't a failure.
    Noted(String),
    /// A promise of `always:` is broken.
    Broken(String),
}
