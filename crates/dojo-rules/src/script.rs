//! A compiled script: source in, a checked and optimised syntax tree out, with the engine that runs it.
//!
//! The script runs once per event, so everything that can be prepared is prepared here: the engine with its functions, and
//! the syntax tree with constants in place of their names. The functions that it calls are looked up when it runs, and
//! remembered.

use crate::{
    RuleError, RuleErrorKind,
    error::Mistake,
    names,
    sandbox::{self, KnownCalls, MAX_SOURCE, Stop},
    tokens::Tokens,
    types,
};
use rhai::{AST, Dynamic, Engine, OptimizationLevel, ParseError, ParseErrorType, Scope};
use std::{fmt, io, thread};

pub(crate) struct Script {
    file: String,
    source: String,
    engine: Engine,
    ast: AST,
    longest_span: u32,
    calls: KnownCalls,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Script {
    /// Compiles `source` for a scope with the constants `facts`, and an engine to which `teach` adds functions.
    pub fn compile(
        file: &str,
        source: &str,
        facts: &[&'static str],
        teach: impl FnOnce(&mut Engine),
    ) -> Result<Self, RuleError> {
        if source.len() > MAX_SOURCE {
            return Err(RuleError::whole(
                RuleErrorKind::Source,
                file,
                format!("the source has {} bytes; the most are {MAX_SOURCE}", source.len()),
            ));
        }
        let mut engine = sandbox::engine(file);
        teach(&mut engine);
        let parsed = on_a_large_stack(|| sandbox::contain(|| parse(&mut engine, file, source, facts)))
            .map_err(|error| {
                RuleError::whole(
                    RuleErrorKind::Source,
                    file,
                    format!("the rule cannot be checked now: {error}"),
                )
            })?
            .unwrap_or_else(|| {
                let message = "rhai panicked on this source; write it in another way";
                Err(RuleError::whole(RuleErrorKind::Syntax, file, message))
            })?;
        let Parsed { ast, longest_span } = parsed;
        Ok(Self {
            file: file.to_owned(),
            source: source.to_owned(),
            engine,
            ast,
            longest_span,
            calls: KnownCalls::default(),
        })
    }

    /// Returns the longest span, in seconds, that a call in the source asks about, even in a branch that has never run. Returns 0
    /// if no call asks about a span.
    pub fn longest_span(&self) -> u32 {
        self.longest_span
    }

    /// Runs the script.
    ///
    /// # Errors
    /// The script stopped early.
    pub fn run(&self, scope: Scope, seed: u64, trial: bool) -> Result<Dynamic, RuleError> {
        self.evaluate(scope, seed, trial).map_err(|stop| self.stopped(stop))
    }

    /// Runs the script, for callers that handle some early stops themselves.
    ///
    /// # Errors
    /// The script stopped early.
    pub fn evaluate(&self, scope: Scope, seed: u64, trial: bool) -> Result<Dynamic, Stop> {
        sandbox::run(&self.engine, &self.ast, &self.calls, scope, seed, trial)
    }

    /// Returns the error of an early stop.
    pub fn stopped(&self, stop: Stop) -> RuleError {
        match stop {
            Stop::Error(error) => RuleError::of(Mistake::evaluating(*error), &self.file, &self.source),
            Stop::Panicked => {
                self.error(RuleErrorKind::Evaluation, "rhai panicked on this rule; write it in another way")
            }
        }
    }

    /// An error about this script as a whole.
    pub fn error(&self, kind: RuleErrorKind, message: impl Into<String>) -> RuleError {
        RuleError::whole(kind, &self.file, message)
    }
}

/// A checked syntax tree, and what is known about it before it runs.
struct Parsed {
    ast: AST,
    longest_span: u32,
}

/// The stack of the thread that parses: the parser needs up to a few kilobytes for each level of nesting in a debug build.
const PARSER_STACK: usize = 64 * 1024 * 1024;

fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|threads| {
        let parser = thread::Builder::new()
            .name("rule-parser".to_owned())
            .stack_size(PARSER_STACK)
            .spawn_scoped(threads, work)?;
        parser.join().map_err(|_| io::Error::other("its thread panicked"))
    })
}

fn parse(engine: &mut Engine, file: &str, source: &str, facts: &[&'static str]) -> Result<Parsed, RuleError> {
    // As variables, because the values of constants would become a part of the syntax tree.
    let mut scope = Scope::new();
    for &fact in facts {
        scope.push(fact, ());
    }
    let refuse = |mistake| RuleError::of(mistake, file, source);
    let tokens = Tokens::of(engine, source);
    tokens.check_declarations().map_err(refuse)?;
    let ast = engine
        .compile_with_scope(&scope, source)
        .map_err(|error| refuse(explain(&tokens, source, facts, &error)))?;
    drop(tokens);
    // An editor may leave an empty file for a moment, which would be a rule that allows everything.
    if ast.statements().is_empty() {
        return Err(RuleError {
            mend: Some("write at least one, such as `();`".to_owned()),
            ..RuleError::whole(RuleErrorKind::Source, file, "the file has no statement")
        });
    }
    sandbox::check_depth(&ast).map_err(refuse)?;
    names::check(engine, &ast, facts).map_err(refuse)?;
    let known = types::check(&ast, facts).map_err(refuse)?;
    // The fast operators compare unlike types without a word. A rule whose comparisons are all known to be of like types
    // is safe with them, and faster.
    engine.set_fast_operators(known.all_comparisons);
    let ast = engine.optimize_ast(&scope, ast, OptimizationLevel::Simple);
    Ok(Parsed { ast, longest_span: known.longest_span })
}

/// Explains an error of the parser: by the bracket that caused it, by a word of another language, or in rhai's words.
fn explain(tokens: &Tokens, source: &str, facts: &[&'static str], error: &ParseError) -> Mistake {
    if *error.err_type() == ParseErrorType::ExprTooDeep {
        return Mistake::parsing(error);
    }
    if let ParseErrorType::VariableUndefined(name) = error.err_type()
        && tokens.trap(error.position()).is_none()
    {
        return tokens.unknown_variable(name, error.position(), facts);
    }
    // An error before the bracket isn't the bracket's fault.
    let unbalanced = tokens
        .unbalanced(source)
        .filter(|mistake| error.position().is_none() || mistake.position <= error.position())
        .filter(|mistake| {
            // A text without an end hides the brackets behind it.
            mistake.position == error.position() || !matches!(error.err_type(), ParseErrorType::BadInput(_))
        });
    let semicolon = || match error.err_type() {
        ParseErrorType::MissingToken(sign, _) if sign == ";" => tokens.missing_semicolon(error.position()),
        _ => None,
    };
    unbalanced
        .or_else(|| tokens.trap(error.position()))
        .or_else(semicolon)
        .unwrap_or_else(|| Mistake::parsing(error))
}
