//! The errors of a rule. Each tells the rule's author where the mistake is, what it is, and how to correct it. The text is the
//! same in the terminal, in the log, in the API and on the page:
//!
//! ```text
//! rules/fraud.rhai:44:10: `order` has no `totl`
//! 44 | if order.totl > AMOUNT_LIMIT {
//!    |          ^
//! did you mean `total`?
//! ```

use crate::{
    comparisons::{UNLIKE, UNLIKE_MEND, WHOLE},
    traps, vocabulary,
};
use dojo_excerpt::SourceLine;
use rhai::{
    Array, Dynamic, EvalAltResult, ImmutableString, LexError, Map, ParseError, ParseErrorType, Position,
};
use std::fmt;

/// The error of a rule that can't be compiled, or that failed on an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RuleError {
    /// The kind of mistake.
    pub kind: RuleErrorKind,
    /// The file's name, as the caller gave it.
    pub file: String,
    /// The line, from 1, if the mistake has one.
    pub line: Option<usize>,
    /// The character in the line, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// How to correct it, if the message doesn't say so.
    pub mend: Option<String>,
    /// The line of the source with the mistake.
    pub source_line: Option<Box<SourceLine>>,
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
    /// Two values have types that can't be compared.
    Type,
    /// The script failed while it ran.
    Evaluation,
    /// The script reached a limit of the sandbox.
    Limit,
    /// The script returned a value that this rule can't have.
    Value,
}

/// The longest message and the longest correction, in characters. They are cut because they may contain values of the rule. With a
/// line of the source between them, they fit into the reason of an event, which is cut after a thousand.
const MAX_MESSAGE: usize = 250;
const MAX_MEND: usize = 400;

fn cut(text: String, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A mistake without its file.
pub(crate) struct Mistake {
    pub kind: RuleErrorKind,
    pub position: Position,
    pub message: String,
    pub mend: Option<String>,
}

impl RuleError {
    /// An error about the script as a whole.
    pub(crate) fn whole(kind: RuleErrorKind, file: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            file: file.to_owned(),
            line: None,
            column: None,
            message: cut(message.into(), MAX_MESSAGE),
            mend: None,
            source_line: None,
        }
    }

    /// Returns the error about `mistake` in `source`, the text of `file`.
    pub(crate) fn of(mistake: Mistake, file: &str, source: &str) -> Self {
        let Mistake { kind, position, message, mend } = mistake;
        let (line, column) = (position.line(), position.position());
        let source_line = line.and_then(|line| SourceLine::of(source, line, column)).map(Box::new);
        let mend = mend.map(|mend| cut(mend, MAX_MEND));
        Self { line, column, mend, source_line, ..Self::whole(kind, file, message) }
    }

    /// Adds that the order was a sample, so that nobody looks for it on Kafka.
    pub(crate) fn on_a_sample(mut self) -> Self {
        self.message.push_str(" (seen when the rule was tried on a sample order)");
        self
    }
}

impl Mistake {
    pub fn new(kind: RuleErrorKind, position: Position, message: impl Into<String>) -> Self {
        Self { kind, position, message: message.into(), mend: None }
    }

    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// Explains an error of rhai's parser, apart from unknown variables.
    pub fn parsing(error: &ParseError) -> Self {
        use RuleErrorKind::{Limit, Syntax};
        let new = |kind, message: &str| Self::new(kind, error.position(), message);
        match error.err_type() {
            ParseErrorType::ExprTooDeep => new(Limit, "the code is nested too deeply")
                .mend("split it into several statements or functions"),
            ParseErrorType::TooManyFunctions => new(Limit, "too many functions"),
            other @ ParseErrorType::LiteralTooLarge(..) => new(Limit, &sentence(&other.to_string())),
            ParseErrorType::Reserved(word) | ParseErrorType::BadInput(LexError::ImproperSymbol(word, _)) => {
                let message =
                    format!("`{word}` is not allowed here, because it is reserved or disabled in rules");
                Self { mend: traps::mend(word).map(Into::into), ..new(Syntax, &message) }
            }
            ParseErrorType::UnknownOperator(sign) => {
                let message = format!("a rule has no operator `{sign}`");
                Self { mend: traps::mend(sign).map(Into::into), ..new(Syntax, &message) }
            }
            ParseErrorType::BadInput(LexError::UnterminatedString) => {
                new(Syntax, "the text that starts here has no end")
                    .mend("write the quote that closes it in the same line")
            }
            ParseErrorType::BadInput(LexError::MalformedChar(text)) => {
                new(Syntax, &format!("`'{text}'` is not a character"))
                    .mend(format!("write a text in double quotes: {text:?}"))
            }
            other => new(Syntax, &sentence(&other.to_string())),
        }
    }

