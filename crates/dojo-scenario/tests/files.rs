//! What a file may be: its encoding, its size, the files that it includes, and its variables.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, missing_docs, reason = "a test panics")]

use dojo_scenario::{
    MAX_BYTES, Scenario, Sources,
    document::{Action, Choice},
    unknown_variables,
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    time::{Duration, Instant},
};

const ORDER: &str = "  - order: { customerName: Ada, item: Pizza, quantity: 1, price: 9.50 }\n";

fn parse(text: impl AsRef<[u8]>) -> Result<Scenario, String> {
    with_files(text, &[], &[])
}

/// Parses a scenario beside other files, with variables of the caller.
fn with_files(
    text: impl AsRef<[u8]>,
    files: &[(&str, &str)],
    variables: &[(&str, &str)],
) -> Result<Scenario, String> {
    let read = |path: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    };
    let variables: BTreeMap<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Scenario::parse("lessons/test.yaml", text.as_ref(), &Sources { read: &read, variables: &variables })
        .map_err(|error| error.to_string())
}

fn words(scenario: &Scenario) -> Vec<String> {
    scenario.plan().iter().map(|planned| planned.step.action.to_string()).collect()
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    let text = format!("\u{feff}name: Test\r\nsteps:\r\n{}", ORDER.replace('\n', "\r\n"));
    assert_eq!(words(&parse(text).unwrap()), ["order 1 × Pizza at $9.50 for Ada"]);
}

#[test]
fn a_file_that_is_not_utf_8_or_too_long_is_refused() {
    assert!(parse(b"name: \xff").unwrap_err().contains("not UTF-8 at byte 6"));
    assert!(parse("x".repeat(MAX_BYTES + 1)).unwrap_err().contains("longer than 64 KiB"));
}

#[test]
fn an_alias_repeats_a_value() {
    let text = "name: Test\nsteps:\n  - order: &pizza { customerName: Ada, item: Pizza, quantity: 1, price: 9.50 }\n  \
                - flood: { count: 2, rate: 5/s, order: *pizza }\n";
    assert_eq!(parse(text).unwrap().steps().len(), 2);
}

