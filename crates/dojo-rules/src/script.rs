//! A script that may run: source in, a checked and optimised program out, with the engine that runs it.
//!
//! All that can be prepared is prepared here, because a program runs once an event: the engine with its functions, the
//! syntax tree with the script's constants already in place of their names. Which functions it calls shows when it runs, and
//! is remembered.

use crate::{
    RuleError, RuleErrorKind, names,
    sandbox::{self, KnownCalls, MAX_SOURCE, Stop},
};
use rhai::{AST, Dynamic, Engine, OptimizationLevel, Scope};
use std::fmt;

pub(crate) struct Script {
    file: String,
    engine: Engine,
    ast: AST,
    calls: KnownCalls,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Script {
    /// Compiles `source` for a scope that will hold the constants `facts`, with what `teach` registers.
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
                format!("the source has {} bytes; a rule may have {MAX_SOURCE}", source.len()),
            ));
        }
        let mut engine = sandbox::engine(file);
        teach(&mut engine);
        let ast = sandbox::contain(|| parse(&engine, file, source, facts)).unwrap_or_else(|| {
            Err(RuleError::whole(
                RuleErrorKind::Syntax,
                file,
                "rhai could not cope with this source and panicked: write it in another way",
            ))
        })?;
        Ok(Self { file: file.to_owned(), engine, ast, calls: KnownCalls::default() })
    }

    /// Runs the script; every way to stop early is an error.
    pub fn run(&self, scope: Scope, seed: u64, trial: bool) -> Result<Dynamic, RuleError> {
        self.evaluate(scope, seed, trial).map_err(|stop| self.stopped(stop))
    }

    /// Runs the script, for callers to whom some ways to stop early mean something.
    pub fn evaluate(&self, scope: Scope, seed: u64, trial: bool) -> Result<Dynamic, Stop> {
        sandbox::run(&self.engine, &self.ast, &self.calls, scope, seed, trial)
    }

    /// The error that an early stop is.
    pub fn stopped(&self, stop: Stop) -> RuleError {
        match stop {
            Stop::Error(error) => RuleError::evaluating(&self.file, *error),
            Stop::Panicked => self.error(
                RuleErrorKind::Evaluation,
                "rhai could not cope with this rule and panicked: write it in another way",
            ),
        }
    }

    /// An error about this script as a whole.
    pub fn error(&self, kind: RuleErrorKind, message: impl Into<String>) -> RuleError {
        RuleError::whole(kind, &self.file, message)
    }
}

fn parse(engine: &Engine, file: &str, source: &str, facts: &[&'static str]) -> Result<AST, RuleError> {
    // Not as constants: their values of now would be built into the program.
    let mut scope = Scope::new();
    for &fact in facts {
        scope.push(fact, ());
    }
    let ast = engine.compile_with_scope(&scope, source).map_err(|error| RuleError::parsing(file, &error))?;
    // An editor that is half way through saving leaves an empty file, which would else be a rule that allows everything.
    if ast.statements().is_empty() {
        return Err(RuleError::whole(
            RuleErrorKind::Source,
            file,
            "there is no statement in this file: write at least one, if only `();`",
        ));
    }
    names::check(engine, &ast, facts)
        .map_err(|unknown| RuleError::at(RuleErrorKind::Name, file, unknown.position, unknown.message))?;
    Ok(engine.optimize_ast(&scope, ast, OptimizationLevel::Simple))
}
