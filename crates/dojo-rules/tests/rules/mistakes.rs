//! A mistake is found when the file is saved, and reported with its position.

use crate::facts::{deliver, judge};
use dojo_rules::{RuleError, RuleErrorKind};

/// Returns the error of a fraud rule: its kind, its line, and its whole text.
fn refused(source: &str) -> (RuleErrorKind, Option<usize>, String) {
    parts(judge(source).expect_err(source))
}

fn parts(error: RuleError) -> (RuleErrorKind, Option<usize>, String) {
    (error.kind, error.line, error.to_string())
}

#[test]
fn a_syntax_error_says_file_line_and_column() {
    let error = judge("let alerts = [];\nif order.total > ) {\n    alerts\n}").unwrap_err();
    assert_eq!(error.kind, RuleErrorKind::Syntax);
    assert_eq!((error.line, error.column), (Some(2), Some(18)));
    assert!(error.to_string().starts_with("fraud.rhai:2:18: "), "{error}");
}

#[test]
fn a_misspelled_property_is_named_with_those_that_exist() {
    let error = judge("let a = 1;\nif order.totl > 100.0 { [] } else { [] }").unwrap_err();
    assert_eq!(
        error.to_string(),
        "fraud.rhai:2:10: `order` has no `totl`; it has id, customerName, item, quantity, price, total, status"
    );
}

#[test]
fn names_are_checked_in_branches_that_no_order_has_taken_yet() {
    for source in [
        r#"if order.item == "Durian" { order.totl; } []"#,
        r#"if order.item == "Durian" { let x = [window.customerOrders]; } []"#,
        r#"if order.item == "Durian" { order.custmerName.len(); } []"#,
        r#"if order.item == "Durian" { `${order.totl}`; } []"#,
        r#"if order.item == "Durian" { alrt("A", "LOW", ""); } []"#,
        r#"if order.item == "Durian" { alert("A", "LOW"); } []"#,
        r#"if order.item == "Durian" { order.item.contians("x"); } []"#,
        r#"if order.item == "Durian" { limit; } []"#,
        r#"if order.item == "Durian" { sleep(10); } []"#,
        r#"if order.item == "Durian" { random(); } []"#,
        r#"fn big(o) { order.total > 1 } []"#,
        r#"const LIMIT = 1; fn big(o) { o > LIMIT } []"#,
        "delivery.failRate; []",
    ] {
        let (kind, line, text) = refused(source);
        assert_eq!((kind, line), (RuleErrorKind::Name, Some(1)), "{source}: {text}");
    }
}

#[test]
fn a_variable_of_the_same_name_as_a_fact_is_the_scripts_own() {
    assert_eq!(judge("let order = #{totl: 1}; if order.totl > 1 { [1] } else { [] }").unwrap(), []);
}

#[test]
fn an_error_on_the_sample_order_is_found_and_says_so() {
    let (kind, line, text) = refused("let x = 1;\nx.foo = order.total / 0;\n[]");
    assert_eq!((kind, line), (RuleErrorKind::Evaluation, Some(2)), "{text}");
    assert!(text.ends_with("(seen when the rule was tried on a sample order)"), "{text}");
}

#[test]
fn facts_cannot_be_changed() {
    for source in ["order = 1; []", "order.total = 1; []", "window.customerOrdersInWindow += 1; []"] {
        refused(source);
    }
}

#[test]
fn an_error_inside_a_function_points_into_the_function() {
    let (_, line, text) = refused("fn half(x) {\n    x / 0\n}\nhalf(4);\n[]");
    assert_eq!(line, Some(2), "{text}");
}

#[test]
fn a_severity_that_does_not_exist_is_refused_where_it_stands() {
    let (_, line, text) = refused("let a = [];\na.push(alert(\"X\", \"SEVERE\", \"\"));\na");
    assert_eq!(line, Some(2));
    assert!(text.contains(r#"write "HIGH", "MEDIUM" or "LOW""#), "{text}");
    refused(r#"[alert("", "LOW", "")]"#);
    refused(&format!(r#"[alert("{}", "LOW", "")]"#, "X".repeat(65)));
}

#[test]
fn the_value_of_a_fraud_rule_must_be_an_array_of_alerts() {
    for (source, what) in [
        ("let alerts = [];", "nothing"),
        ("true", "true or false"),
        (r#"alert("A", "LOW", "")"#, "a single alert"),
        (r#"["A"]"#, "a text"),
        ("let a = []; for i in 0..33 { a.push(alert(\"A\", \"LOW\", \"\")); } a", "33 alerts"),
    ] {
        let (kind, _, text) = refused(source);
        assert_eq!(kind, RuleErrorKind::Value, "{text}");
        assert!(text.contains(what), "{text}");
    }
}

#[test]
fn a_throw_in_a_fraud_rule_is_an_error() {
    assert!(refused(r#"throw "no""#).2.contains("the rule threw: no"));
}

#[test]
fn a_file_without_a_statement_is_not_a_rule_that_allows_everything() {
    for source in ["", " \n\t", "// all of it is a comment", "/* so is this */", "fn f() { 1 }"] {
        assert_eq!(parts(deliver(source).expect_err(source)).0, RuleErrorKind::Source, "{source}");
    }
}

#[test]
fn a_source_that_is_too_long_is_refused() {
    let source = format!("{}\n[]", "// and so on\n".repeat(30_000));
    assert_eq!(refused(&source).0, RuleErrorKind::Source);
}
