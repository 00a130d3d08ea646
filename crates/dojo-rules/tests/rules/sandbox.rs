//! Whatever a rule does, the caller gets an answer, soon.

use crate::facts::{attempt, deliver, order};
use dojo_rules::{Delivery, NotificationRule, Rule, RuleErrorKind};
use std::time::{Duration, Instant};

/// Compiling tries the rule on its samples, so a rule that misbehaves at once is refused there.
fn refused(source: &str) -> RuleErrorKind {
    let start = Instant::now();
    let error = deliver(source).expect_err(source);
    // A single evaluation has 50 ms; the rest is for a debug build on a busy machine.
    assert!(start.elapsed() < Duration::from_secs(5), "{source}: {:?}", start.elapsed());
    assert!(!error.message.is_empty());
    error.kind
}

#[test]
fn an_endless_loop_ends() {
    for source in [
        "loop {}",
        "while true {}",
        "loop { continue; }",
        "do {} while true",
        "let x = 0; loop { x += 1; x -= 1; }",
        "for i in range(0, 9223372036854775807) { let x = i; }",
        "loop { try { loop {} } catch { } }",
        "fn f(x) { loop {} } f(1)",
        "let f = |x| loop { }; f.call(1)",
        "let a = [1]; a.map(|x| loop {});",
        "loop { for i in 0..1000 { \"x\".pad(4000, \"y\"); } }",
    ] {
        assert_eq!(refused(source), RuleErrorKind::Limit, "{source}");
    }
}

#[test]
fn an_endless_loop_that_only_some_orders_start_ends_for_them_and_spares_the_others() {
    let source = r#"if order.quantity == 13 { loop {} }"#;
    let rule = NotificationRule::compile("notification.rhai", source).unwrap();
    let error = rule.deliver(attempt(order(13, "1"), "0"), 0).unwrap_err();
    assert_eq!(error.kind, RuleErrorKind::Limit);
    assert!(error.to_string().contains("endless loop"), "{error}");
    assert_eq!(error.line, Some(1));
    assert_eq!(rule.deliver(attempt(order(12, "1"), "0"), 0), Ok(Delivery::Delivered));
}

#[test]
fn a_function_that_calls_itself_without_end_ends() {
    for source in ["fn f(x) { f(x + 1) } f(0)", "fn f(x) { g(x) } fn g(x) { f(x) } f(0)"] {
        assert_eq!(refused(source), RuleErrorKind::Limit, "{source}");
    }
}

#[test]
fn values_that_grow_without_end_end() {
    for source in [
        "let a = [1]; loop { a += a; }",
        "let a = [1]; loop { a.push(a); }",
        "let a = [1]; loop { a = [a, a]; }",
        "let s = \"x\"; loop { s += s; }",
        "let s = \"x\"; loop { s = `${s}${s}`; }",
        "let m = #{}; let i = 0; loop { i += 1; m[`${i}`] = i; }",
        "let m = #{}; loop { m = #{a: m, b: m}; }",
        "let a = []; a.pad(9223372036854775807, 0);",
        "let s = \"\"; s.pad(9223372036854775807, \"x\");",
        "let s = \"\"; s.pad(4000, \"x\"); let t = s; s.replace(\"x\", t);",
        "let a = []; a.pad(1000, \"xxxxxxxxxxxxxxxxxxxx\");",
        "let a = []; loop { a.insert(0, #{b: [1, 2, 3]}); }",
    ] {
        assert_eq!(refused(source), RuleErrorKind::Limit, "{source}");
    }
}

