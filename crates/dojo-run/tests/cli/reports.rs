//! `--report`: what is in the files, and when they are written.

use crate::{
    command::{Ended, ORDER, Written, ended, scenario},
    fake_dojo::{FakeDojo, Script},
};
use dojo_run::exit;
use quick_junit::{NonSuccessKind, Report as JUnit, TestCaseStatus};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tokio::process::Child;

const SPAM: &str = r#"flood: { count: 12, rate: 200/s, order: { customerName: "Mallory ${run}", item: "Pizza ${n}", quantity: 1, price: 1 } }"#;
const SEVEN: &str = "expect: { action: FRAUD_ALERT, alert: VELOCITY, exactly: 7, within: 5s }";
const DEAD: &str = "expect: { action: DLQ, atLeast: 1 }";
const VERDICTS: &str = "expect: { action: [FRAUD_ALERT, FRAUD_CHECK_PASSED], perOrder: 1, within: 5s }";

/// A folder for a report, which isn't there yet.
struct Reports(TempDir);

impl Reports {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("reports/of today")
    }

    fn start(&self, scenarios: &Written, target: &str) -> Child {
        let mut command = scenarios.command();
        command.args(["--target", target, "--report"]).arg(self.folder()).spawn().unwrap()
    }

    async fn play(&self, scenarios: &[&str], target: &str) -> Ended {
        let scenarios = Written::new(scenarios);
        ended(self.start(&scenarios, target)).await
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder().join(name)).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.read("report.json")).unwrap()
    }

    fn junit(&self) -> JUnit {
        JUnit::deserialize_from_str(&self.read("junit.xml")).unwrap()
    }
}

/// The name of a status: `success`, `failure`, `error` or `skipped`.
fn named(status: &TestCaseStatus) -> &'static str {
    match status {
        TestCaseStatus::Success { .. } => "success",
        TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. } => "failure",
        TestCaseStatus::NonSuccess { .. } => "error",
        TestCaseStatus::Skipped { .. } => "skipped",
    }
}

