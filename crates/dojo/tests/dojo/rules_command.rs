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
fn a_command_line_without_a_rule_or_a_case_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    for (args, said) in [
        (&["check"][..], "no rule in rules"),
        (&["check", "."], "no rule in ."),
        (&["test"], "no file with cases in rules/tests"),
        (&["test", "."], "no file with cases in ."),
        (&["prove", "."], "unrecognized subcommand"),
    ] {
        let (code, _, err) = rules(folder.path(), args);
        assert_eq!(code, 1, "{args:?}: {err}");
        assert!(err.contains(said), "{args:?}: {err}");
    }
}

#[test]
fn a_file_that_cannot_be_read_has_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["check", "missing.rhai"][..],
        &["test", "missing.rhai"],
        &["backtest", "--kafka-brokers", "127.0.0.1:1", "--rule", "missing.rhai"],
    ] {
        let (code, out, err) = rules(folder.path(), args);
        assert_eq!(code, 2, "{args:?}: {out}{err}");
        assert!([out, err].concat().contains("missing.rhai: the file is missing"), "{args:?}");
    }
}

#[test]
fn a_rule_of_unknown_kind_does_not_keep_the_others_from_being_checked() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["draft.rhai", "fraud.rhai"] {
        std::fs::copy(workspace().join("rules/fraud.rhai"), folder.path().join(name)).unwrap();
    }
    let (code, out, err) = rules(folder.path(), &["check", "."]);
    assert_eq!(code, 2, "{out}{err}");
    assert!(err.contains("draft.rhai: is this a fraud rule or a notification rule?"), "{err}");
    assert!(out.contains("fraud.rhai: a fraud rule without mistakes"), "{out}");
}

#[cfg(unix)]
#[test]
fn a_rule_in_a_folder_that_cannot_be_read_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let fraud = folder.path().join("fraud");
    std::fs::create_dir(&fraud).unwrap();
    std::os::unix::fs::symlink("nowhere", fraud.join("link.rhai")).unwrap();
    assert!(Command::new("mkfifo").arg(fraud.join("pipe.rhai")).status().unwrap().success());
    std::fs::copy(workspace().join("rules/fraud.rhai"), fraud.join("rule.rhai")).unwrap();
    let (code, out, err) = rules(folder.path(), &["check", "."]);
    assert_eq!(code, 2, "{out}{err}");
    assert!(err.contains("link.rhai: the file is missing"), "{err}");
    assert!(err.contains("pipe.rhai: the file cannot be read: it is not a regular file"), "{err}");
    assert!(out.contains("rule.rhai: a fraud rule without mistakes"), "{out}");
}

