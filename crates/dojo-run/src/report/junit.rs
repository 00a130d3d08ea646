//! `junit.xml`, which CI systems show: a suite for each scenario, and in it a test case for the run, for each expectation and for each
//! promise of `always`. Pure.

use super::data::{Expected, PlayedScenario, Promised, Report};
use quick_junit::{NonSuccessKind, Report as JUnit, SerializeError, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// The test case of the run as a whole.
const PLAYED: &str = "played to its end";

/// Returns the report as JUnit XML.
///
/// # Errors
/// The XML can't be written.
pub fn xml(report: &Report) -> Result<String, SerializeError> {
    let mut junit = JUnit::new("dojo-run");
    junit.set_timestamp(report.started_at).set_time(Duration::from_millis(report.millis));
    junit.add_test_suites(report.scenarios.iter().map(suite));
    // The root of a JUnit report has no properties.
    if let Some(oldest) = junit.test_suites.first_mut().filter(|_| report.left_out.total() > 0) {
        oldest.add_property(("leftOut", report.left_out.to_string().as_str()));
    }
    junit.to_string()
}

fn suite(scenario: &PlayedScenario) -> TestSuite {
    let mut suite = TestSuite::new(scenario.name.clone());
    suite.set_timestamp(scenario.started_at).set_time(Duration::from_millis(scenario.millis));
    suite.add_property(("file", scenario.file.as_str()));
    suite.add_property(("run", scenario.run.as_str()));
    suite.add_property(("seed", scenario.seed.to_string().as_str()));
    let cases = [played(scenario)]
        .into_iter()
        .chain(scenario.expectations.iter().map(expectation))
        .chain(scenario.promises.iter().map(|promised| promise(promised, scenario.is_played_to_its_end())));
    suite.add_test_cases(cases.map(|mut case| {
        case.set_classname(scenario.file.clone());
        case
    }));
    suite
}

fn played(scenario: &PlayedScenario) -> TestCase {
    let status = match &scenario.errors[..] {
        [] => TestCaseStatus::success(),
        [first, ..] => {
            let lines = scenario.errors.iter().map(|error| {
                let place =
                    error.place.iter().map(|at| format!("\n--> {}:{}:{}", at.file, at.line, at.column));
                error.text.clone() + &place.collect::<String>()
            });
            not(NonSuccessKind::Error, &first.text, &lines.collect::<Vec<_>>().join("\n"))
        }
    };
    let mut case = TestCase::new(PLAYED, status);
    case.set_time(Duration::from_millis(scenario.millis));
    case
}

fn expectation(expected: &Expected) -> TestCase {
    let Expected { step, text, place, met, seen, after_millis, examples, members, look } = expected;
    let seen = seen.as_deref().unwrap_or_default();
    let status = match met {
        Some(true) => TestCaseStatus::success(),
        None => skipped("the run didn't get to it"),
        Some(false) => {
            let mut lines =
                vec![format!("--> {}:{}:{}", place.file, place.line, place.column), seen.to_owned()];
            lines.extend(examples.iter().map(|example| {
                let events: Vec<_> = example.events.iter().map(|event| event.text.as_str()).collect();
                format!("such as {} of {}: {}", example.order, example.customer, events.join("; "))
            }));
            lines.extend(members.iter().cloned());
            lines.extend(look.iter().map(|look| format!("look: {look}")));
            not(NonSuccessKind::Failure, seen, &lines.join("\n"))
        }
    };
    // Two expectations can have the same text.
    let mut case = TestCase::new(format!("step {step}: {text}"), status);
    case.set_time(Duration::from_millis(after_millis.unwrap_or(0)));
    case
}

fn promise(Promised { text, broken }: &Promised, is_over: bool) -> TestCase {
    let status = match broken {
        None if is_over => TestCaseStatus::success(),
        None => skipped("not broken so far; the run ended too early"),
        Some(broken) => not(NonSuccessKind::Failure, broken, broken),
    };
    TestCase::new(format!("always {text}"), status)
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(message);
    status
}

fn not(kind: NonSuccessKind, message: &str, description: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message).set_description(description);
    status
}
