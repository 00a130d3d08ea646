//! A scenario that can be played: parsed from its file and the files that it includes.

use crate::{
    Placeholders, Text,
    document::{Action, Document, MAX_QUESTIONS, Step, Subject, Tag},
    language::{Context, Mistake, Node, ParseError, Sources, text_of},
    plan::{MAX_PLANNED, Planned, flat, plan},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

/// Most different expectations of events: the observer keeps a bit for each with every event.
pub const MAX_EXPECTATIONS: usize = 64;

/// A scenario that can be played.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The file's name, as messages show it.
    pub file: String,
    /// What the file says.
    pub document: Document,
    /// The variables that the file and those that it includes have, with their values.
    pub variables: BTreeMap<String, String>,
}

/// Returns whether a file has steps and no name, so that it can only be included.
pub fn is_part(bytes: &[u8]) -> bool {
    let nowhere = |_: &Path| Err(io::ErrorKind::NotFound.into());
    let sources = Sources { read: &nowhere, variables: &BTreeMap::new() };
    let is_part = |root: &Node, _: &mut Context<'_>| {
        Some(root.member("steps").is_some() && root.member("name").is_none())
    };
    let read = text_of("", bytes).and_then(|source| Context::read("", &source, sources, is_part));
    read.is_ok_and(|(is_part, _)| is_part)
}

impl Scenario {
    /// Parses a scenario from the bytes of `file`.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn parse(file: &str, bytes: &[u8], sources: &Sources<'_>) -> Result<Self, ParseError> {
        let source = text_of(file, bytes)?;
        let (document, variables) = Context::read(file, &source, *sources, |root, context| {
            let document = Document::checked(root, context);
            let planned = context.scope.planned;
            if let (Some(steps), true) = (root.member("steps"), planned > MAX_PLANNED as u64) {
                let message = format!("the scenario plays {planned} steps; the most are {MAX_PLANNED}");
                context.mistakes.add(steps.at, message).help("repeat less, or use a `flood` for many orders");
            }
            document
        })?;
        let scenario = Self { file: file.to_owned(), document, variables };
        let limits = [
            (scenario.expectations_of_events(), MAX_EXPECTATIONS, "has", "different expectations of events"),
            (scenario.questions(), MAX_QUESTIONS, "asks", "questions"),
        ];
        match limits.into_iter().find(|(number, most, ..)| number > most) {
            Some((number, most, does, what)) => {
                let message = format!("the scenario {does} {number} {what}; the most are {most}");
                Err(Mistake::whole(file, message, "split it into several scenarios").into())
            }
            None => Ok(scenario),
        }
    }

    /// Returns every step that is played, in order: repetitions and included files are unrolled.
    pub fn plan(&self) -> Vec<Planned<'_>> {
        plan(self.steps())
    }

    /// Returns the number of different expectations of events, repetitions included.
    fn expectations_of_events(&self) -> usize {
        let plan = self.plan();
        let texts = flat(&plan).into_iter().filter_map(|planned| {
            let expectation = planned.expectation()?;
            let of = Placeholders { run: "", number: 1, repetition: planned.repetition };
            matches!(expectation.subject, Subject::Events(_))
                .then(|| Text::new(expectation.to_string()).fill(of))
        });
        texts.collect::<BTreeSet<_>>().len()
    }

    /// Returns the number of questions that it asks, repetitions included.
    pub fn questions(&self) -> usize {
        flat(&self.plan()).iter().filter(|planned| matches!(planned.step.action, Action::Ask(_))).count()
    }

    /// Returns the name of the lesson, for the room.
    pub fn name(&self) -> &str {
        &self.document.name
    }

    /// Returns what the room learns from it.
    pub fn lesson(&self) -> Option<&str> {
        self.document.lesson.as_deref()
    }

    /// Returns the words by which it is chosen.
    pub fn tags(&self) -> &[Tag] {
        self.document.tags.as_deref().unwrap_or_default()
    }

    /// Returns the steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.document.steps
    }
}