#[test]
fn only_a_backtest_reads_the_configuration_of_kafka() {
    for (args, expected) in
        [(["check", "rules"], 0), (["test", "rules/tests"], 0), (["backtest", "--all"], 78)]
    {
        let mut command = Command::new(DOJO);
        command.arg("rules").args(args).current_dir(workspace()).env("KAFKA_CONFIG_NO_SUCH_PROPERTY", "1");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{args:?}: {output:?}");
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
             + AMOUNT LOW: the order comes to $101.00, more than $100.00
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
fn a_mistake_in_a_file_with_cases_is_explained_and_reported_to_ci() {
    for (cases, said) in [
        ("rule: fraud.rhai\n", "missing field `cases`"),
        ("rule: fraud.rhai\ncases: []\n", "the file has no case"),
        ("rule: none.rhai\ncases:\n  - { name: a, orders: [{}] }\n", "none.rhai"),
        (
            "rule: fraud.rhai\ncases:\n  - { name: a, order: [{}] }\n",
            "cases.yaml:3:16: cases[0]: unknown field `order`",
        ),
        (
            "rule: fraud.rhai\ncases:\n  - name: a\n    orders: [{}]\n    alerts: { 1: { type: BURST, severty: LOW } }\n",
            "cases.yaml:5:33: cases[0].alerts.1: unknown field `severty`, expected one of `type`, `severity`, `reason`; \
             did you mean `severity`?",
        ),
        (
            "rule: fraud.rhai\ncases:\n  - name: a\n    orders: [{}]\n    deliveries: { 1: [RETRY, { outcome: DLQ, reasn: b }] }\n",
            "cases.yaml:5:46: cases[0].deliveries.1[1]: unknown field `reasn`, expected `outcome` or `reason`; did you mean \
             `reason`?",
        ),
        (
            "rule: fraud.rhai\ncases:\n  - { name: a, orders: [{}], deliveries: { 1: RETRYY } }\n",
            "did you mean `RETRY`?",
        ),
        (
            "rule: fraud.rhai\ncases:\n  - { name: a, orders: [{}], alerts: { 1: 5 } }\n",
            "expected the type of an alert such as VELOCITY",
        ),
        (
            "rule: fraud.rhai\ncases:\n  - { name: a, orders: [{}], settings: { failRate: 30 } }\n",
            "`failRate` is 30: give a number from 0 to 1",
        ),
        (
            "rule: fraud.rhai\ncases:\n  - { name: a, orders: [{}], settings: { maxRetries: 11 } }\n",
            "`maxRetries` is 11: give a whole number from 0 to 10",
        ),
        (
            "rule: fraud.rhai\ncases:\n  - { name: a, orders: [{}], settings: { deliveryMillis: 5001 } }\n",
            "`deliveryMillis` is 5001: give a whole number from 0 to 5000",
        ),
        (
            "rule: fraud.rhai\ncases:\n  - { name: a, orders: [{}], settings: { onExhausted: never } }\n",
            "`onExhausted` is \"never\"",
        ),
        (
            "rule: fraud.rhai\ncases:\n  - { name: a, orders: [{ at: soon }] }\n",
            "write a time such as 500ms, 90s or 5m",
        ),
        (
            "rule: fraud.rhai\ncases:\n  - { name: a, orders: [{}], alerts: { x: BURST } }\n",
            "the number of an order",
        ),
        ("rule: fraud.rhai\ncases:\n  - { name: a, orders: [{}], start: noon }\n", "isn't a time of day"),
    ] {
        let folder = with_cases(cases);
        let (code, out, err) = rules(folder.path(), &["test", "cases.yaml", "--junit", "junit.xml"]);
        assert_eq!(code, 2, "{cases}: {out}{err}");
        assert!(out.contains(said) && out.contains("cases.yaml"), "{cases}: {out}");
        let junit = std::fs::read_to_string(folder.path().join("junit.xml")).unwrap();
        assert!(junit.contains("errors=\"1\""), "{cases}: {junit}");
    }
}

#[test]
fn a_case_that_makes_no_sense_is_a_mistake() {
    for (case, said) in [
        ("{ name: a, orders: [] }", "the case has no order"),
        ("{ name: a, orders: [{ times: 200000 }] }", "the most are 100000"),
        ("{ name: a, orders: [{ quantity: 0 }] }", "order 1: quantity is 0"),
        ("{ name: a, orders: [{}], alerts: { 2: BURST } }", "there is no order 2: "),
        ("{ name: a, orders: [{ times: 3 }], alerts: { 3-2: BURST } }", "`3-2` names no order; write `2-3`"),
        (
            "{ name: a, orders: [{ action: updated }], alerts: { 1: BURST } }",
            "order 1 has `action: updated`, and a fraud rule judges new orders only",
        ),
        ("{ name: a, orders: [{ times: 3 }], alerts: { 1-2: BURST, 2: BURST } }", "order 2 is named twice"),
        ("{ name: a, orders: [{}], deliveries: { 1: NOTIFIED } }", "a fraud rule has no `deliveries`"),
        ("{ name: a, orders: [{}], settings: { failRate: 0.5 } }", "`settings` is for a notification rule"),
        ("{ name: a, orders: [{}], instance: notification-2 }", "`instance` is for a notification rule"),
        ("{ name: a, orders: [{}], retryAfter: 0s }", "`retryAfter` is for a notification rule"),
        ("{ name: a, orders: [{ at: 9999999 years }] }", "too far in the future"),
    ] {
        let cases = format!("rule: fraud.rhai\ncases:\n  - {case}\n");
        let (code, out, err) = rules(with_cases(&cases).path(), &["test", "cases.yaml"]);
        assert_eq!(code, 2, "{case}: {out}{err}");
        assert!(out.contains(said), "{case}: {out}");
    }
}

#[test]
fn a_case_with_a_mistake_does_not_keep_the_others_from_being_played() {
    let folder = with_cases(
        "rule: fraud.rhai\ncases:\n  - { name: a, orders: [] }\n  - { name: b, orders: [{}] }\n  \
         - { name: c, orders: [{}], alerts: { 1: BURST } }\n",
    );
    let (code, out, err) = rules(folder.path(), &["test", "cases.yaml"]);
    assert_eq!(code, 2, "{out}{err}");
    for line in ["  MISTAKE  a", "  met      b", "  NOT MET  c", "1 of 3 not met, 1 with a mistake"] {
        assert!(out.contains(line), "{line}: {out}");
    }
}

#[test]
fn a_rule_that_fails_on_an_order_does_not_meet_the_case() {
    let folder = with_cases("rule: fraud.rhai\ncases:\n  - { name: a, orders: [{ item: Durian }] }\n");
    std::fs::write(folder.path().join("fraud.rhai"), "if order.item == \"Durian\" { throw \"no\"; }\n[]\n")
        .unwrap();
    let (code, out, err) = rules(folder.path(), &["test", "cases.yaml", "--junit", "junit.xml"]);
    assert_eq!(code, 4, "{out}{err}");
    assert!(out.contains("the rule failed"), "{out}");
    let junit = std::fs::read_to_string(folder.path().join("junit.xml")).unwrap();
    assert!(junit.contains("errors=\"1\""), "{junit}");
}

#[test]
fn alerts_meet_a_case_whatever_the_order_of_the_patterns() {
    let velocity = "VELOCITY, { type: VELOCITY, reason: one }";
    let overlapping = "{ type: VELOCITY, severity: HIGH }, { type: VELOCITY, reason: one }";
    for (alerts, expected) in [
        (velocity, 0),
        ("{ type: VELOCITY, reason: one }, VELOCITY", 0),
        (overlapping, 0),
        ("{ type: VELOCITY, reason: one }, { type: VELOCITY, reason: one }", 4),
        ("VELOCITY", 4),
        ("VELOCITY, VELOCITY, VELOCITY", 4),
    ] {
        let folder = with_cases(&format!(
            "rule: fraud.rhai\ncases:\n  - {{ name: a, orders: [{{}}], alerts: {{ 1: [{alerts}] }} }}\n"
        ));
        let rule = "[alert(\"VELOCITY\", \"HIGH\", \"one\"), alert(\"VELOCITY\", \"HIGH\", \"two\")]\n";
        std::fs::write(folder.path().join("fraud.rhai"), rule).unwrap();
        let (code, out, err) = rules(folder.path(), &["test", "cases.yaml"]);
        assert_eq!(code, expected, "{alerts}: {out}{err}");
    }
}

#[test]
fn the_night_of_the_night_owl_may_start_at_any_hour() {
    let source = std::fs::read_to_string(workspace().join("rules/examples/fraud/night-owl.rhai")).unwrap();
    for hour in 0..24 {
        let folder = with_cases(&format!(
            "rule: fraud.rhai\ncases:\n  - name: now\n    start: \"{hour:02}:30\"\n    orders: [{{ price: 40 }}]\n    \
             alerts: {{ 1: NIGHT_OWL }}\n"
        ));
        let rule = source.replace("NIGHT_STARTS = 0;", &format!("NIGHT_STARTS = {hour};"));
        std::fs::write(folder.path().join("fraud.rhai"), rule).unwrap();
        let (code, out, err) = rules(folder.path(), &["test", "cases.yaml"]);
        assert_eq!(code, 0, "{hour}: {out}{err}");
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
    let (code, report) = backtest(&dojo, &dojo.rules.join("fraud.rhai"));
    assert_eq!((code, &report["compared"]), (3, &0.into()), "there is nothing to compare yet: {report:#}");
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
