//! What can be wrong with a rule, said so that whoever wrote it can mend it: where, what, and how.

use rhai::{EvalAltResult, ParseError, ParseErrorType, Position};
use std::fmt;

/// A rule that cannot be compiled, or that failed on an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", Place { file, line: *line, column: *column })]
pub struct RuleError {
    /// What sort of mistake it is.
    pub kind: RuleErrorKind,
    /// The file, as whoever compiled the rule called it.
    pub file: String,
    /// The line, from 1, where one is to blame.
    pub line: Option<usize>,
    /// The character in the line, from 1.
    pub column: Option<usize>,
    /// What is wrong, and how to mend it.
    pub message: String,
}

/// The sorts of mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleErrorKind {
    /// The source is not a text that could be compiled: too long, empty, not UTF-8, not readable.
    Source,
    /// It is not a program.
    Syntax,
    /// A name that does not exist: a property, a variable, a function.
    Name,
    /// It went wrong while it ran.
    Evaluation,
    /// It ran into a limit of the sandbox.
    Limit,
    /// It ran, but its value is not one that this rule can have.
    Value,
}

impl RuleError {
    /// An error that no single line is to blame for.
    pub(crate) fn whole(kind: RuleErrorKind, file: &str, message: impl Into<String>) -> Self {
        Self { kind, file: file.to_owned(), line: None, column: None, message: message.into() }
    }

    pub(crate) fn at(
        kind: RuleErrorKind,
        file: &str,
        position: Position,
        message: impl Into<String>,
    ) -> Self {
        Self { line: position.line(), column: position.position(), ..Self::whole(kind, file, message) }
    }

    /// Says that the order at hand was ours, lest somebody look for it on Kafka.
    pub(crate) fn on_a_sample(mut self) -> Self {
        self.message.push_str(" (seen when the rule was tried on a sample order)");
        self
    }

    pub(crate) fn parsing(file: &str, error: &ParseError) -> Self {
        let (kind, message) = match error.err_type() {
            ParseErrorType::VariableUndefined(name) => (RuleErrorKind::Name, unknown_variable(name)),
            ParseErrorType::ExprTooDeep => (
                RuleErrorKind::Limit,
                "the code is nested too deep: split it into several statements or functions".to_owned(),
            ),
            ParseErrorType::TooManyFunctions => (RuleErrorKind::Limit, "too many functions".to_owned()),
            other @ ParseErrorType::LiteralTooLarge(..) => {
                (RuleErrorKind::Limit, sentence(&other.to_string()))
            }
            ParseErrorType::Reserved(word) => (
                RuleErrorKind::Syntax,
                format!("`{word}` is not allowed here: it is reserved, or switched off in rules"),
            ),
            other => (RuleErrorKind::Syntax, sentence(&other.to_string())),
        };
        Self::at(kind, file, error.position(), message)
    }

    pub(crate) fn evaluating(file: &str, error: EvalAltResult) -> Self {
        use RuleErrorKind::{Evaluation, Limit, Name};
        let mut error = innermost(error);
        let position = error.take_position();
        let (kind, message) = match &error {
            EvalAltResult::ErrorTooManyOperations(_) => (
                Limit,
                "the rule does not come to an end: it took too many steps; is there an endless loop?"
                    .to_owned(),
            ),
            EvalAltResult::ErrorTerminated(why, _) => (Limit, format!("the rule was stopped: {why}")),
            EvalAltResult::ErrorStackOverflow(_) => (
                Limit,
                "functions call one another too deep: is there one that calls itself without end?".to_owned(),
            ),
            EvalAltResult::ErrorDataTooLarge(what, _) => {
                (Limit, format!("a value grew too large: {}", sentence(what)))
            }
            EvalAltResult::ErrorTooManyVariables(_) => (Limit, "too many variables".to_owned()),
            EvalAltResult::ErrorVariableNotFound(name, _) => (Name, unknown_variable(name)),
            EvalAltResult::ErrorFunctionNotFound(signature, _) => {
                (Name, format!("there is no function `{signature}`: check its name and what it is given"))
            }
            EvalAltResult::ErrorArithmetic(message, _) => (Evaluation, sentence(message)),
            EvalAltResult::ErrorRuntime(value, _) => (Evaluation, format!("the rule threw: {value}")),
            other => (Evaluation, sentence(&other.to_string())),
        };
        Self::at(kind, file, position, message)
    }
}

fn unknown_variable(name: &str) -> String {
    format!(
        "there is no variable `{name}` here; a function sees its own parameters, and a const as `global::NAME`"
    )
}

/// The error itself, from within the functions that it came out of: its position is the one to look at.
fn innermost(mut error: EvalAltResult) -> EvalAltResult {
    while let EvalAltResult::ErrorInFunctionCall(_, _, inner, _) = error {
        error = *inner;
    }
    error
}

/// rhai starts its messages with a capital; ours do not, as they follow a colon.
fn sentence(message: &str) -> String {
    let mut rest = message.chars();
    rest.next().map(|first| first.to_lowercase().chain(rest).collect()).unwrap_or_default()
}

/// `file:line:column`, as far as it is known, in the form that editors and terminals make a link of.
struct Place<'a> {
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}
