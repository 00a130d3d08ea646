//! The page `rules/REFERENCE.md`: the prose of `reference.md`, with the tables and limits of the code in place of `{{…}}`.

use super::{COMMAND, RhaiFunction, facts, functions_of};
use crate::{
    FraudRule, MAX_EARLIER_ORDERS, MAX_SPAN, Rule as _, RuleKind, fraud,
    sandbox::{self, OWN_COMPARISONS},
    traps,
    vocabulary::{self, Described, Type},
};
use dojo_contract::FraudAlert;
use std::fmt::Write as _;

const TEMPLATE: &str = include_str!("reference.md");

/// The groups of rhai's functions: the heading, and the type whose methods they are.
pub(super) const GROUPS: [(&str, &str); 9] = [
    ("Texts", "String"),
    ("Characters", "char"),
    ("Whole numbers", "int"),
    ("Decimal numbers", "decimal"),
    ("Arrays", "array"),
    ("Maps", "map"),
    ("Ranges", "range"),
    ("Functions as values", "Fn"),
    ("Any value", "?"),
];

/// Returns the page, with the functions of rhai.
pub(super) fn text(functions: &[RhaiFunction]) -> String {
    let number = |number: usize| grouped(number as u64);
    let wrong = "const LIMIT = 100.0;\n\nif order.totl > LIMIT {\n    []\n}";
    let error = FraudRule::compile("rules/fraud.rhai", wrong).unwrap_err();
    let values = [
        ("command", COMMAND.to_owned()),
        ("facts of fraud", facts_of(RuleKind::Fraud)),
        ("facts of notification", facts_of(RuleKind::Notification)),
        ("functions of fraud", own_functions(RuleKind::Fraud)),
        ("functions of notification", own_functions(RuleKind::Notification)),
        ("earlier order", properties("", &vocabulary::properties(vocabulary::EARLIER_ORDER.name).unwrap())),
        ("functions of rhai", functions_of_rhai(functions)),
        ("habits", habits()),
        ("error", error.to_string()),
        ("source of the error", wrong.to_owned()),
        ("own comparisons", OWN_COMPARISONS.map(|name| format!("`{name}`")).join(", ")),
        ("MAX_SPAN", grouped(MAX_SPAN.into())),
        ("MAX_EARLIER_ORDERS", number(MAX_EARLIER_ORDERS)),
        ("MAX_ALERTS", number(fraud::MAX_ALERTS)),
        ("MAX_KIND", number(FraudAlert::MAX_KIND)),
        ("MAX_REASON", number(FraudAlert::MAX_REASON)),
        ("MAX_SOURCE", format!("{} KiB", sandbox::MAX_SOURCE / 1_024)),
        ("MAX_OPERATIONS", grouped(sandbox::MAX_OPERATIONS)),
        ("MAX_TIME", format!("{} ms", sandbox::MAX_TIME.as_millis())),
        ("MAX_CALLS", number(sandbox::MAX_CALLS)),
        ("MAX_DEPTH", number(sandbox::MAX_DEPTH)),
        ("MAX_ELSE_IF", number(sandbox::MAX_ELSE_IF)),
        ("MAX_FUNCTIONS", number(sandbox::MAX_FUNCTIONS)),
        ("MAX_DECLARATIONS", number(sandbox::MAX_DECLARATIONS)),
        ("MAX_VARIABLES", number(sandbox::MAX_VARIABLES)),
        ("MAX_TEXT", number(sandbox::MAX_TEXT)),
        ("MAX_ELEMENTS", number(sandbox::MAX_ELEMENTS)),
        ("MAX_PRINTED", number(sandbox::MAX_PRINTED)),
        ("MAX_PRINTED_CHARACTERS", number(sandbox::MAX_PRINTED_CHARACTERS)),
    ];
    let mut page = TEMPLATE.to_owned();
    for (name, value) in values {
        let place = format!("{{{{{name}}}}}");
        assert!(page.contains(&place), "reference.md has no {place}");
        page = page.replace(&place, value.trim_end());
    }
    assert!(!page.contains("{{"), "reference.md names a value that doesn't exist");
    page
}

fn facts_of(kind: RuleKind) -> String {
    facts(kind).into_iter().map(|fact| properties(fact, &vocabulary::properties(fact).unwrap())).collect()
}

fn properties(fact: &str, properties: &[Described]) -> String {
    let owner = if fact.is_empty() { String::new() } else { format!("{fact}.") };
    let row = |&(name, kind, text): &Described| row([&code(&format!("{owner}{name}")), name_of(kind), text]);
    properties.iter().map(row).collect()
}

fn own_functions(kind: RuleKind) -> String {
    functions_of(kind)
        .map(|function| row([&code(&function.call()), name_of(function.returns), function.text]))
        .collect()
}

fn functions_of_rhai(functions: &[RhaiFunction]) -> String {
    let mut text = String::new();
    let groups = GROUPS.map(|(heading, owner)| (heading, Some(owner)));
    for (heading, owner) in groups.into_iter().chain([("Without a value before the dot", None)]) {
        let members = functions.iter().filter(|function| match owner {
            Some(owner) => function.is_method() && function.owner() == owner,
            None => !function.is_method(),
        });
        let _ = writeln!(text, "### {heading}\n\n| | returns | |\n|---|---|---|");
        let mut rows: Vec<Vec<&RhaiFunction>> = Vec::new();
        for function in members {
            match rows.last_mut() {
                Some(same) if same[0].name == function.name => same.push(function),
                _ => rows.push(vec![function]),
            }
        }
        for mut same in rows {
            same.sort_by_key(|function| plainness(function));
            let mut ways: Vec<String> = Vec::new();
            for way in same.iter().map(|function| code(&function.written())) {
                if !ways.contains(&way) {
                    ways.push(way);
                }
            }
            let returns = if same.iter().all(|function| function.returns == same[0].returns) {
                same[0].returns
            } else {
                "?"
            };
            text += &row([&ways.join(", "), in_words(returns), &same[0].text]);
        }
        text.push('\n');
    }
    text
}

/// Sorts the ways to call a function: the one that explains it best is the first.
fn plainness(function: &RhaiFunction) -> (bool, usize, bool, bool, String) {
    let takes = |kind| function.parameters.iter().skip(1).any(|&(_, known)| known == kind);
    (takes("range"), function.parameters.len(), takes("Fn"), takes("char"), function.written())
}

fn habits() -> String {
    traps::TRAPS
        .iter()
        .map(|(words, mend)| {
            let words: Vec<String> = words.iter().map(|word| code(word)).collect();
            row([&words.join(", "), mend])
        })
        .collect()
}

/// Returns a row of a table. In a cell, even within code, `|` would end the cell.
fn row<const N: usize>(cells: [&str; N]) -> String {
    format!("| {} |\n", cells.map(|cell| cell.replace('\n', " ").replace('|', "\\|")).join(" | "))
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn name_of(kind: Type) -> &'static str {
    match kind {
        Type::Whole => "whole number",
        Type::Decimal => "decimal number",
        Type::Text => "text",
        Type::Character => "character",
        Type::Truth => "true or false",
        Type::Nothing => "nothing",
        Type::Array => "array",
        Type::Map => "map",
        Type::Alert => "alert",
    }
}

/// Returns a type of rhai in the words of the page.
fn in_words(kind: &str) -> &str {
    match kind {
        "int" => "whole number",
        "decimal" => "decimal number",
        "String" => "text",
        "char" => "character",
        "bool" => "true or false",
        "()" => "",
        "?" => "any value",
        "Fn" => "function",
        other => other,
    }
}

/// `100000` becomes `100,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
