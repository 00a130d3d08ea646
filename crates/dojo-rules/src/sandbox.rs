//! The sandbox: the limits of a script.
//!
//! Rules are edited by people who are learning, in front of a room, and the service has to survive whatever they write. So
//! an evaluation ends after a bounded number of steps and a bounded time, its values stay small, and a script can't reach
//! files, clocks, threads or other scripts. A script can call only registered functions, so rhai's standard package isn't
//! registered as a whole: it contains `sleep`, for example.

use crate::{
    comparisons,
    error::{Mistake, RuleErrorKind},
};
use parking_lot::Mutex;
use rhai::{
    AST, ASTNode, Array, Caches, Dynamic, Engine, EvalAltResult, FnPtr, ImmutableString, OptimizationLevel,
    Position, Scope, Stmt,
    packages::{
        ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
        BasicMathPackage, BasicStringPackage, LogicPackage, MoreStringPackage, Package,
    },
};
use rust_decimal::Decimal;
use std::{
    borrow::Cow,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

/// The most bytes that the source of a rule may have.
pub const MAX_SOURCE: usize = 256 * 1024;
/// Most steps of one evaluation: far more than a sensible rule takes, and done within about ten milliseconds.
pub(crate) const MAX_OPERATIONS: u64 = 100_000;
/// Longest time of one evaluation, for scripts whose single steps are slow.
pub(crate) const MAX_TIME: Duration = Duration::from_millis(50);
/// Number of steps before the clock is first read, and between later readings. For a rule with fewer steps the clock is
/// never read, so that a busy machine can't change its decisions.
const STEPS_WITHOUT_CLOCK: u64 = 256;
const STEPS_A_LOOK: u64 = 16;
/// Deepest nesting of function calls, and of the syntax tree outside functions and in each of them: what fits a thread's usual stack of
/// 2 MiB in a debug build, too.
pub(crate) const MAX_CALLS: usize = 8;
pub(crate) const MAX_DEPTH: usize = 32;
/// Most `else if` in a row: rhai runs them inside one another.
pub(crate) const MAX_ELSE_IF: usize = 64;
/// Most `let` and `const` in the source: for each use of a variable, the parser may look at all of them.
pub(crate) const MAX_DECLARATIONS: usize = 500;
/// Deepest nesting for the parser, for which a flat chain of `||` is deep, too. It has a large stack.
const MAX_PARSER_DEPTH: usize = 1_024;
pub(crate) const MAX_FUNCTIONS: usize = 64;
pub(crate) const MAX_VARIABLES: usize = 128;
/// Longest text, in bytes; largest array and map, in elements, with nested ones. The limits are small, because a single step
/// may need the square of them in memory (`replace`) or time (`dedup`).
pub(crate) const MAX_TEXT: usize = 4_096;
pub(crate) const MAX_ELEMENTS: usize = 256;
/// Most lines that one evaluation prints, and the most characters of a line.
pub(crate) const MAX_PRINTED: usize = 20;
pub(crate) const MAX_PRINTED_CHARACTERS: usize = 500;
/// Functions of rhai that sort an array with a function of the script.
pub(crate) const OWN_COMPARISONS: [&str; 4] = ["sort", "sort_by", "order", "order_by"];
/// Most functions that are remembered for the next evaluation. A sensible rule calls a few dozen.
const MAX_KNOWN_CALLS: usize = 1_024;

/// Why an evaluation stopped early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The script threw, failed, or reached a limit.
    Error(Box<EvalAltResult>),
    /// rhai, or a library below it, panicked.
    Panicked,
}

/// Returns an engine with the limits above and the parts of rhai's library that only compute. `print` and `debug` write to
/// the log, under the name `file`.
pub(crate) fn engine(file: &str) -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);

    engine
        .disable_symbol("eval")
        .disable_symbol("import")
        .disable_symbol("export")
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(true)
        .set_optimization_level(OptimizationLevel::None)
        // Interned strings would be behind a lock, and outlive the evaluation.
        .set_max_strings_interned(0)
        .set_max_modules(0)
        .set_max_operations(MAX_OPERATIONS)
        .set_max_call_levels(MAX_CALLS)
        .set_max_expr_depths(MAX_PARSER_DEPTH, MAX_PARSER_DEPTH)
        .set_max_functions(MAX_FUNCTIONS)
        .set_max_variables(MAX_VARIABLES)
        .set_max_string_size(MAX_TEXT)
        .set_max_array_size(MAX_ELEMENTS)
        .set_max_map_size(MAX_ELEMENTS);

    comparisons::refuse_unlike(&mut engine);

    // rhai catches the panic of an inconsistent comparison, but prints it, and drops the comparison's other errors.
    for sort in OWN_COMPARISONS {
        let refuse =
            || comparisons::refusal("a rule cannot sort with its own comparison; use sort() without one");
        engine.register_fn(sort, move |_: &mut Array, _: FnPtr| -> Result<(), Box<EvalAltResult>> {
            Err(refuse())
        });
        engine
            .register_fn(sort, move |_: &mut Array, _: ImmutableString| -> Result<(), Box<EvalAltResult>> {
                Err(refuse())
            });
    }

    engine.on_progress(|step| {
        (step >= STEPS_WITHOUT_CLOCK && step % STEPS_A_LOOK == 0).then(Turn::overdue).flatten()
    });
    let (print_file, debug_file) = (file.to_owned(), file.to_owned());
    engine.on_print(move |text| {
        if Turn::may_print() {
            tracing::info!(file = print_file, "{}", cut(text));
        }
    });
    engine.on_debug(move |text, _, position| {
        if Turn::may_print() {
            let text = cut(text);
            tracing::debug!(
                file = debug_file,
                line = position.line(),
                column = position.position(),
                "{text}"
            );
        }
    });
    engine
}