#[test]
fn aliases_that_expand_without_end_are_refused_quickly() {
    let mut bomb = "name: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (this, last) in ('b'..='k').zip('a'..) {
        bomb.push_str(&format!("k{this}: &{this} [{}]\n", format!("*{last}, ").repeat(10)));
    }
    let long = format!("name: &a {}\nsteps: [{}]\n", "x".repeat(30_000), "*a, ".repeat(8_000));
    let deep: String =
        (1..400).map(|n| format!("- &a{n} {}*a{}{}\n", "[".repeat(60), n - 1, "]".repeat(60))).collect();
    for text in [bomb, long, format!("- &a0 x\n{deep}")] {
        let start = Instant::now();
        let error = parse(text).unwrap_err();
        assert!(error.contains("expand") || error.contains("deep"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

#[test]
fn a_text_as_deep_or_as_long_as_allowed_is_refused_quickly() {
    let pieces = [
        "[", "{", "- ", "? ", "a: ", "- a\n", "&a ", "\"", "x: |\n", "[a, ", "{a: ", "!a ", "# x\n", "%a\n",
        "--- ", "*a ", "'", ": ",
    ];
    for piece in pieces {
        let text = piece.repeat(MAX_BYTES / piece.len());
        let start = Instant::now();
        assert!(parse(text).is_err());
        assert!(start.elapsed() < Duration::from_secs(5), "{piece:?} took {:?}", start.elapsed());
    }
    let many: String = (0..6_000).map(|n| format!("k{n}: 1\n")).collect();
    let error = parse(many).unwrap_err();
    assert!(error.ends_with("more mistakes"), "{}", error.lines().last().unwrap());
}

#[test]
fn variables_stand_for_values_of_every_kind() {
    let text = r#"
name: Test
vars: { customer: "Mallory ${run}", count: 12, rate: 20/s, amount: 1..5, rule: fraud, status: 201 }
steps:
  - flood: { count: "${count}", rate: "${rate}", order: { customerName: "${customer}", item: "Pizza ${n}", quantity: "${amount}", price: "${count}.50" } }
  - settings: { failRate: 0, maxRetries: "${max}" }
  - rule: { name: "${rule}", source: x }
  - expect: { http: { status: "${status}" } }
"#;
    let text = text.replace("status: 201", "status: 201, max: 2");
    let scenario = with_files(&text, &[], &[("count", "30")]).unwrap();
    assert_eq!(
        words(&scenario)[..2],
        [
            "flood 30 at 20/s: 1..5 × Pizza ${n} at $30.50 for Mallory ${run}",
            r#"settings {"failRate":0,"maxRetries":2}"#
        ]
    );
    let Action::Flood(flood) = &scenario.steps()[0].action else { panic!("no flood") };
    assert_eq!(flood.order.quantity, Choice::Range(1, 5));
}

#[test]
fn a_variable_that_no_scenario_has_is_told() {
    let text = format!(
        "name: Test\nvars: {{ customer: Ada, item: Pizza }}\nsteps:\n{}",
        ORDER.replace("Ada", "'${customer}'").replace("Pizza", "'${item}'")
    );
    let scenario = with_files(&text, &[], &[("custmer", "Bob")]).unwrap();
    assert_eq!(scenario.variables["item"], "Pizza");
    let known = scenario.variables.keys().cloned().collect();
    assert_eq!(
        unknown_variables(["custmer", "item"].into_iter(), &known),
        ["no scenario has a variable `custmer`; did you mean `customer`?\nthe variables are customer, item"]
    );
    assert!(unknown_variables(["a"].into_iter(), &BTreeSet::new())[0].ends_with("add them with `vars:`"));
    let error = with_files(&text, &[], &[("item", "${other}")]).unwrap_err();
    assert!(error.contains("--var item: `${other}` can't be in the value of a variable"), "{error}");
}

#[test]
fn variables_cannot_make_a_text_of_gigabytes() {
    let text = format!(
        "name: Test\nvars: {{ a: {} }}\nsteps: [{{ say: \"{}\" }}]\n",
        "x".repeat(1_000),
        "${a}".repeat(12_000)
    );
    assert!(parse(text).unwrap_err().contains("too long in all"));
}

#[test]
fn an_included_file_is_played_where_it_stands() {
    let part = "name: Also a scenario\nvars: { who: Bob, what: Soup }\nsettings: { failRate: 1 }\nsteps:\n  \
                - order: { customerName: \"${who}\", item: \"${what}\", quantity: 1, price: 1 }\n  - include: ../more/inner.yaml\n";
    let inner = "steps:\n  - say: \"${what} for ${who}\"\n";
    let files = [("lessons/parts/part.yaml", part), ("lessons/more/inner.yaml", inner)];
    let text = "name: Test\nvars: { who: Ada }\nsteps:\n  - repeat: { times: 2, steps: [{ include: parts/part.yaml }] }\n  \
                - expect: { action: created, perOrder: 1 }\n";
    let scenario = with_files(text, &files, &[("what", "Cake")]).unwrap();
    let once = [r#"settings {"failRate":1}"#, "order 1 × Cake at $1 for Ada", "say Cake for Ada"];
    assert_eq!(words(&scenario)[..6], [once, once].concat());
    let place = scenario.plan()[1].step.place.to_string();
    assert_eq!(place, "lessons/parts/part.yaml:5:5");
}

#[test]
fn files_that_include_one_another_end() {
    let round = [
        ("lessons/a.yaml", "steps: [{ include: b.yaml }]"),
        ("lessons/b.yaml", "steps: [{ include: ./x/../a.yaml }]"),
    ];
    let text = "name: Test\nsteps: [{ include: a.yaml }]\n";
    let error = with_files(text, &round, &[]).unwrap_err();
    assert!(error.contains("lessons/a.yaml includes lessons/b.yaml includes lessons/a.yaml"), "{error}");

    let names: Vec<_> = (0..9)
        .map(|n| (format!("lessons/{n}.yaml"), format!("steps: [{{ include: {}.yaml }}]", n + 1)))
        .collect();
    let chain: Vec<_> = names.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let error = with_files("name: Test\nsteps: [{ include: 0.yaml }]\n", &chain, &[]).unwrap_err();
    assert!(error.contains("more than 5 files include one another"), "{error}");

    let many = "steps:\n".to_owned() + &"  - include: b.yaml\n".repeat(500);
    let start = Instant::now();
    let error = with_files(
        "name: Test\nsteps: [{ include: a.yaml }]\n",
        &[
            ("lessons/a.yaml", &many),
            ("lessons/b.yaml", &many.replace("b.yaml", "c.yaml")),
            ("lessons/c.yaml", "steps: [{ pause: 1s }]"),
        ],
        &[],
    )
    .unwrap_err();
    assert!(error.contains("opens more than 100 files"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_rule_comes_from_a_file_beside_the_scenario() {
    let text = "name: Test\nsteps:\n  - rule: { name: fraud, file: ../rules/strict.rhai }\n";
    let scenario = with_files(text, &[("rules/strict.rhai", "fn alerts() {}")], &[]).unwrap();
    let Action::Rule(rule) = &scenario.steps()[0].action else { panic!("no rule") };
    assert_eq!(rule.file.as_ref().unwrap().text, "fn alerts() {}");
    let error = with_files(text, &[("rules/strict.rhai", &"x".repeat(MAX_BYTES + 1))], &[]).unwrap_err();
    assert!(error.contains("cannot use `rules/strict.rhai`: the file is longer than 64 KiB"), "{error}");
}

proptest! {
    #[test]
    fn no_text_panics(text in "(?s).{0,200}") {
        let _ = parse(text);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse(bytes);
    }

    #[test]
    fn no_yaml_panics(text in "([-?:,\\[\\]{}#&*!|>'\"%@`ab \t\r\n]|- |: |---|\\.\\.\\.|<<: |&a |\\*a |!!x |\\$\\{|\\$\\{n\\}|\u{feff}|é|寿){0,60}") {
        let _ = parse(&text);
        let _ = parse(format!("name: Test\nsteps:\n{text}"));
    }

    #[test]
    fn no_broken_scenario_panics_and_every_error_points_into_the_text(
        at in 0usize..1000, with in "[\\[\\]{}:,\"'&*!|>%@`#a-z0-9$ \n-]{0,4}"
    ) {
        let mut text = format!(
            "name: Test\nvars: {{ x: 1 }}\nsettings: {{ failRate: 0 }}\nsteps:\n{ORDER}  - flood: {{ phases: [{{ spike: {{ count: \
             \"${{x}}\" }} }}], order: {{ customerName: {{ Ada: 5 }}, item: [a, b], quantity: 1..5, price: 1 }} }}\n  - repeat: {{ \
             times: 2, steps: [{{ produce: {{ topic: orders, value: {{ a: [1] }} }} }}] }}\n  - expect: {{ action: NOTIFIED, where: \
             {{ a: /b/ }}, perOrder: 1, within: 5s }}\n  - expect: {{ http: {{ p99: < 50ms }} }}\n"
        );
        let at = at.min(text.len());
        text.insert_str(at, &with);
        let read = |_: &Path| Err(io::ErrorKind::NotFound.into());
        let parsed = Scenario::parse("f", text.as_bytes(), &Sources { read: &read, variables: &BTreeMap::new() });
        if let Err(error) = parsed {
            let _ = error.to_string();
            for position in error.mistakes().iter().filter_map(|mistake| mistake.position()) {
                prop_assert!(position.line <= text.lines().count() + 1, "{}", error);
            }
        }
    }
}
