//! Comparisons that rhai would answer with `false` without a word: of unlike types, and of a fact as a whole. Here they are
//! errors.

use crate::values::describe;
use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, INT, ImmutableString, Map, Position};
use rust_decimal::Decimal;

/// Marks the message of a comparison of unlike types, because rhai has no error of its own for it.
pub(crate) const UNLIKE: &str = "unlike types: ";

/// Marks the message of a comparison of a fact as a whole.
pub(crate) const WHOLE: &str = "a whole: ";

/// How to correct a comparison of unlike types.
pub(crate) const UNLIKE_MEND: &str = "compare values of one type: a number is written without quotes, and `x.to_string()` makes a text of a value";

/// Makes a comparison of unlike types an error; rhai would answer `false`. The functions are called where the types aren't
/// known before the rule runs, because there the fast operators are off (see [`crate::types`]).
pub(crate) fn refuse_unlike(engine: &mut Engine) {
    /// Registers both orders of two types; `$sign` are the operators that need them to be alike.
    macro_rules! unlike {
        ($($sign:literal)+ => $a:ty, $b:ty) => {$(
            engine.register_fn($sign, |a: $a, b: $b| unlike($sign, &Dynamic::from(a), &Dynamic::from(b)));
            engine.register_fn($sign, |a: $b, b: $a| unlike($sign, &Dynamic::from(a), &Dynamic::from(b)));
        )+};
    }
    macro_rules! each {
        ($a:ty => $($b:ty),+) => {$(
            unlike!("==" "!=" "<" "<=" ">" ">=" => $a, $b);
        )+};
    }
    each!(INT => ImmutableString, char, bool, Array, Map, FnPtr);
    each!(Decimal => ImmutableString, char, bool, Array, Map, FnPtr);
    each!(ImmutableString => bool, Array, Map, FnPtr);
    each!(char => bool, Array, Map, FnPtr);
    each!(bool => Array, Map, FnPtr);
    each!(Array => Map, FnPtr);
    each!(Map => FnPtr);
    macro_rules! nothing {
        ($($a:ty),+) => {$( unlike!("<" "<=" ">" ">=" => (), $a); )+};
    }
    nothing!(INT, Decimal, ImmutableString, char, bool, Array, Map, FnPtr);
}

/// Makes a comparison of a `T` an error, unless it is with nothing. rhai would answer `false`.
pub(crate) fn refuse_whole<T: Clone + Send + Sync + 'static>(engine: &mut Engine, name: &'static str) {
    for sign in ["==", "!=", "<", "<=", ">", ">="] {
        let compared = move |other: &Dynamic| match sign {
            "==" | "!=" if other.is_unit() => Ok(sign == "!="),
            _ => Err(refusal(format!("{WHOLE}`{sign}` compares `{name}` as a whole"))),
        };
        engine.register_fn(sign, move |_: T, other: Dynamic| compared(&other));
        engine.register_fn(sign, move |other: Dynamic, _: T| compared(&other));
        engine.register_fn(sign, move |_: T, _: T| compared(&Dynamic::TRUE));
    }
}

fn unlike(sign: &str, a: &Dynamic, b: &Dynamic) -> Result<bool, Box<EvalAltResult>> {
    let (a, b) = (describe(a), describe(b));
    Err(refusal(format!("{UNLIKE}`{sign}` compares {a} with {b}")))
}

/// Returns the error of a registered function. It is an arithmetic error, because rhai's variant for messages is also that
/// of a script's `throw`, which isn't a mistake.
pub(crate) fn refusal(message: impl Into<String>) -> Box<EvalAltResult> {
    EvalAltResult::ErrorArithmetic(message.into(), Position::NONE).into()
}
