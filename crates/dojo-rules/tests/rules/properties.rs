//! For every source, and for every order: an answer or an error, never a panic, never a wait.

use crate::facts::{attempt, fraud_facts, order, window};
use dojo_contract::WindowStats;
use dojo_rules::{AttemptFacts, FraudRule, NotificationRule, OrderFacts, Rule, TimeOfDay};
use proptest::prelude::*;
use rust_decimal::Decimal;

/// Words and signs that rules are made of, so that many sources get past the parser.
fn snippet() -> impl Strategy<Value = String> {
    let words = [
        "order",
        "window",
        "attempt",
        "settings",
        "customer.orders(60)",
        "everyone.total(x)",
        "customer.recent(99)",
        ".total",
        ".item",
        ".customerName",
        ".quantity",
        ".failRate",
        "random()",
        "alert(\"A\", \"LOW\", \"r\")",
        "let x = ",
        "const Y = ",
        "x",
        "Y",
        "global::Y",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        "#{",
        "if ",
        " else ",
        "for i in 0..9 ",
        "while x < 9 ",
        "loop ",
        "break;",
        "continue;",
        "return ",
        "throw ",
        "try ",
        "catch ",
        "switch ",
        " => ",
        "_",
        "|a| ",
        "fn f(a) ",
        "f(1)",
        ".call(1)",
        "Fn(\"f\")",
        ".push(1)",
        ".sort(|a, b| 1)",
        ".map(|a| a)",
        ".filter(|a| true)",
        ".pad(99, x)",
        ".len()",
        ".replace(\"a\", \"b\")",
        ".split(\"\")",
        ".sub_string(-1, 99)",
        ".splice(1, 9, [1])",
        ".drain(|a| true)",
        ".extract(-9, 99)",
        " + ",
        " - ",
        " * ",
        " / ",
        " % ",
        " ** ",
        " << ",
        " == ",
        " < ",
        " && ",
        " || ",
        " ?? ",
        " in ",
        "!",
        "-",
        " += ",
        " = ",
        ";",
        ",",
        ":",
        "..",
        "..=",
        "?.",
        "`${",
        "}`",
        "\"ab\"",
        "'c'",
        "1",
        "0",
        "-1",
        "2.5",
        "0.0",
        "9223372036854775807",
        "79228162514264337593543950335.0",
        "0x7f",
        "()",
        "true",
        "//",
        "/*",
        "*/",
        "\n",
        "this",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 1..40).prop_map(|words| words.concat())
}

fn anything_goes(source: &str) {
    if let Ok(rule) = FraudRule::compile("fraud.rhai", source) {
        let _ = rule.judge(fraud_facts(order(3, "9.99"), window(2, 3)));
    }
    if let Ok(rule) = NotificationRule::compile("notification.rhai", source) {
        let _ = rule.deliver(attempt(order(3, "9.99"), "0.5"), 1);
    }
}

prop_compose! {
    fn any_order()(
        texts in prop::array::uniform4(".*"),
        quantity in any::<i64>(),
        mantissas in prop::array::uniform2(any::<i64>()),
        scale in 0..=28_u32,
    ) -> OrderFacts {
        let [id, customer_name, item, status] = texts;
        let [price, total] = mantissas.map(|mantissa| Decimal::new(mantissa, scale));
        OrderFacts { id, customer_name, item, quantity, price, total, status, placed: TimeOfDay::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_panics(source in any::<String>()) {
        anything_goes(&source);
    }

    #[test]
    fn no_program_panics(source in snippet()) {
        anything_goes(&source);
    }

    #[test]
    fn no_part_of_a_shipped_rule_panics(cut in 0..4_000_usize) {
        for source in [FraudRule::BUILT_IN, NotificationRule::BUILT_IN] {
            anything_goes(&source.chars().take(cut).collect::<String>());
        }
    }

    #[test]
    fn the_shipped_fraud_rule_judges_every_order(
        order in any_order(),
        customer in any::<u64>(),
        global in any::<u64>(),
    ) {
        let window = WindowStats { customer_orders_in_window: customer, global_orders_in_window: global, partial: false };
        let alerts = rules().0.judge(fraud_facts(order.clone(), window)).unwrap();
        let expected = [customer > 5, global > 20, order.total > Decimal::ONE_HUNDRED];
        prop_assert_eq!(alerts.len(), expected.into_iter().filter(|&found| found).count());
    }

    #[test]
    fn the_shipped_notification_rule_decides_every_attempt(
        order in any_order(),
        texts in prop::array::uniform2(".*"),
        retry_count in any::<u32>(),
        rate in any::<i64>(),
        seed in any::<u64>(),
    ) {
        let [action, instance_id] = texts;
        let mut facts = attempt(order, "0");
        facts.attempt = AttemptFacts { action, retry_count, instance_id, at: TimeOfDay::default() };
        facts.settings.fail_rate = Decimal::new(rate, 18);
        let first = rules().1.deliver(facts.clone(), seed).unwrap();
        prop_assert_eq!(first, rules().1.deliver(facts, seed).unwrap());
    }
}

fn rules() -> &'static (FraudRule, NotificationRule) {
    static RULES: std::sync::OnceLock<(FraudRule, NotificationRule)> = std::sync::OnceLock::new();
    RULES.get_or_init(|| (FraudRule::built_in(), NotificationRule::built_in()))
}
