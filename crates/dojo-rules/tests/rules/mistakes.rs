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
        "fraud.rhai:2:10: `order` has no `totl`\n\
         2 | if order.totl > 100.0 { [] } else { [] }\n  |          ^\n\
         did you mean `total`?"
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
    assert!(text.contains("(seen when the rule was tried on a sample order)"), "{text}");
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
    assert!(refused("throw customer").2.contains("the rule threw: customer"));
}

/// Case R6.
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

/// The first line of the error, and the last one, which says how to correct it.
fn explained(source: &str) -> (String, String) {
    let text = judge(source).expect_err(source).to_string();
    (text.lines().next().unwrap().to_owned(), text.lines().last().unwrap().to_owned())
}

/// Case R6.
#[test]
fn a_misspelled_name_comes_with_the_one_that_is_meant() {
    for (source, meant) in [
        ("let alerts = []; alrts.push(1); alerts", "alerts"),
        ("if ordr.total > 5 { [] } else { [] }", "order"),
        ("[alret(\"A\", \"LOW\", \"x\")]", "alert"),
        ("if order.item.contians(\"x\") { [] } else { [] }", "contains"),
        ("if window.CustomerOrdersInWindow > 5 { [] } else { [] }", "customerOrdersInWindow"),
    ] {
        assert_eq!(explained(source).1, format!("did you mean `{meant}`?"), "{source}");
    }
}

