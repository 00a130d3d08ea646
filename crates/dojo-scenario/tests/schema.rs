//! `scenarios/scenario.schema.json` is the schema of the language, and another reader than ours finds that the scenarios agree with
//! it.
//!
//! `UPDATE_EXPECTED=1 cargo test -p dojo-scenario` writes the file anew.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, missing_docs, reason = "a test panics")]

use dojo_scenario::{Scenario, Sources, document::Action, flat};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What only a reader that knows the whole scenario can refuse: values that depend on one another, and limits of the contract.
const BEYOND_A_SCHEMA: &[&str] = &[
    "alert-misspelt",
    "ask-answer-not-a-choice",
    "ask-answer-not-a-number",
    "ask-empty-question",
    "ask-in-meanwhile",
    "ask-one-choice",
    "ask-question-too-long",
    "ask-same-choice-twice",
    "ask-too-often",
    "ask-within-no-time",
    "ask-within-too-long",
    "count-too-large",
    "duplicate-field-at-root",
    "duplicate-field",
    "empty-name",
    "expect-alert-of-another-action",
    "expect-at-least-nothing",
    "expect-before-any-order",
    "expect-dead-letter-with-action",
    "expect-nothing",
    "expect-with-a-broken-pattern",
    "flood-too-large",
    "flood-with-phases-and-rate",
    "flood-without-orders",
    "group-that-is-not-the-dojos",
    "include-with-mistakes",
    "merge-key",
    "name-of-a-refused-order",
    "name-too-long-in-the-last-order-of-a-flood",
    "number-outside-a-flood",
    "price-with-three-decimals",
    "quantity-out-of-range",
    "repeat-too-often",
    "two-orders-of-one-name",
    "unknown-placeholder",
    "update-of-a-deleted-order",
    "update-without-any-name",
    "variable-not-used",
    "wide-characters",
    "windows-line-ends",
    "within-no-time",
];

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    files.sort();
    files
}

#[test]
fn the_schema_beside_the_scenarios_is_that_of_the_language() {
    let file = scenarios().join("scenario.schema.json");
    let schema = serde_json::to_string_pretty(&dojo_scenario::schema()).unwrap() + "\n";
    if env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&file, &schema).unwrap();
    }
    assert_eq!(fs::read_to_string(file).unwrap_or_default(), schema, "see the head of this file");
}

#[test]
fn every_shipped_scenario_parses_names_the_schema_and_has_a_lesson() {
    let read = |path: &Path| fs::read(path);
    let files = yaml_files(&scenarios());
    assert!(files.len() >= 15);
    for file in files {
        let (name, bytes) = (file.display().to_string(), fs::read(&file).unwrap());
        assert!(bytes.starts_with(b"# yaml-language-server: $schema=scenario.schema.json\n"), "{name}");
        let scenario = Scenario::parse(&name, &bytes, &Sources { read: &read, variables: &BTreeMap::new() });
        let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
        assert!(scenario.lesson().is_some(), "{name}");
        replacements_apply(&scenario);
    }
}

/// Checks that each snippet that a scenario replaces is in the rule exactly once, which is the shipped one at first.
fn replacements_apply(scenario: &Scenario) {
    let mut rules = BTreeMap::new();
    let plan = scenario.plan();
    let actions = flat(&plan).into_iter().map(|planned| &planned.step.action);
    for rule in actions.filter_map(|action| if let Action::Rule(rule) = action { Some(rule) } else { None }) {
        let shipped = scenarios().join(format!("../rules/{}.rhai", rule.name));
        let source = rules.entry(&rule.name).or_insert_with(|| fs::read_to_string(shipped).unwrap());
        for snippet in rule.replace.iter().flatten() {
            assert_eq!(source.matches(&snippet.this).count(), 1, "{}: {}", scenario.file, snippet.this);
            *source = source.replace(&snippet.this, &snippet.by);
        }
    }
}

/// The examples of `scenarios/README.md` are scenarios.
#[test]
fn every_example_of_the_language_parses() {
    let page = fs::read_to_string(scenarios().join("README.md")).unwrap();
    let examples: Vec<_> =
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 5);
    let read = |path: &Path| fs::read(path);
    for example in examples {
        let sources = Sources { read: &read, variables: &BTreeMap::new() };
        let scenario = Scenario::parse("README.md", example.as_bytes(), &sources);
        replacements_apply(&scenario.unwrap_or_else(|error| panic!("{error}")));
    }
    for name in dojo_scenario::schema()["$defs"]["Step"]["properties"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("`{name}`")), "the page says nothing of `{name}`");
    }
}

/// Every member has a description, which an editor shows.
#[test]
fn every_member_is_described() {
    fn members(schema: &serde_json::Value, path: &str, without: &mut Vec<String>) {
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let description = member["description"].as_str().unwrap_or_default();
            if !description.ends_with(['.', ')']) {
                without.push(format!("{path}.{name}"));
            }
            members(member, &format!("{path}.{name}"), without);
        }
    }
    let schema = dojo_scenario::schema();
    let mut without = Vec::new();
    members(&schema, "", &mut without);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        members(definition, name, &mut without);
    }
    assert!(without.is_empty(), "{without:#?}");
}

/// Python's `jsonschema` and `yaml` read the files as an editor does.
#[test]
fn an_editor_accepts_what_the_language_accepts() {
    let python = env::var_os("DOJO_PYTHON").unwrap_or_else(|| "python3".into());
    let imports =
        Command::new(&python).args(["-c", "import jsonschema, yaml"]).stderr(Stdio::null()).status();
    if !imports.is_ok_and(|status| status.success()) {
        assert!(env::var("CI").as_deref() != Ok("true"), "jsonschema is not installed, and CI needs it");
        eprintln!("skipped: jsonschema and PyYAML are not installed; `cargo xtask test` installs them");
        return;
    }
    let errors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let refused = |folder: &Path| {
        let mut child = Command::new(&python)
            .args(["-c", CHECK])
            .args(yaml_files(folder))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let schema = dojo_scenario::schema().to_string();
        child.stdin.take().unwrap().write_all(schema.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(refused(&scenarios()), "", "the schema refuses a shipped scenario");

    let refused = refused(&errors);
    let refused: BTreeSet<_> = refused.lines().filter_map(|line| line.split(':').next()).collect();
    let names: Vec<_> = yaml_files(&errors)
        .iter()
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let accepted: Vec<_> = names.iter().map(String::as_str).filter(|name| !refused.contains(name)).collect();
    assert_eq!(accepted, BEYOND_A_SCHEMA);
}

/// Prints the name of each file with a mistake, and the mistake.
const CHECK: &str = r#"
import json, jsonschema, pathlib, sys, yaml

# JSON has no dates.
yaml.SafeLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
schema = json.load(sys.stdin)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for file in map(pathlib.Path, sys.argv[1:]):
    try:
        mistake = jsonschema.exceptions.best_match(validator.iter_errors(yaml.safe_load(file.read_bytes())))
    except (yaml.YAMLError, TypeError, RecursionError) as error:
        mistake = error
    if mistake:
        print(f"{file.stem}: {str(mistake).splitlines()[0]}")
"#;