/// Cuts a printed line.
fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_PRINTED_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}

/// Refuses code that needs more stack than a thread may have when it runs. A chain of `||` or `&&` is flat.
pub(crate) fn check_depth(ast: &AST) -> Result<(), Mistake> {
    let mut found = None;
    ast.walk(&mut |path| {
        let else_ifs = path.windows(2).filter(|pair| is_else_if(pair)).count();
        let position = path.last().map(ASTNode::position).unwrap_or(Position::NONE);
        let refuse = |message: String, mend| Mistake::new(RuleErrorKind::Limit, position, message).mend(mend);
        if else_ifs > MAX_ELSE_IF {
            let message = format!("more than {MAX_ELSE_IF} `else if` in a row");
            found = Some(refuse(message, "write a `switch`, or several `if`"));
        } else if path.len() - else_ifs > MAX_DEPTH {
            let mend = "split it into several statements or functions";
            found = Some(refuse("the code is nested too deeply".to_owned(), mend));
        }
        found.is_none()
    });
    found.map_or(Ok(()), Err)
}

/// Returns whether the second of two nodes, which is inside the first, is an `if` directly behind its `else`.
fn is_else_if(pair: &[ASTNode]) -> bool {
    let [ASTNode::Stmt(Stmt::If(parts, _)), ASTNode::Stmt(inner @ Stmt::If(..))] = pair else { return false };
    parts.branch.statements().first().is_some_and(|first| std::ptr::eq(first, *inner))
}

/// The functions that the calls of one script refer to, as far as its evaluations have looked them up. Looking up a function
/// takes longer than running most functions, and the result never changes, because engine and script don't.
///
/// Use it with one engine and one script only.
#[derive(Debug, Default)]
pub(crate) struct KnownCalls(Mutex<Caches>);

impl KnownCalls {
    /// Takes the known functions. While another thread has them, none are known.
    fn take(&self) -> Caches {
        self.0.try_lock().map(|mut known| std::mem::take(&mut *known)).unwrap_or_default()
    }

    fn put_back(&self, mut known: Caches) {
        // A script can make up names while it runs, so the memory needs a bound.
        if known.fn_resolution_caches_len() == 1
            && known.fn_resolution_cache_mut().dict.len() <= MAX_KNOWN_CALLS
            && let Some(mut place) = self.0.try_lock()
        {
            *place = known;
        }
    }
}

/// Runs a script to its end or to a limit. [`random`] starts at `seed`; a `trial` prints nothing.
pub(crate) fn run(
    engine: &Engine,
    ast: &AST,
    calls: &KnownCalls,
    mut scope: Scope,
    seed: u64,
    trial: bool,
) -> Result<Dynamic, Stop> {
    let _turn = Turn::begin(seed, trial);
    let mut known = calls.take();
    let value = contain(|| evaluate(engine, ast, &mut known, &mut scope));
    let left_out = Turn::current().printed.saturating_sub(MAX_PRINTED);
    if left_out > 0 {
        tracing::info!(
            "{left_out} more lines of `print` are left out; one evaluation prints at most {MAX_PRINTED}"
        );
    }
    let value = value.ok_or(Stop::Panicked)?;
    calls.put_back(known);
    value.map_err(Stop::Error)
}

/// Does the same as [`Engine::eval_ast_with_scope`], but with a cache of functions that outlives the evaluation.
#[expect(
    deprecated,
    reason = "the only way to pass such a cache; without it an evaluation takes twice as long"
)]
fn evaluate(
    engine: &Engine,
    ast: &AST,
    known: &mut Caches,
    scope: &mut Scope,
) -> Result<Dynamic, Box<EvalAltResult>> {
    let mut global = engine.new_global_runtime_state();
    global.lib.push(ast.shared_lib().clone());
    engine.eval_statements_raw(&mut global, known, scope, ast.statements())
}

/// Runs a part of rhai and returns `None` if it panics. No panic is known, but an interpreter is large, and one rule must
/// not stop the orders of a whole room. A panic leaves no broken state, because an engine keeps only constants.
pub(crate) fn contain<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// The state of one evaluation. All threads share the engine, and it passes no state to the functions that it calls. So the
/// state is kept in the thread, which an evaluation never leaves.
#[derive(Clone, Copy)]
struct Turn {
    random: u64,
    trial: bool,
    /// How many lines the script has printed, or would have.
    printed: usize,
    /// The time of the first reading of the clock.
    started: Option<Instant>,
}