#[test]
fn a_wrong_number_of_arguments_says_the_right_one() {
    let (what, mend) = explained(r#"[alert("A", "LOW")]"#);
    assert_eq!(what, "fraud.rhai:1:2: `alert` takes 3 arguments, not 2");
    assert!(mend.starts_with("write `alert(type, severity, reason)`: Makes an alert."), "{mend}");
    let error = judge("customer.order(60); []").unwrap_err();
    assert_eq!(error.message, "`customer` has no `order`");
    let mend = error.mend.unwrap();
    assert!(mend.contains("write `customer.orders(seconds)`: Orders of this customer"), "{mend}");
}

/// Case R6.
#[test]
fn habits_from_other_languages_are_explained() {
    for (source, mend) in [
        ("let x = 1; if x == 1 { [] } elif x == 2 { [] }", "write `else if`"),
        ("let x = null; []", "write `()` for nothing"),
        ("let x = None; []", "write `()` for nothing"),
        ("if order.total > 1 and order.total < 5 { [] }", "write `&&` for `and`"),
        ("if order.item === \"x\" { [] }", "write `==`"),
        ("if order.total = 5 { [] }", "write `==` to compare"),
        ("let x = 1; x++; []", "write `x += 1`"),
        ("let x = 'abc'; []", "write a text in double quotes: \"abc\""),
        ("let x = 1e3; []", "write the number out: 1000 in place of 1e3"),
        ("var x = 5; []", "write `let name = value;` for a variable"),
        ("function f(x) { x } []", "write `fn name(parameter) { … }` for a function"),
        ("import \"x\" as y; []", "a rule is one file; write a function with `fn name(parameter) { … }`"),
        ("let x = 5\nlet y = 6;\n[]", "write `;` at the end of the statement in line 1"),
        ("order.total > 100 ? [] : []", "write `if condition { one } else { other }`, which has a value"),
    ] {
        assert_eq!(explained(source).1, mend, "{source}");
    }
}

/// Case R3.
#[test]
fn a_closure_that_uses_a_variable_around_it_says_what_to_write() {
    let (what, mend) = explained(include_str!("cases/closure.rhai"));
    assert_eq!(what, "fraud.rhai:2:34: `limit` is not visible here");
    assert!(mend.starts_with("a function or closure sees only its parameters"), "{mend}");
    assert!(mend.contains("write a `for` loop") && mend.contains("`global::limit`"), "{mend}");
}

/// Case R1.
#[test]
fn a_comparison_of_unlike_types_is_refused_at_save() {
    let (what, mend) = explained(include_str!("cases/unlike-types.rhai"));
    assert_eq!(what, "fraud.rhai:1:16: `>` compares a decimal number with a text");
    assert_eq!(mend, "write `100` without quotes");
    for comparison in [
        "order.quantity == \"1\"",
        "order.item > 5",
        "customer.orders(60) == \"3\"",
        "order.item.len() != \"3\"",
        "order.item == true",
        "limit < order.item",
        "(order.total * 2) >= \"5\"",
        "order.total == (order.total > 5)",
        "order == 1",
        "() < 5",
    ] {
        // In a branch that no sample takes.
        let source = format!("let limit = 5; if order.item == \"Durian\" {{ if {comparison} {{ }} }} []");
        assert_eq!(refused(&source).0, RuleErrorKind::Type, "{comparison}");
    }
}

#[test]
fn a_comparison_whose_types_are_known_only_when_it_runs_is_an_error_then() {
    for comparison in ["a == b", "a != b", "a < b", "a >= b", "b > a"] {
        let source = format!("fn compare(a, b) {{ {comparison} }} compare(order.quantity, order.item); []");
        let (kind, line, text) = refused(&source);
        assert_eq!((kind, line), (RuleErrorKind::Type, Some(1)), "{text}");
        assert!(text.contains("a whole number") && text.contains("a text"), "{text}");
    }
    refused("let m = #{}; m.a = [1]; if m.a == 1 { } []");
}

#[test]
fn like_types_and_nothing_are_compared_as_ever() {
    for expression in [
        "order.quantity < 2.5 && order.total > 5",
        "order.item[0] == \"P\" && \"P\" == order.item[0]",
        "order.item != () && () != order.total && () == ()",
        "[1, 2] == [1, 2]",
        "2 in [1, 2, 3]",
        "\"a\" < \"b\"",
    ] {
        for source in [expression.to_owned(), format!("holds(order)) {{ }} if ({expression}")] {
            let functions = if source == expression { "" } else { "fn holds(o) { o.quantity == 2 } " };
            let source =
                format!("{functions}if ({source}) {{ [alert(\"YES\", \"LOW\", \"\")] }} else {{ [] }}");
            assert_eq!(judge(&source).unwrap().len(), 1, "{source}");
        }
    }
}

/// Case R2.
#[test]
fn a_switch_on_a_decimal_is_refused_with_what_to_write() {
    let (what, mend) = explained(include_str!("cases/switch-on-decimal.rhai"));
    assert!(what.starts_with("fraud.rhai:1:1: `switch` doesn't compare decimal numbers"), "{what}");
    assert!(mend.starts_with("write `if x == 100"), "{mend}");
    assert_eq!(judge("switch order.quantity { 99 => [1], _ => [] }").unwrap(), []);
}

/// Case R2.
#[test]
fn a_switch_on_a_value_whose_type_is_not_known_before_is_refused_with_what_to_write() {
    for value in ["n", "n * 2", "[n]", "#{a: n}"] {
        let (kind, line, text) =
            refused(&format!("fn f(n) {{ switch {value} {{ 19 => 1, _ => 2 }} }} f(order.total); []"));
        assert_eq!((kind, line), (RuleErrorKind::Type, Some(1)), "{text}");
    }
    let (what, mend) =
        explained("for earlier in customer.recent(60) { switch earlier.total { 9 => 1, _ => 2 } } []");
    assert!(what.ends_with("the type of what `switch` compares isn't known before the rule runs"), "{what}");
    assert!(mend.contains("`switch x.to_int() { … }`"), "{mend}");
    for (value, case) in [
        ("n.to_int()", "2"),
        ("n.to_string()", "\"2\""),
        ("n == 2", "true"),
        ("n.to_string().to_upper()", "\"2\""),
    ] {
        let source = format!(
            "fn f(n) {{ switch {value} {{ {case} => [alert(\"A\", \"LOW\", \"\")], _ => [] }} }} f(order.quantity)"
        );
        assert_eq!(judge(&source).unwrap().len(), 1, "{source}");
    }
}

#[test]
fn a_fact_compared_as_a_whole_is_an_error_when_it_runs() {
    let facts =
        ["order", "window", "customer", "everyone", "alert(\"A\", \"LOW\", \"\")", "customer.recent(600)[0]"];
    for fact in facts {
        for other in ["1", "\"a\"", "order.total", "order", "customer", "[]"] {
            for comparison in ["a == b", "b != a", "a < b"] {
                let source = format!("fn compare(a, b) {{ {comparison} }} compare({fact}, {other}); []");
                let (kind, line, text) = refused(&source);
                assert_eq!((kind, line), (RuleErrorKind::Type, Some(1)), "{source}: {text}");
                assert!(
                    text.contains("as a whole") && text.ends_with("compare one of its properties"),
                    "{text}"
                );
            }
        }
        let source = format!(
            "fn there(a, b) {{ a != b && !(b == a) }} if there({fact}, ()) {{ [] }} else {{ throw 1 }}"
        );
        assert_eq!(judge(&source), Ok(vec![]), "{source}");
    }
}

/// Case R5.
#[test]
fn a_brace_that_stays_open_is_named() {
    use dojo_rules::{FraudRule, Rule};
    for (line, text) in FraudRule::BUILT_IN.lines().enumerate() {
        if text != "}" {
            continue;
        }
        let lines = FraudRule::BUILT_IN.lines().enumerate().filter(|(index, _)| *index != line);
        let source: Vec<&str> = lines.map(|(_, text)| text).collect();
        let (what, _) = explained(&source.join("\n"));
        let opener = FraudRule::BUILT_IN.lines().take(line).collect::<Vec<_>>();
        let opener = 1 + opener.iter().rposition(|text| text.starts_with("if ")).unwrap();
        assert!(
            what.starts_with(&format!("fraud.rhai:{opener}:")) && what.ends_with("this `{` stays open"),
            "{what}"
        );
    }
}

#[test]
fn a_bracket_without_a_partner_is_named() {
    let nested = "let a = [];\nif order.total > 1 {\n    if order.quantity > 2 {\n        a.push(1);\n}\na";
    assert_eq!(explained(nested).0, "fraud.rhai:3:27: this `{` stays open");
    let call = "let a = [];\na.push(alert(\"A\", \"LOW\", \"x\");\na";
    assert_eq!(explained(call).0, "fraud.rhai:2:7: this `(` stays open");
    assert_eq!(explained("let a = [];\n}\na").0, "fraud.rhai:2:1: this `}` closes nothing");
    let in_text = "let a = `{ ${ if order.total > 1 { \"}\" } else { \"{\" } } {`; // {\nif a == \"{\" {\n[]";
    assert_eq!(explained(in_text).0, "fraud.rhai:2:13: this `{` stays open");
}

#[test]
fn a_span_that_stands_in_a_branch_counts_and_must_be_an_hour_at_most() {
    use dojo_rules::{FraudRule, Rule};
    let span = |source: &str| {
        let source = format!("if order.item == \"Durian\" {{ {source}; }} []");
        FraudRule::compile("fraud.rhai", &source).map(|rule| rule.longest_span())
    };
    assert_eq!(span("customer.orders(3000)"), Ok(3_000));
    assert_eq!(span("const HOUR = 3600; everyone.total(HOUR)"), Ok(3_600));
    assert_eq!(span("customer.recent(60); customer.recent(300)"), Ok(300));
    for source in ["customer.orders(3601)", "everyone.orders(0)", "customer.recent(-5)"] {
        let error = span(source).unwrap_err();
        assert_eq!(error.mend.as_deref(), Some("give 1 to 3600 seconds (an hour at most)"), "{source}");
    }
}

#[test]
fn a_long_line_is_cut_around_the_mistake() {
    let source = format!("let s = \"{}\"; ordr; \"{}\"", "x".repeat(3_000), "y".repeat(3_000));
    let text = judge(&source).unwrap_err().to_string();
    assert!(text.len() < 400 && text.contains("ordr"), "{text}");
}