#[tokio::test]
async fn every_scenario_of_the_command_is_in_every_file() {
    let dojo = FakeDojo::start(Script::default()).await;
    let met = format!("always: {{ ruleErrors: none }}\n{}", scenario(&[SPAM, SEVEN]));
    let missed = scenario(&[ORDER, VERDICTS, DEAD]);
    let reports = Reports::new();
    reports.play(&[&met, &missed], &dojo.url).await.expect(exit::NOT_MET);
    let json = reports.json();
    assert_eq!(json["exitCode"], 4);
    let scenarios = json["scenarios"].as_array().unwrap();
    let verdicts: Vec<_> = scenarios.iter().map(|one| one["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["met", "notMet"]);
    let junit = reports.junit();
    let cases: Vec<Vec<_>> = junit
        .test_suites
        .iter()
        .map(|suite| suite.test_cases.iter().map(|case| named(&case.status)).collect())
        .collect();
    assert_eq!(cases, [vec!["success"; 3], vec!["success", "success", "failure"]]);
    let html = reports.read("report.html");
    assert!(html.contains("1 of 2 scenarios not met") && html.contains("✗ not met"), "{html}");
    let names: BTreeSet<_> =
        fs::read_dir(reports.folder()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["junit.xml", "report.html", "report.json"].map(Into::into).into());
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_between_two_scenarios_is_in_the_report() {
    let dojo = FakeDojo::start(Script { away_at_the_end: 8, ..Script::default() }).await;
    let reports = Reports::new();
    let written = Written::new(&[&scenario(&[ORDER]), &scenario(&[ORDER])]);
    let child = reports.start(&written, &dojo.url);
    dojo.until_ended().await;
    let pid = child.id().unwrap().to_string();
    assert!(tokio::process::Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    ended(child).await.expect(exit::INTERRUPTED);
    let json = reports.json();
    assert_eq!((&json["exitCode"], &json["scenarios"][0]["verdict"]), (&130.into(), &"met".into()));
}

#[tokio::test]
async fn a_promise_of_a_scenario_that_was_not_played_is_skipped() {
    let dojo = FakeDojo::start(Script { lent: true, ..Script::default() }).await;
    let reports = Reports::new();
    let yaml = format!("always: {{ ruleErrors: none }}\n{}", scenario(&[ORDER]));
    reports.play(&[&yaml], &dojo.url).await.expect(exit::COULD_NOT_RUN);
    let junit = reports.junit();
    let cases: Vec<_> = junit.test_suites[0].test_cases.iter().map(|case| named(&case.status)).collect();
    assert_eq!(cases, ["error", "skipped"]);
    assert!(reports.read("report.html").contains("not broken so far"));
}

#[tokio::test]
async fn a_report_names_the_versions_and_what_the_run_had() {
    let dojo = FakeDojo::start(Script::default()).await;
    let reports = Reports::new();
    let yaml = scenario(&[&SPAM.replace("12", "\"${count}\""), "say: Look at the alerts", SEVEN]);
    let yaml = format!("vars: {{ count: 12 }}\ntags: [fraud]\n{yaml}");
    reports.play(&[&yaml], &dojo.url).await.expect(exit::MET);
    let json = reports.json();
    assert_eq!(
        (&json["target"], &json["dojoRun"]),
        (&dojo.url.as_str().into(), &env!("CARGO_PKG_VERSION").into())
    );
    let played = &json["scenarios"][0];
    assert_eq!(played["orderService"], "9.8.7");
    let rules = played["rulesBefore"].as_array().unwrap();
    let named = |name: &str| rules.iter().any(|rule| rule["name"] == name && rule["version"] != "");
    assert!(rules.len() == 2 && named("fraud") && named("notification"), "{rules:?}");
    assert_eq!(played["variables"]["count"], "12");
    assert_eq!((&played["events"]["orders"], &played["events"]["alerts"]), (&12.into(), &7.into()));
    let steps: Vec<_> =
        played["steps"].as_array().unwrap().iter().map(|step| step["result"].as_str().unwrap()).collect();
    assert!(steps[0].starts_with("12 accepted") && steps[1].starts_with("met: 7 seen"), "{steps:?}");
    assert!(played["marks"].as_array().unwrap().iter().any(|mark| mark["text"] == "Look at the alerts"));
    let flood = &played["floods"][0];
    assert_eq!((&flood["sent"], &flood["accepted"], &flood["failed"]), (&12.into(), &12.into(), &0.into()));
    assert!(
        flood["latency"]["p99"].as_f64().unwrap() > 0.0 && !flood["intervals"].as_array().unwrap().is_empty()
    );
}

#[tokio::test]
async fn an_expectation_has_the_orders_that_met_it_or_contradict_it() {
    let dojo = FakeDojo::start(Script { velocity: 8, ..Script::default() }).await;
    let reports = Reports::new();
    reports.play(&[&scenario(&[SPAM, VERDICTS, SEVEN])], &dojo.url).await.expect(exit::NOT_MET);
    let json = reports.json();
    let [met, missed] = &json["scenarios"][0]["expectations"].as_array().unwrap()[..] else {
        panic!("{json:#}")
    };
    for (expected, counts) in [(met, true), (missed, false)] {
        let examples = expected["examples"].as_array().unwrap();
        assert_eq!(examples.len(), 3, "{expected:#}");
        let events = examples[0]["events"].as_array().unwrap();
        let verdict =
            events.iter().find(|event| event["text"].as_str().unwrap().contains("FRAUD_CHECK_PASSED"));
        assert_eq!(verdict.unwrap()["counts"], counts, "{expected:#}");
    }
    assert_eq!((&met["look"], &missed["place"]["line"]), (&Value::Null, &5.into()));
    assert!(missed["look"].as_str().unwrap().contains("rules/fraud.rhai"));
    assert!(missed["seen"].as_str().unwrap().starts_with("4 seen, of 12 orders ("));
    assert!(reports.read("junit.xml").contains("such as "));
}

#[tokio::test]
async fn hostile_names_stay_text() {
    let dojo = FakeDojo::start(Script::default()).await;
    let reports = Reports::new();
    let hostile = r#"<script>alert(1)</script>"#;
    let order =
        format!("order: {{ customerName: '{hostile}', item: \"]]> & \\u202E\", quantity: 1, price: 1 }}");
    let yaml = scenario(&[&order, "say: '<img src=x onerror=alert(1)>'", DEAD]);
    let yaml = yaml.replacen("name: Test", &format!("name: 'Test {hostile}\u{1b}[2J \"x\" '"), 1);
    reports.play(&[&yaml.replace('\u{1b}', "")], &dojo.url).await.expect(exit::NOT_MET);
    let html = reports.read("report.html");
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert!(html.contains("&lt;script&gt;alert(1)"), "{html}");
    assert!(reports.junit().test_suites[0].name.as_str().contains(hostile));
}

#[tokio::test]
async fn a_page_needs_neither_a_script_nor_a_network() {
    let dojo = FakeDojo::start(Script::default()).await;
    let reports = Reports::new();
    reports.play(&[&scenario(&[SPAM, SEVEN])], &dojo.url).await.expect(exit::MET);
    let html = reports.read("report.html").replace(&dojo.url, "");
    for sign in ["<script", "<link", "<iframe", " src=", "url(", "@import", "http://", "https://"] {
        assert!(!html.contains(sign), "{sign}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told_before_the_run() {
    let dojo = FakeDojo::start(Script::default()).await;
    let reports = Reports::new();
    fs::write(reports.0.path().join("reports"), "a file").unwrap();
    let ended = reports.play(&[&scenario(&[ORDER])], &dojo.url).await.expect(exit::COMMAND_LINE);
    assert!(ended.stderr.contains("error: cannot write the report to `"), "{}", ended.stderr);
    assert!(ended.stderr.contains("give --report a folder"), "{}", ended.stderr);
    assert!(dojo.runs().is_empty());
}

#[tokio::test]
async fn a_report_that_cannot_be_written_at_the_end_is_an_error() {
    let dojo = FakeDojo::start(Script::default()).await;
    let reports = Reports::new();
    let steps = [ORDER, "expect: { action: REDRIVEN, none: true, within: 1s }"];
    let written = Written::new(&[&scenario(&steps)]);
    let child = reports.start(&written, &dojo.url);
    dojo.until_step(2).await;
    let page = reports.folder().join("report.html");
    fs::remove_file(&page).unwrap();
    fs::create_dir(&page).unwrap();
    let ended = ended(child).await.expect(exit::COULD_NOT_RUN);
    assert!(ended.stdout.contains("the expectation was met"), "{}", ended.stdout);
    assert!(ended.stderr.contains("report.html: "), "{}", ended.stderr);
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_run_has_a_report() {
    let dojo = FakeDojo::start(Script::default()).await;
    let reports = Reports::new();
    let steps = [ORDER, VERDICTS, "pause: 10m", DEAD];
    let written = Written::new(&[&scenario(&[ORDER, VERDICTS]), &scenario(&steps)]);
    let child = reports.start(&written, &dojo.url);
    dojo.until_step(3).await;
    assert_eq!(reports.json()["scenarios"].as_array().unwrap().len(), 1, "the files are written after each");
    let pid = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    ended(child).await.expect(exit::INTERRUPTED);
    let json = reports.json();
    assert_eq!((&json["exitCode"], &json["scenarios"][1]["verdict"]), (&130.into(), &"interrupted".into()));
    let met: Vec<_> =
        json["scenarios"][1]["expectations"].as_array().unwrap().iter().map(|one| &one["met"]).collect();
    assert_eq!(met, [&Value::Bool(true), &Value::Null]);
    let cases: Vec<_> =
        reports.junit().test_suites[1].test_cases.iter().map(|case| named(&case.status)).collect();
    assert_eq!(cases, ["error", "success", "skipped"]);
}

#[tokio::test]
async fn a_flood_that_fails_has_its_figures_up_to_then() {
    let dojo = FakeDojo::start(Script { accepts: 3, ..Script::default() }).await;
    let reports = Reports::new();
    reports.play(&[&scenario(&[SPAM, SEVEN])], &dojo.url).await.expect(exit::COULD_NOT_RUN);
    let json = reports.json();
    let played = &json["scenarios"][0];
    let flood = &played["floods"][0];
    assert_eq!((&flood["accepted"], &flood["latency"]), (&3.into(), &Value::Null));
    assert!(flood["failed"].as_u64().unwrap() > 0, "{flood:#}");
    assert!(played["errors"][0]["text"].as_str().unwrap().contains("Kafka is away"), "{played:#}");
    assert_eq!(
        (&played["errors"][0]["place"]["line"], &played["steps"][0]["millis"]),
        (&3.into(), &Value::Null)
    );
    assert!(reports.read("report.html").contains("not accepted"));
}

#[tokio::test]
async fn every_field_is_described() {
    let dojo = FakeDojo::start(Script { accepts: 13, velocity: 8, ..Script::default() }).await;
    let reports = Reports::new();
    let played = format!("always: {{ settled: 1s }}\n{}", scenario(&[ORDER, SPAM, SEVEN]));
    reports.play(&[&played, &scenario(&[SPAM])], &dojo.url).await.expect(exit::COULD_NOT_RUN);
    let docs =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/REPORTS.md")).unwrap();
    let mut names = BTreeSet::new();
    let mut left = vec![reports.json()];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    names.insert(name);
                    left.push(value);
                }
            }
            Value::Array(values) => left.extend(values),
            _ => {}
        }
    }
    let undescribed: Vec<_> = names.iter().filter(|name| !docs.contains(&format!("`{name}`"))).collect();
    assert!(names.len() > 50 && undescribed.is_empty(), "{undescribed:?} of {names:?}");
}
