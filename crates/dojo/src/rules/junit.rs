//! The results of cases as JUnit XML, which CI systems show.

use super::report::{Outcome, Tested};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// Returns the report: a suite for each file, a test case for each case.
///
/// # Errors
/// The XML can't be written.
pub(crate) fn xml(tested: &[Tested]) -> anyhow::Result<String> {
    let mut report = Report::new("dojo rules test");
    for cases in tested.chunk_by(|a, b| a.file == b.file) {
        let Some(first) = cases.first() else { continue };
        let mut suite = TestSuite::new(first.file.clone());
        suite.add_test_cases(cases.iter().map(|case| {
            let status = match &case.outcome {
                Outcome::Met => TestCaseStatus::success(),
                Outcome::NotMet(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
                Outcome::Failed(_) => TestCaseStatus::non_success(NonSuccessKind::Error),
            };
            let mut test_case = TestCase::new(case.case.clone(), status);
            if !case.is_met() {
                test_case.status.set_message("the rule answered something else");
                test_case.status.set_description(case.outcome.to_string());
            }
            test_case
        }));
        report.add_test_suite(suite);
    }
    Ok(report.to_string()?)
}
