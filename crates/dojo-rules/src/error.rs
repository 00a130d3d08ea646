//! The errors of a rule. Each tells the rule's author where the mistake is, what it is, and how to correct it.

use rhai::{EvalAltResult, ParseError, ParseErrorType, Position};
use std::fmt;

/// The error of a rule that can't be compiled, or that failed on an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", Place { file, line: *line, column: *column })]
pub struct RuleError {
    /// The kind of mistake.
    pub kind: RuleErrorKind,
    /// The file's name, as the caller gave it.
    pub file: String,
    /// The line, from 1, if the mistake has one.
    pub line: Option<usize>,
    /// The character in the line, from 1.
    pub column: Option<usize>,
    /// What is wrong, and how to correct it.
    pub message: String,
}

/// The kinds of mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleErrorKind {
    /// The source can't be compiled: it is too long, empty, not UTF-8 or not readable.
    Source,
    /// The source isn't a valid script.
    Syntax,
    /// A property, variable or function doesn't exist.
    Name,
    /// The script failed while it ran.
    Evaluation,
    /// The script reached a limit of the sandbox.
    Limit,
    /// The script returned a value that this rule can't have.
    Value,
}

impl RuleError {
    /// An error about the script as a whole.
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

    /// Adds that the order was a sample, so that nobody looks for it on Kafka.
    pub(crate) fn on_a_sample(mut self) -> Self {
        self.message.push_str(" (seen when the rule was tried on a sample order)");
        self
    }

    pub(crate) fn parsing(file: &str, error: &ParseError) -> Self {
        let (kind, message) = match error.err_type() {
            ParseErrorType::VariableUndefined(name) => (RuleErrorKind::Name, unknown_variable(name)),
            ParseErrorType::ExprTooDeep => (
                RuleErrorKind::Limit,
                "the code is nested too deeply; split it into several statements or functions".to_owned(),
            ),
            ParseErrorType::TooManyFunctions => (RuleErrorKind::Limit, "too many functions".to_owned()),
            other @ ParseErrorType::LiteralTooLarge(..) => {
                (RuleErrorKind::Limit, sentence(&other.to_string()))
            }
            ParseErrorType::Reserved(word) => (
                RuleErrorKind::Syntax,
                format!("`{word}` is not allowed here, because it is reserved or disabled in rules"),
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
            EvalAltResult::ErrorTooManyOperations(_) => {
                (Limit, "the rule took too many steps; does it have an endless loop?".to_owned())
            }
            EvalAltResult::ErrorTerminated(why, _) => (Limit, format!("the rule was stopped: {why}")),
            EvalAltResult::ErrorStackOverflow(_) => (
                Limit,
                "function calls are nested too deeply; does a function call itself without end?".to_owned(),
            ),
            EvalAltResult::ErrorDataTooLarge(what, _) => {
                (Limit, format!("a value became too large: {}", sentence(what)))
            }
            EvalAltResult::ErrorTooManyVariables(_) => (Limit, "too many variables".to_owned()),
            EvalAltResult::ErrorVariableNotFound(name, _) => (Name, unknown_variable(name)),
            EvalAltResult::ErrorFunctionNotFound(signature, _) => {
                (Name, format!("there is no function `{signature}`; check its name and its arguments"))
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
        "there is no variable `{name}` here; a function sees only its parameters, and a const as `global::NAME`"
    )
}

/// Returns the error from the innermost function call, whose position is the one to look at.
fn innermost(mut error: EvalAltResult) -> EvalAltResult {
    while let EvalAltResult::ErrorInFunctionCall(_, _, inner, _) = error {
        error = *inner;
    }
    error
}

/// Puts a message of rhai into lower case at its start, because it follows a colon.
fn sentence(message: &str) -> String {
    let mut rest = message.chars();
    rest.next().map(|first| first.to_lowercase().chain(rest).collect()).unwrap_or_default()
}

/// `file:line:column`, as far as known, in the form that editors and terminals turn into a link.
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
