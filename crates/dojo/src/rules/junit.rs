//! The results of cases as JUnit XML, which CI systems show.

use super::report::{CaseResult, Tested};
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
            let (kind, message) = match &case.result {
                CaseResult::Met => return TestCase::new(case.case.clone(), TestCaseStatus::success()),
                CaseResult::NotMet(_) => (NonSuccessKind::Failure, "the rule answered something else"),
                CaseResult::Failed(_) => (NonSuccessKind::Error, "the rule failed"),
                CaseResult::Mistake(_) => {
                    (NonSuccessKind::Error, "the case, its file or its rule has a mistake")
                }
            };
            let mut status = TestCaseStatus::non_success(kind);
            status.set_message(message);
            status.set_description(case.result.to_string());
            TestCase::new(case.case.clone(), status)
        }));
        report.add_test_suite(suite);
    }
    Ok(report.to_string()?)
}