#[test]
fn code_that_is_nested_too_deep_is_refused() {
    for (open, close) in [
        ("[", "]"),
        ("{", "}"),
        ("if true {", "}"),
        ("- ", ""),
        ("!", ""),
        ("1 + ", ""),
        ("1 + (", ")"),
        ("if true { } else ", ""),
        ("#{a:", "}"),
        ("`${", "}`"),
        ("switch 1 { _ =>", "}"),
        ("print(", ")"),
    ] {
        for depth in [100, 10_000] {
            let source = format!("let x = 1; {}{{ x }}{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(refused(&source), RuleErrorKind::Limit, "{depth} times {open}");
        }
    }
    // Parentheses and closures leave no nesting behind, so only the parser has to bear them.
    for (open, close) in [("(", ")"), ("|x| ", "")] {
        let source = format!("let x = 1; {}1{}", open.repeat(10_000), close.repeat(10_000));
        assert_eq!(refused(&source), RuleErrorKind::Limit, "{open}");
    }
    for (unit, tail) in
        [("1+", "1"), ("x.a.", "b"), ("x[0]", ""), ("true&&", "true"), ("x??", "x"), ("x(1)", "")]
    {
        let source = format!("let x = 1; {}{tail};", unit.repeat(20_000));
        let _ = deliver(&source);
    }
}

#[test]
fn too_many_variables_and_functions_are_refused() {
    let variables: String = (0..200).map(|i| format!("let v{i} = {i};")).collect();
    assert_eq!(refused(&variables), RuleErrorKind::Limit);
    let functions: String = (0..1_000).map(|i| format!("fn f{i}() {{ {i} }}")).collect();
    assert_eq!(refused(&format!("{functions} ();")), RuleErrorKind::Limit);
}

/// For each use of a variable, the parser may look at every declaration.
#[test]
fn a_file_with_too_many_declarations_is_refused_before_it_is_parsed() {
    let most = "{ let x = 1; } { const Y = 2; }\n".repeat(250);
    deliver(&format!("{most} `let ${{1 + 1}} let`; // let")).unwrap();
    let error = deliver(&format!("{most}(); let z = 3;")).unwrap_err();
    assert_eq!((error.kind, error.line, error.column), (RuleErrorKind::Limit, Some(251), Some(5)));
    assert_eq!(error.message, "more than 500 `let` and `const`");
}

#[test]
fn nothing_outside_is_in_reach() {
    for source in [
        "eval(\"1\")",
        "import \"x\" as x;",
        "sleep(1)",
        "Fn(\"sleep\").call(1)",
        "Fn(\"eval\").call(\"1\")",
        "timestamp()",
        "open(\"/etc/passwd\")",
        "exit()",
        "parse_json(\"{}\")",
        "blob(10)",
    ] {
        refused(source);
    }
}

#[test]
fn sorting_by_a_comparison_that_may_contradict_itself_is_not_on_offer() {
    for sort in ["sort", "sort_by", "order", "order_by"] {
        for comparison in ["|x, y| 1", "\"compare\""] {
            let source = format!("fn compare(x, y) {{ 1 }} let a = [3, 1, 2]; a.{sort}({comparison});");
            assert_eq!(refused(&source), RuleErrorKind::Evaluation, "{source}");
        }
    }
    assert_eq!(
        deliver("let a = [3, 1, 2]; a.sort(); throw `${a}`;"),
        Ok(Delivery::Failed { reason: "[1, 2, 3]".to_owned() })
    );
}

#[test]
fn steps_that_are_slow_one_by_one_end_as_well() {
    for body in ["b.dedup(); a.index_of(7); b == a;", "s.contains(\"xxxxxxxxy\"); s.to_upper();"] {
        let source = format!(
            "let a = []; a.pad(256, 1); let b = a; let s = \"\"; s.pad(4096, \"x\"); loop {{ {body} }}"
        );
        assert_eq!(refused(&source), RuleErrorKind::Limit, "{body}");
    }
}

#[test]
fn arithmetic_that_overflows_is_an_error() {
    for source in [
        "9223372036854775807 + 1;",
        "-9223372036854775807 - 2;",
        "order.quantity * 9223372036854775807;",
        "order.total * 79228162514264337593543950335.0;",
        "order.quantity / 0;",
        "order.total / 0.0;",
        "order.quantity % 0;",
        "2 ** 1000;",
        "2.0 ** 1000.0;",
        "1 << 9223372036854775807;",
    ] {
        let _ = deliver(source);
    }
    assert_eq!(refused("order.quantity + 9223372036854775807;"), RuleErrorKind::Evaluation);
}

/// Case R4.
#[test]
fn a_flat_chain_is_not_deep() {
    on_a_small_stack(|| {
        for terms in [40, 200] {
            for sign in ["||", "&&"] {
                let chain: Vec<String> = (0..terms).map(|n| format!("order.item != \"dish {n}\"")).collect();
                deliver(&format!("let x = {};", chain.join(sign))).unwrap();
            }
        }
        deliver(
            include_str!("cases/long-chain.rhai")
                .replace("[alert(\"DISH\", \"LOW\", \"a dish of the list\")]", "1")
                .as_str(),
        )
        .unwrap();
        let else_ifs = |number: usize| {
            let rest: String =
                (0..number).map(|n| format!(" else if order.quantity == {} {{ }}", 100 + n)).collect();
            deliver(&format!("if order.quantity == 99 {{ }}{rest} else {{ throw \"end\"; }}"))
        };
        assert_eq!(else_ifs(40), Ok(Delivery::Failed { reason: "end".to_owned() }));
        assert_eq!(else_ifs(64), Ok(Delivery::Failed { reason: "end".to_owned() }));
        let error = else_ifs(200).unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (RuleErrorKind::Limit, "more than 64 `else if` in a row")
        );
    });
}

