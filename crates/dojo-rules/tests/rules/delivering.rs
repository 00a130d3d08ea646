//! The notification rule: the shipped one, and what an edited one can say.

use crate::facts::{attempt, deliver, order};
use dojo_rules::{Delivery, NotificationRule, Rule};
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

fn failed(reason: &str) -> Delivery {
    Delivery::Failed { reason: reason.to_owned() }
}

#[test]
fn the_shipped_file_is_the_built_in_rule() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules/notification.rhai");
    assert_eq!(std::fs::read_to_string(shipped).unwrap(), NotificationRule::BUILT_IN);
    NotificationRule::built_in();
}

#[test]
fn the_shipped_rule_fails_as_often_as_the_fail_rate_says() {
    let rule = NotificationRule::built_in();
    let failures = |rate: &str| {
        let facts = attempt(order(1, "1"), rate);
        let outcomes = (0..10_000).map(|seed| rule.deliver(facts.clone(), seed).unwrap());
        outcomes.filter(|outcome| *outcome != Delivery::Delivered).count()
    };
    assert_eq!(failures("0"), 0);
    assert_eq!(failures("1"), 10_000);
    // Ten thousand draws have a standard deviation of 46; the draws are the same every time.
    assert!((2_800..=3_200).contains(&failures("0.3")), "{}", failures("0.3"));
}

#[test]
fn the_same_seed_gives_the_same_outcome() {
    let source = "throw `${random()} ${random()}`;";
    let rule = NotificationRule::compile("notification.rhai", source).unwrap();
    let reason = |seed| rule.deliver(attempt(order(1, "1"), "0.3"), seed).unwrap();
    assert_eq!(reason(42), reason(42));
    assert_ne!(reason(42), reason(43));
    let Delivery::Failed { reason } = reason(42) else { panic!("it throws") };
    let (first, second) = reason.split_once(' ').unwrap();
    assert_ne!(first, second);
    for number in [first, second] {
        let number: rust_decimal::Decimal = number.parse().unwrap();
        assert!(number >= 0.into() && number < 1.into());
    }
}

#[test]
fn a_throw_is_a_failed_delivery_with_its_reason() {
    assert_eq!(deliver(r#"throw "no courier";"#).unwrap(), failed("no courier"));
    assert_eq!(deliver("throw 42;").unwrap(), failed("42"));
    assert_eq!(deliver("throw;").unwrap(), failed("the rule gave no reason"));
    assert_eq!(deliver(r#"fn refuse(why) { throw why; } refuse("closed")"#).unwrap(), failed("closed"));
}

#[test]
fn a_throw_that_is_caught_is_delivered() {
    assert_eq!(
        deliver(r#"try { throw "no courier"; } catch (why) { print(why); }"#).unwrap(),
        Delivery::Delivered
    );
}

#[test]
fn a_long_reason_is_cut() {
    let Delivery::Failed { reason } = deliver(r#"let s = ""; s.pad(2000, "é"); throw s"#).unwrap() else {
        panic!("it throws")
    };
    assert_eq!(reason.chars().count(), Delivery::MAX_REASON);
}

#[test]
fn any_value_at_the_end_is_delivered() {
    for source in ["();", "42", "false", "if order.quantity > 100 { throw 1 }", "return;"] {
        assert_eq!(deliver(source).unwrap(), Delivery::Delivered, "{source}");
    }
}

#[test]
fn every_name_of_the_vocabulary_works() {
    let source = r#"
        if attempt.action == "created" && attempt.retryCount == 1 && settings.failRate == 0.3
            && settings.maxRetries == 2 && settings.onExhausted == "dlq" && settings.deliveryMillis == 0
            && attempt.hour == 0 && attempt.minute == 6 && attempt.second == 7
            && attempt.instanceId == "notification-2" && order.item.contains("Pizza") { throw "all" }
    "#;
    assert_eq!(deliver(source).unwrap(), failed("all"));
}

#[test]
fn any_other_error_is_the_rules_mistake() {
    let error =
        deliver("let none = [];\nif attempt.retryCount == 1 && none[7] == 1 { throw 1; }").unwrap_err();
    assert_eq!((error.line, error.column.is_some()), (Some(2), true), "{error}");
}

/// Case R6.
#[test]
fn a_thrown_fact_is_shown_as_a_rule_sees_it() {
    for (thrown, begin) in [
        ("order", "order #{id: \"0192"),
        ("attempt", "attempt #{action: \"created\", retryCount: 1"),
        ("settings", "settings #{failRate: 0.3"),
        ("[order]", "[order #{id: \"0192"),
        ("#{a: order}", "#{\"a\": order #{id: \"0192"),
    ] {
        let Ok(Delivery::Failed { reason }) = deliver(&format!("throw {thrown};")) else {
            panic!("{thrown}")
        };
        assert!(reason.starts_with(begin) && !reason.contains("::"), "{reason}");
    }
}

/// Case R7.
#[test]
fn the_log_gets_twenty_lines_of_an_evaluation_and_the_number_of_those_left_out() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        assert_eq!(deliver("for n in 0..100 { print(`line ${n}`); }"), Ok(Delivery::Delivered));
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 21, "{log}");
    assert!(
        lines[0].ends_with("line 0 file=\"notification.rhai\"") && lines[19].contains("line 19"),
        "{log}"
    );
    assert!(lines[20].contains("80 more lines of `print` are left out"), "{log}");
}