    /// Explains an error of an evaluation.
    pub fn evaluating(error: EvalAltResult) -> Self {
        use RuleErrorKind::{Evaluation, Limit, Name, Type};
        let mut error = innermost(error);
        let position = error.take_position();
        let new = |kind, message: &str| Self::new(kind, position, message);
        match &error {
            EvalAltResult::ErrorTooManyOperations(_) => {
                new(Limit, "the rule took too many steps").mend("does it have an endless loop?")
            }
            EvalAltResult::ErrorTerminated(why, _) => {
                new(Limit, &format!("the rule was stopped: {why}")).mend("does it have an endless loop?")
            }
            EvalAltResult::ErrorStackOverflow(_) => new(Limit, "function calls are nested too deeply")
                .mend("does a function call itself without end?"),
            EvalAltResult::ErrorDataTooLarge(what, _) => {
                new(Limit, &format!("a value became too large: {}", sentence(what)))
            }
            EvalAltResult::ErrorTooManyVariables(_) => new(Limit, "too many variables"),
            EvalAltResult::ErrorVariableNotFound(name, _) => {
                new(Name, &format!("there is no variable `{name}` here"))
            }
            EvalAltResult::ErrorFunctionNotFound(signature, _) => {
                let signature = signature
                    .replace("&str | ImmutableString | String", "text")
                    .replace("i64", "whole number")
                    .replace("rust_decimal::decimal::Decimal", "decimal number")
                    .replace(" (", "(");
                new(Name, &format!("there is no function `{signature}`"))
                    .mend("check its name and the types of its arguments")
            }
            EvalAltResult::ErrorArithmetic(message, _) => match message.strip_prefix(UNLIKE) {
                Some(message) => new(Type, message).mend(UNLIKE_MEND),
                None => match message.strip_prefix(WHOLE) {
                    Some(message) => new(Type, message).mend("compare one of its properties"),
                    None => new(Evaluation, &sentence(message)),
                },
            },
            EvalAltResult::ErrorRuntime(value, _) => {
                new(Evaluation, &format!("the rule threw: {}", thrown_text(value)))
            }
            other => new(Evaluation, &sentence(&other.to_string())),
        }
    }
}

/// Returns the text of a thrown value. rhai would print a fact, alone or in an array, as the name of its Rust type.
pub(crate) fn thrown_text(thrown: &Dynamic) -> String {
    let element = |value: &Dynamic| match value.read_lock::<ImmutableString>() {
        Some(text) => format!("{text:?}"),
        None => thrown_text(value),
    };
    if let Some(array) = thrown.read_lock::<Array>() {
        return format!("[{}]", array.iter().map(element).collect::<Vec<_>>().join(", "));
    }
    if let Some(map) = thrown.read_lock::<Map>() {
        let pairs = map.iter().map(|(name, value)| format!("{name:?}: {}", element(value)));
        return format!("#{{{}}}", pairs.collect::<Vec<_>>().join(", "));
    }
    let text = vocabulary::printed_fact(thrown).unwrap_or_else(|| thrown.to_string());
    match text.rsplit_once("::") {
        Some((_, name)) if text == thrown.type_name() => name.to_lowercase(),
        _ => text,
    }
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

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `file:line:column`, as far as known, is what editors and terminals turn into a link.
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(source_line) = &self.source_line {
            write!(f, "\n{source_line}")?;
        }
        self.mend.as_ref().map_or(Ok(()), |mend| write!(f, "\n{mend}"))
    }
}