/// The stack of the thread in these tests: that of a service's thread, less half a mebibyte for the service's own calls.
const STACK: usize = 3 * 512 * 1024;

fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
}

/// Case R4.
#[test]
fn forty_else_ifs_work_in_a_function_at_any_depth_of_calls() {
    on_a_small_stack(|| {
        let chain = |last: &str| {
            let rest: String = (0..40).map(|n| format!(" else if n == {} {{ }}", 100 + n)).collect();
            format!("if n == 99 {{ }}{rest} else {{ {last} }}")
        };
        let source = format!("fn f(n) {{ if n == 7 {{ throw \"end\" }} {} }} f(0);", chain("f(n + 1)"));
        assert_eq!(deliver(&source), Ok(Delivery::Failed { reason: "end".to_owned() }));
    });
}

/// The deepest code that is allowed, in the deepest calls that are allowed.
#[test]
fn the_deepest_rule_fits_the_stack_of_a_thread() {
    let nested = [
        ("[", "]"),
        ("-(", ")"),
        ("#{a: ", "}"),
        ("`${", "}`"),
        ("if true { ", " }"),
        ("{ ", " }"),
        ("1 + (", ")"),
        ("g(", ")"),
        ("switch 1 { _ => ", " }"),
        ("x.f(", ")"),
        ("for i in [", "] { }"),
        ("while ", " { break; }"),
        ("try { ", " } catch { }"),
        ("if n == 99 { 1 } else ", ""),
    ];
    for else_ifs in [0, 60] {
        for (open, close) in nested {
            // The deepest that compiles, with a call of itself at the bottom, in a function as a method and otherwise.
            on_a_small_stack(move || {
                let source = |depth: usize| {
                    let nest = |call: &str| {
                        let body = if close.is_empty() { format!("{{ {call} }}") } else { call.to_owned() };
                        let chain = "if n == 99 { 1 } else ".repeat(else_ifs);
                        format!("{chain}{{ {}{body}{} }}", open.repeat(depth), close.repeat(depth))
                    };
                    let (outside, inside) = (nest("f(0)"), nest("f(n + 1)"));
                    format!(
                        "fn g(x) {{ x }} fn f(n) {{ let x = 1; {inside} }} let n = 0; let x = 1; {outside};"
                    )
                };
                let too_deep = |depth: &usize| {
                    deliver(&source(*depth))
                        .is_err_and(|error| !error.message.contains("function calls are nested"))
                };
                let first = (1..100).find(too_deep).unwrap();
                assert!(first > 3, "{open} is refused at a depth of {first}");
            });
        }
    }
}
