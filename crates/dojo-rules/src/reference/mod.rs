//! What participants and editors read about rules: `rules/REFERENCE.md` and `rules/definitions/`. The tests below write them from
//! the tables and limits of the code, and fail while a file says something else.

mod definitions;
mod functions;
mod page;

use crate::{
    FraudRule, NotificationRule, Rule as _, RuleKind, history, sandbox,
    vocabulary::{self, ATTEMPT, FUNCTIONS, Function, ORDER, SETTINGS, WINDOW},
};
use functions::RhaiFunction;
use std::{fs, path::PathBuf};

/// If set, the test writes the files instead of comparing them.
const UPDATE: &str = "UPDATE_REFERENCE";
const COMMAND: &str = "UPDATE_REFERENCE=1 cargo test -p dojo-rules reference";

/// Returns the facts of a rule in the order in which a reader wants them.
fn facts(kind: RuleKind) -> Vec<&'static str> {
    match kind {
        RuleKind::Fraud => vec![ORDER.name, WINDOW.name, history::CUSTOMER, history::EVERYONE],
        RuleKind::Notification => vec![ORDER.name, ATTEMPT.name, SETTINGS.name],
    }
}

/// Returns the functions of the dojo in a rule.
fn functions_of(kind: RuleKind) -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter().filter(move |function| match (function.of, kind) {
        (Some(fact), _) => facts(kind).contains(&fact),
        (None, RuleKind::Fraud) => function.name == "alert",
        (None, RuleKind::Notification) => function.name == "random",
    })
}

fn files() -> Vec<(PathBuf, String)> {
    let rules = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let functions = functions::of(&sandbox::engine("reference"));
    let definitions = rules.join("definitions");
    vec![
        (rules.join("REFERENCE.md"), page::text(&functions)),
        (definitions.join("rhai.d.rhai"), definitions::of_rhai(&functions)),
        (definitions.join("fraud.d.rhai"), definitions::of_rule(RuleKind::Fraud)),
        (definitions.join("notification.d.rhai"), definitions::of_rule(RuleKind::Notification)),
    ]
}

#[test]
fn the_reference_and_the_definitions_say_what_the_code_says() {
    for (path, text) in files() {
        if std::env::var_os(UPDATE).is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            continue;
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(written == text, "{} is out of date; run `{COMMAND}`", path.display());
    }
}

/// A snippet starts with three backticks, `rhai`, and the kind of its rule.
#[test]
fn every_snippet_in_the_reference_is_a_rule() {
    let text = page::text(&[]);
    let mut snippets = 0;
    for snippet in text.split("```rhai ").skip(1) {
        let (kind, source) = snippet.split_once('\n').unwrap();
        let source = source.split("```").next().unwrap();
        let kind = RuleKind::ALL.into_iter().find(|known| known.name() == kind).expect(kind);
        kind.check("example.rhai", source).unwrap_or_else(|error| panic!("{error}"));
        snippets += 1;
    }
    assert!(snippets >= 5 && !text.contains("```rhai\n"), "{snippets}");
}

/// What the reference says the dojo has is there in the rule that it says, and not in the other one.
#[test]
fn every_function_of_the_dojo_in_the_reference_can_be_called() {
    for kind in RuleKind::ALL {
        for function in functions_of(kind) {
            let arguments: Vec<&str> = function
                .parameters
                .iter()
                .map(|(name, _)| match *name {
                    "severity" => "\"LOW\"",
                    "seconds" => "60",
                    _ => "\"text\"",
                })
                .collect();
            let owner = function.of.map(|of| format!("{of}.")).unwrap_or_default();
            let source = format!("{owner}{}({}); []", function.name, arguments.join(", "));
            kind.check("example.rhai", &source).unwrap_or_else(|error| panic!("{error}"));
        }
        for fact in facts(kind) {
            for (property, ..) in vocabulary::properties(fact).unwrap() {
                kind.check("example.rhai", &format!("{fact}.{property}; []")).unwrap();
            }
        }
    }
    assert!(NotificationRule::compile("n.rhai", "alert(\"A\", \"LOW\", \"\")").is_err());
    assert!(FraudRule::compile("f.rhai", "random(); []").is_err());
}

#[test]
fn every_function_of_rhai_is_in_a_group_of_the_reference() {
    let functions: Vec<RhaiFunction> = functions::of(&sandbox::engine("reference"));
    let of_any: Vec<&str> =
        functions.iter().filter(|function| function.owner() == "?").map(|function| &*function.name).collect();
    let owners = page::GROUPS.map(|(_, owner)| owner);
    for function in &functions {
        let is_shown = !function.is_method() || owners.contains(&function.owner());
        assert!(is_shown || of_any.contains(&&*function.name), "{function:?}");
    }
    assert!(functions.len() > 150, "{}", functions.len());
}
