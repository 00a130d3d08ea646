//! The step `ask`: a question that the room guesses at before the answer happens.

use crate::{
    Placeholders, Text,
    language::{Context, Node, Value, mapping, shortened},
    scalar::{decimal, written},
};
use dojo_contract::{Run, RunQuestion};
use std::time::Duration;

/// Most questions of a run, which is as many as its record keeps.
pub const MAX_QUESTIONS: usize = Run::MAX_QUESTIONS;
/// How long the room may think by default.
const WITHIN: Duration = Duration::from_secs(60);
/// Shortest time for an answer.
const SHORTEST: Duration = Duration::from_secs(1);

mapping! {
    /// A question for the room. The run goes on when the terminal has answered, when the question is closed on the page, or when
    /// time is up; the answer is shown at the end of the run. Skipped if nobody can be asked.
    pub struct Ask, "a question such as { question: How many alerts?, answer: 7 }" {
        /// The question.
        "question" => question: Text,
        /// The right answer: a number, or one of the choices.
        "answer" => answer: Text,
        /// The answers to choose from, 2 to 6. Without them, the room guesses a number.
        "choices" => choices: Option<Vec<Text>>,
        /// Why the answer is right, shown with it.
        "because" => because: Option<Text>,
        /// How long the room may think, 60s by default.
        "within" => within: Option<Duration>,
    }
}

impl Ask {
    /// Returns how long the room may think.
    pub fn within(&self) -> Duration {
        self.within.unwrap_or(WITHIN)
    }

    /// Returns the answers to choose from; none if a number is asked for.
    pub fn choices(&self, of: Placeholders<'_>) -> Vec<String> {
        self.choices.iter().flatten().map(|choice| choice.fill(of)).collect()
    }
}

/// Checks a question, which `node` is.
pub(super) fn check(node: &Node, context: &mut Context<'_>) {
    if context.scope.in_meanwhile {
        context
            .mistakes
            .add(
                node.at,
                "a question can't be asked in `meanwhile`, because the flood doesn't wait for its answer",
            )
            .help("ask before the flood");
    }
    check_text(node.member("question"), "question", RunQuestion::TEXT_MAX_CHARS, context);
    check_within(node, context);
    match node.member("choices") {
        Some(choices) => check_choices(choices, node.member("answer"), context),
        None => check_number(node.member("answer"), context),
    }
}

/// Checks that a text isn't empty and not too long to be shown.
fn check_text(node: Option<&Node>, what: &str, most: usize, context: &mut Context<'_>) {
    let Some((node, text)) = node.and_then(|node| Some((node, context.peek::<String>(Some(node))?))) else {
        return;
    };
    if text.trim().is_empty() {
        context.mistakes.add(node.at, format!("the {what} is empty; write what the room will see"));
    } else if text.chars().count() > most {
        let message = format!("the {what} has {} characters; the most are {most}", text.chars().count());
        context.mistakes.add(node.at, message);
    }
}

fn check_within(node: &Node, context: &mut Context<'_>) {
    if let (Some(at), Some(within)) = (node.member("within"), context.peek::<Duration>(node.member("within")))
        && within < SHORTEST
    {
        let message = format!("`within` is {}; nobody answers in so short a time", written(within));
        context.mistakes.add(at.at, message).help(format!("give at least {}", written(SHORTEST)));
    }
}

fn check_number(answer: Option<&Node>, context: &mut Context<'_>) {
    if let (Some(node), Some(text)) = (answer, context.peek::<String>(answer))
        && decimal(text.trim()).is_none()
    {
        let message = format!("`answer` is `{}`, which isn't a number", shortened(&text));
        context.mistakes.add(node.at, message).help("give a number, or add the `choices` of which it is one");
    }
}

fn check_choices(choices: &Node, answer: Option<&Node>, context: &mut Context<'_>) {
    let Value::List(items) = &choices.value else { return };
    let (least, most) = (RunQuestion::MIN_CHOICES, RunQuestion::MAX_CHOICES);
    if !(least..=most).contains(&items.len()) {
        let message = format!("a question has {least} to {most} choices, and this one has {}", items.len());
        context.mistakes.add(choices.at, message).help("without `choices`, the room guesses a number");
    }
    let mut texts: Vec<String> = Vec::new();
    for item in items.iter() {
        check_text(Some(item), "choice", RunQuestion::CHOICE_MAX_CHARS, context);
        let Some(text) = context.peek::<String>(Some(item)) else { continue };
        if texts.contains(&text) {
            context.mistakes.add(item.at, format!("the choice `{}` is there twice", shortened(&text)));
        }
        texts.push(text);
    }
    if let (Some(node), Some(text)) = (answer, context.peek::<String>(answer))
        && !texts.contains(&text)
    {
        let message = format!("`answer` is `{}`, which isn't one of the choices", shortened(&text));
        context.mistakes.add(node.at, message).help(format!("choices: {}", texts.join(", ")));
    }
}
