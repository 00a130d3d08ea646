//! What a value is called in a message.

use dojo_contract::FraudAlert;
use rhai::Dynamic;

/// Describes a value in a sentence: `a text`, `nothing`, `an array`.
pub(crate) fn describe(value: &Dynamic) -> &'static str {
    match () {
        () if value.is_unit() => "nothing",
        () if value.is_bool() => "true or false",
        () if value.is_int() => "a whole number",
        () if value.is_decimal() => "a decimal number",
        () if value.is_string() => "a text",
        () if value.is_char() => "a character",
        () if value.is_array() => "an array",
        () if value.is_map() => "a map",
        () if value.is_fnptr() => "a function",
        () if value.is::<FraudAlert>() => "a single alert",
        () => "something else",
    }
}
