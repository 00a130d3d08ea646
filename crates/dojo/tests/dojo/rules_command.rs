//! `dojo rules check`, `test` and `backtest`: what they print, and their exit codes.

use crate::{
    process::{DOJO, Dojo, Start, workspace},
    rules::save,
};
use dojo_testbed::eventually;
use serde_json::Value;
use std::{path::Path, process::Command};

/// Runs `dojo rules` in `folder`; returns the exit code, standard output and standard error.
fn rules(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(DOJO)
        .arg("rules")
        .args(args)
        .current_dir(folder)
        .env_remove("RULES_DIR")
        .output()
        .unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), out, err)
}

#[test]
fn every_shipped_rule_passes_the_check() {
    let (code, out, err) = rules(&workspace(), &["check"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for rule in ["rules/fraud.rhai", "rules/notification.rhai", "rules/examples/fraud/card-testing.rhai"] {
        assert!(out.contains(rule), "{out}");
    }
    assert!(!out.contains("definitions"), "{out}");
}

#[test]
fn every_case_of_the_shipped_rules_is_met_and_every_rule_has_cases() {
    let folder = workspace();
    let (code, out, err) = rules(&folder, &["test"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for kind in ["fraud", "notification"] {
        for example in std::fs::read_dir(folder.join("rules/examples").join(kind)).unwrap() {
            let cases = Path::new(&example.unwrap().file_name()).with_extension("yaml");
            assert!(out.contains(&format!("rules/tests/examples/{}", cases.display())), "{out}");
        }
    }
}

#[test]
fn a_mistake_in_a_rule_is_shown_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("fraud.rhai"),
        "let a = 1;\nif order.totl > 100.0 { [] } else { [] }\n",
    )
    .unwrap();
    let (code, out, err) = rules(folder.path(), &["check", "fraud.rhai"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with("fraud.rhai:2:10: `order` has no `totl`"), "{err}");
}

#[test]
fn a_rule_that_cannot_be_told_or_found_is_a_wrong_command_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("draft.rhai"), "[]").unwrap();
    for (args, said) in [
        (["check", "draft.rhai"], "is this a fraud rule or a notification rule?"),
        (["check", "missing.rhai"], "cannot read missing.rhai"),
        (["check", "."], "draft.rhai: is this"),
        (["test", "missing"], "cannot read missing"),
        (["prove", "."], "unrecognized subcommand"),
    ] {
        let (code, _, err) = rules(folder.path(), &args);
        assert_eq!(code, 1, "{args:?}: {err}");
        assert!(err.contains(said), "{args:?}: {err}");
    }
}

/// A folder with the shipped fraud rule and a file with cases for it.
fn with_cases(cases: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(workspace().join("rules/fraud.rhai"), folder.path().join("fraud.rhai")).unwrap();
    std::fs::write(folder.path().join("cases.yaml"), cases).unwrap();
    folder
}

#[test]
fn a_case_that_is_not_met_shows_what_was_expected_and_what_the_rule_answered() {
    let folder = with_cases(
        "rule: fraud.rhai\ncases:\n  - name: cheap is cheap\n    orders:\n      - { customerName: Midas, price: 101 }\n      \
         - { customerName: Ada }\n    alerts: { 2: VELOCITY }\n",
    );
    let (code, out, _) = rules(folder.path(), &["test", "cases.yaml", "--junit", "junit.xml"]);
    assert_eq!(code, 4, "{out}");
    let expected = "\
cases.yaml
  NOT MET  cheap is cheap
           order 1: Midas, 1 x Pizza Margherita at $101, after 0s
             - no alert
             + AMOUNT LOW: the order comes to $101, more than $100.0
           order 2: Ada, 1 x Pizza Margherita at $9.5, after 0s
             - VELOCITY
             + no alert
1 of 1 not met
";
    assert_eq!(out, expected);
    let junit = std::fs::read_to_string(folder.path().join("junit.xml")).unwrap();
    assert!(junit.contains("failures=\"1\"") && junit.contains("cheap is cheap"), "{junit}");
}

#[test]
fn a_mistake_in_a_file_with_cases_is_explained() {
    for (cases, said) in [
        ("rule: fraud.rhai\n", "missing field `cases`"),
        ("rule: fraud.rhai\ncases: []\n", "the file has no case"),
        ("rule: none.rhai\ncases:\n  - { name: a, orders: [{}] }\n", "none.rhai"),
        ("rule: fraud.rhai\ncases:\n  - { name: a, order: [{}] }\n", "unknown field `order`"),
        (
            "rule: fraud.rhai\ncases:\n  - { name: a, orders: [{ at: soon }] }\n",
            "write a time such as 500ms, 90s or 5m",
        ),
        (
            "rule: fraud.rhai\ncases:\n  - { name: a, orders: [{}], alerts: { x: BURST } }\n",
            "the number of an order",
        ),
        ("rule: fraud.rhai\ncases:\n  - { name: a, orders: [{}], start: noon }\n", "no time of day"),
    ] {
        let (code, out, err) = rules(with_cases(cases).path(), &["test", "cases.yaml"]);
        assert_eq!(code, 2, "{cases}: {out}{err}");
        assert!(err.contains(said) && err.contains("cases.yaml"), "{cases}: {err}");
    }
}

#[test]
fn a_case_that_makes_no_sense_fails_with_a_reason() {
    for (case, said) in [
        ("{ name: a, orders: [] }", "the case has no order"),
        ("{ name: a, orders: [{ times: 200000 }] }", "the most are 100000"),
        ("{ name: a, orders: [{ quantity: 0 }] }", "order 1: quantity is 0"),
        ("{ name: a, orders: [{}], alerts: { 2: BURST } }", "there is no order 2-2"),
        ("{ name: a, orders: [{ times: 3 }], alerts: { 1-2: BURST, 2: BURST } }", "order 2 is named twice"),
        ("{ name: a, orders: [{}], deliveries: { 1: NOTIFIED } }", "a fraud rule has no `deliveries`"),
        ("{ name: a, orders: [{ at: 9999999 years }] }", "too far in the future"),
    ] {
        let cases = format!("rule: fraud.rhai\ncases:\n  - {case}\n");
        let (code, out, err) = rules(with_cases(&cases).path(), &["test", "cases.yaml"]);
        assert_eq!(code, 4, "{case}: {out}{err}");
        assert!(out.contains(said), "{case}: {out}");
    }
}

/// Judges the log of `dojo` again with the rule at `rule`; returns the exit code and the report.
fn backtest(dojo: &Dojo, rule: &Path) -> (i32, Value) {
    let prefix = dojo.kafka.prefix.to_string();
    let args = [
        "backtest",
        "--all",
        "--json",
        "--kafka-brokers",
        &dojo.kafka.brokers,
        "--kafka-prefix",
        &prefix,
        "--rule",
    ];
    let (code, out, err) = rules(rule.parent().unwrap(), &[&args[..], &[rule.to_str().unwrap()]].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")))
}

fn of_type<'a>(report: &'a Value, kind: &str) -> &'a Value {
    report["alerts"].as_array().unwrap().iter().find(|alerts| alerts["type"] == kind).unwrap_or(&Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backtest_finds_no_change_with_the_rule_unchanged_and_all_changes_of_another() {
    let dojo = Start::new().ready().await;
    for scenario in ["fraud-spam", "order-flood"] {
        let (code, said) = dojo.play(scenario).await;
        assert_eq!(code, 0, "{said}");
    }
    // Twelve orders of one customer and thirty of others; each has its verdict.
    let rule = dojo.rules.join("fraud.rhai");
    let (code, report) = backtest(&dojo, &rule);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(
        (&report["isReplay"], &report["orders"], &report["compared"], &report["changes"]),
        (&true.into(), &42.into(), &42.into(), &0.into())
    );
    assert_eq!(
        (&of_type(&report, "VELOCITY")["before"], &of_type(&report, "VELOCITY")["after"]),
        (&7.into(), &7.into())
    );

    let source = std::fs::read_to_string(&rule).unwrap();
    let draft = dojo.rules.join("fraud").join("draft.rhai");
    std::fs::create_dir(draft.parent().unwrap()).unwrap();
    std::fs::write(&draft, source.replace("VELOCITY_LIMIT = 5;", "VELOCITY_LIMIT = 9;")).unwrap();
    let (code, report) = backtest(&dojo, &draft);
    assert_eq!(code, 4, "{report:#}");
    let velocity = of_type(&report, "VELOCITY");
    assert_eq!(
        (&report["isReplay"], &velocity["after"], &velocity["removed"]),
        (&false.into(), &3.into(), &4.into())
    );
    let examples = velocity["examples"].as_array().unwrap();
    assert!(
        examples.len() == 4 && examples.iter().all(|example| example["change"] == "removed"),
        "{velocity:#}"
    );

    // Once the draft is in force, the verdicts of the old version are counted separately.
    save(&dojo.rules, "fraud.rhai", &std::fs::read_to_string(&draft).unwrap());
    let version = report["version"].clone();
    eventually("the draft in force", async || {
        let rules = dojo.get("/rules/fraud").await;
        if rules["instances"][0]["version"] == version { Ok(()) } else { Err(rules) }
    })
    .await;
    dojo.placed("Ada", "1").await;
    eventually("the verdict of the draft", async || {
        let (code, report) = backtest(&dojo, &draft);
        let is_judged = report["otherVersions"] == 42 && report["compared"] == 1;
        if code == 0 && is_judged { Ok(()) } else { Err(report) }
    })
    .await;
}

#[test]
fn a_backtest_without_kafka_could_not_run() {
    let args = ["backtest", "--kafka-brokers", "127.0.0.1:1", "--rules-dir", "rules"];
    let (code, _, err) = rules(&workspace(), &args);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("can't read the log"), "{err}");
}