thread_local! {
    static TURN: Cell<Turn> = const { Cell::new(Turn { random: 0, trial: false, printed: 0, started: None }) };
}

/// Restores the state before the evaluation, even if it panicked.
struct EndOfTurn(Turn);

impl Drop for EndOfTurn {
    fn drop(&mut self) {
        TURN.set(self.0);
    }
}

impl Turn {
    fn begin(seed: u64, trial: bool) -> EndOfTurn {
        EndOfTurn(TURN.replace(Self { random: seed, trial, printed: 0, started: None }))
    }

    fn current() -> Self {
        TURN.get()
    }

    /// Counts a printed line. Returns whether it goes to the log.
    fn may_print() -> bool {
        let mut turn = TURN.get();
        if turn.trial {
            return false;
        }
        turn.printed += 1;
        TURN.set(turn);
        turn.printed <= MAX_PRINTED
    }

    /// Starts the clock, or returns why the evaluation must end now.
    fn overdue() -> Option<Dynamic> {
        let mut turn = TURN.get();
        let Some(started) = turn.started else {
            turn.started = Some(Instant::now());
            TURN.set(turn);
            return None;
        };
        (started.elapsed() > MAX_TIME).then(|| {
            format!("it took longer than {} ms; does it have an endless loop?", MAX_TIME.as_millis()).into()
        })
    }
}

/// Returns the next random number of this evaluation: at least 0, less than 1, with 18 decimals. It depends only on the seed
/// and on the number of calls. The generator is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014).
pub(crate) fn random() -> Decimal {
    const PLACES: u32 = 18;
    let mut turn = TURN.get();
    turn.random = turn.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    TURN.set(turn);
    let mut bits = turn.random;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    // The bits are a fraction of 2^64. The same fraction of 10^18 fits an i64.
    let scaled = (u128::from(bits) * 10_u128.pow(PLACES)) >> 64;
    Decimal::new(i64::try_from(scaled).unwrap_or(0), PLACES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_below_ends_the_evaluation_and_nothing_else() {
        let mut engine = engine("panics.rhai");
        engine.register_fn("panic", || -> i64 { panic!("as asked") });
        let ast = |source| engine.compile(source).unwrap();
        let run = |ast: AST| run(&engine, &ast, &KnownCalls::default(), Scope::new(), 0, false);
        assert!(matches!(run(ast("panic()")), Err(Stop::Panicked)));
        assert!(run(ast("1")).is_ok());
    }

    /// Case R7.
    #[test]
    fn an_evaluation_prints_twenty_lines_and_counts_the_rest() {
        let _turn = Turn::begin(0, false);
        let printed = (0..1_000).filter(|_| Turn::may_print()).count();
        assert_eq!((printed, Turn::current().printed), (MAX_PRINTED, 1_000));
        assert_eq!(cut(&"é".repeat(4_000)).chars().count(), MAX_PRINTED_CHARACTERS + 1);
    }

    fn known(calls: &KnownCalls) -> usize {
        calls.0.lock().fn_resolution_cache_mut().dict.len()
    }

    #[test]
    fn known_calls_change_neither_values_nor_errors() {
        let engine = engine("calls.rhai");
        let source = "fn twice(x) { x * 2 } if n > 3 { throw `${n}` } [twice(n).to_string()]";
        let ast = engine.compile_with_scope(Scope::new().push("n", 0_i64), source).unwrap();
        let calls = KnownCalls::default();
        for round in 0..3 {
            for n in 0..6_i64 {
                let scope = || Scope::new().push_constant("n", n).clone();
                let fresh = run(&engine, &ast, &KnownCalls::default(), scope(), 0, false);
                let again = run(&engine, &ast, &calls, scope(), 0, false);
                assert_eq!(format!("{fresh:?}"), format!("{again:?}"), "n is {n} in round {round}");
            }
        }
        assert!(known(&calls) > 0);
    }

    #[test]
    fn known_calls_do_not_grow_without_end() {
        let engine = engine("calls.rhai");
        let source = "for n in from..from + 50 { for again in 0..3 { try { Fn(`f${n}`).call() } catch {} } }";
        let ast = engine.compile_with_scope(Scope::new().push("from", 0_i64), source).unwrap();
        let calls = KnownCalls::default();
        let mut most = 0;
        for round in 0..50_i64 {
            let mut scope = Scope::new();
            scope.push("from", round * 50);
            // It doesn't matter whether the time limit stops it.
            let _ = run(&engine, &ast, &calls, scope, 0, false);
            most = most.max(known(&calls));
        }
        assert!(most > 0 && most <= MAX_KNOWN_CALLS, "{most}");
    }

    #[test]
    fn random_numbers_are_spread_evenly_over_zero_to_one() {
        let _turn = Turn::begin(7, false);
        let mut tenths = [0_u32; 10];
        for _ in 0..10_000 {
            let number = random();
            assert!(number >= Decimal::ZERO && number < Decimal::ONE);
            let tenth: usize = (number * Decimal::TEN).trunc().try_into().unwrap();
            tenths[tenth] += 1;
        }
        assert!(tenths.iter().all(|&count| (850..=1_150).contains(&count)), "{tenths:?}");
    }
}
