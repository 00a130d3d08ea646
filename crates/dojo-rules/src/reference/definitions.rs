//! Definition files, which tell rhai's language server what a script finds around it. Their grammar is that of
//! <https://github.com/rhaiscript/lsp>.

use super::{COMMAND, RhaiFunction, RuleKind, facts, functions_of};
use crate::vocabulary::{self, Type};
use std::fmt::Write as _;

/// Types of values that the language server doesn't know.
const TYPES: [&str; 6] = ["decimal", "array", "map", "range", "iterator", "Fn"];

/// Functions of the language itself, which no package registers, and `to_decimal`, which is registered without a comment.
const LANGUAGE: &str = "\
/// Writes a value to the log of the service.
fn print(value: ?);

/// Writes a value to the log of the service, at the level DEBUG, with line and column.
fn debug(value: ?);

/// Returns the name of a value's type.
fn type_of(value: ?) -> String;

/// Returns a function by its name.
fn Fn(name: String) -> Fn;

/// Calls a function.
fn call(function: Fn, ...arguments: ?) -> ?;

/// Returns a function with its first arguments set.
fn curry(function: Fn, ...arguments: ?) -> Fn;

/// Returns a whole number as a decimal number.
fn to_decimal(number: int) -> decimal;
";

fn head(what: &str) -> String {
    format!("/// {what}\n///\n/// Written by `{COMMAND}`.\nmodule static;\n\n")
}

/// Returns the definitions of what both rules share with every other rhai script.
pub(super) fn of_rhai(functions: &[RhaiFunction]) -> String {
    let mut text = head("The functions of rhai that a rule can call.");
    for kind in TYPES {
        let _ = writeln!(text, "type {kind} = ...;");
    }
    let _ = write!(text, "\n{LANGUAGE}");
    for function in functions {
        let parameters: Vec<String> =
            function.parameters.iter().map(|(name, kind)| format!("{name}: {kind}")).collect();
        let get = if function.is_property { "get " } else { "" };
        let returns =
            if function.returns == "()" { String::new() } else { format!(" -> {}", function.returns) };
        let _ = write!(
            text,
            "\n/// {}\nfn {get}{}({}){returns};\n",
            function.text,
            function.name,
            parameters.join(", ")
        );
    }
    text
}

/// Returns the definitions of the facts and functions of a rule.
pub(super) fn of_rule(kind: RuleKind) -> String {
    let mut text = head(&format!(
        "The facts and functions of a {} rule.\n///\n/// The language server doesn't tell the kinds of rules apart, and offers \
         the names of both in each.\n/// `dojo rules check` tells them apart.",
        kind.name()
    ));
    if kind == RuleKind::Fraud {
        text += "type Alert = ...;\n\n";
        object(&mut text, vocabulary::EARLIER_ORDER.name);
    }
    for fact in facts(kind) {
        object(&mut text, fact);
        let _ = write!(text, "const {fact}: {};\n\n", type_name(fact));
    }
    for function in functions_of(kind) {
        let of = function.of.map(|of| format!("{of}: {}", type_name(of)));
        let parameters =
            function.parameters.iter().map(|&(name, kind)| format!("{name}: {}", name_of(kind, None)));
        let parameters: Vec<String> = of.into_iter().chain(parameters).collect();
        let returns = name_of(function.returns, (function.name == "recent").then_some("[EarlierOrder]"));
        let _ = write!(
            text,
            "/// {}\nfn {}({}) -> {returns};\n\n",
            function.text,
            function.name,
            parameters.join(", ")
        );
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn object(text: &mut String, fact: &str) {
    let properties = vocabulary::properties(fact).unwrap();
    let name = type_name(fact);
    if properties.is_empty() {
        let _ = write!(text, "type {name} = ...;\n\n");
        return;
    }
    let _ = writeln!(text, "type {name} = #{{");
    for (property, kind, description) in properties {
        let _ = writeln!(text, "    /// {description}\n    {property}: {},", name_of(kind, None));
    }
    text.push_str("};\n\n");
}

/// `earlier order` becomes `EarlierOrder`.
fn type_name(fact: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    fact.split(' ').map(capital).collect()
}

fn name_of(kind: Type, of_elements: Option<&'static str>) -> &'static str {
    match kind {
        Type::Whole => "int",
        Type::Decimal => "decimal",
        Type::Text => "String",
        Type::Character => "char",
        Type::Truth => "bool",
        Type::Nothing => "()",
        Type::Array => of_elements.unwrap_or("array"),
        Type::Map => "map",
        Type::Alert => "Alert",
    }
}
