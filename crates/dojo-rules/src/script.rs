//! A compiled script: source in, a checked and optimised syntax tree out, with the engine that runs it.
//!
//! The script runs once per event, so everything that can be prepared is prepared here: the engine with its functions, and
//! the syntax tree with constants in place of their names. The functions that it calls are looked up when it runs, and
//! remembered.

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
        let ast = sandbox::contain(|| parse(&engine, file, source, facts)).unwrap_or_else(|| {
            Err(RuleError::whole(
                RuleErrorKind::Syntax,
                file,
                "rhai panicked on this source; write it in another way",
            ))
        })?;
        Ok(Self { file: file.to_owned(), engine, ast, calls: KnownCalls::default() })
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
            Stop::Error(error) => RuleError::evaluating(&self.file, *error),
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

fn parse(engine: &Engine, file: &str, source: &str, facts: &[&'static str]) -> Result<AST, RuleError> {
    // As variables, because the values of constants would become a part of the syntax tree.
    let mut scope = Scope::new();
    for &fact in facts {
        scope.push(fact, ());
    }
    let ast = engine.compile_with_scope(&scope, source).map_err(|error| RuleError::parsing(file, &error))?;
    // An editor may leave an empty file for a moment, which would be a rule that allows everything.
    if ast.statements().is_empty() {
        return Err(RuleError::whole(
            RuleErrorKind::Source,
            file,
            "the file has no statement; write at least one, such as `();`",
        ));
    }
    names::check(engine, &ast, facts)
        .map_err(|unknown| RuleError::at(RuleErrorKind::Name, file, unknown.position, unknown.message))?;
    Ok(engine.optimize_ast(&scope, ast, OptimizationLevel::Simple))
}
