use super::*;
use proptest::prelude::*;
use rust_decimal::Decimal;

fn parse(yaml: &str) -> Result<Scenario, ParseError> {
    Scenario::parse("test.yaml", yaml.as_bytes())
}

fn with_steps(steps: &str) -> Result<Scenario, ParseError> {
    parse(&format!("name: Test\nsteps:\n{steps}"))
}

const ORDER: &str = "  - order: { customerName: Ada, item: Pizza, quantity: 1, price: 9.50 }\n";

#[test]
fn every_kind_of_step_is_read() {
    let scenario = parse(
        r#"
name: Everything
lesson: It is all there.
settings: { failRate: 0.25, instances: null }
steps:
  - say: Hello
  - order: { customerName: "Ada ${run}", item: Pizza, quantity: 2, price: 9.50 }
  - flood: { count: 3, rate: 30/min, order: { customerName: Bob, item: "Pizza ${n}", quantity: 1, price: 0 } }
  - pause: 500ms
  - settings: { failRate: null, instances: { notification-2: { failRate: 0.9 } } }
  - expect: { action: FRAUD_ALERT, alert: VELOCITY, customer: "Ada ${run}", exactly: 7, within: 5s }
  - expect: { action: [NOTIFIED, DLQ], perOrder: 1 }
  - expect: { event: dlq, atMost: 0 }
"#,
    )
    .unwrap();
    let steps: Vec<_> = scenario.steps().iter().map(Step::to_string).collect();
    assert_eq!(
        steps,
        [
            "say Hello",
            "order 2 × Pizza at $9.50 for Ada ${run}",
            "flood 3 at 30/min: 1 × Pizza ${n} at $0 for Bob",
            "pause 500ms",
            r#"settings {"failRate":null,"instances":{"notification-2":{"failRate":0.9}}}"#,
            "expect FRAUD_ALERT with VELOCITY: exactly 7, of Ada ${run}, within 5s",
            "expect NOTIFIED or DLQ: 1 per order, within 10s",
            "expect dead letter: at most 0, within 10s",
        ]
    );
    assert_eq!(scenario.settings().unwrap().to_string(), r#"{"failRate":0.25,"instances":null}"#);
    assert_eq!(scenario.settings_changes().count(), 2);
    assert_eq!(scenario.position_of_step(3), Position { line: 9, column: 5 });
}

#[test]
fn aliases_are_understood() {
    let scenario = with_steps(
        "  - order: &pizza { customerName: Ada, item: Pizza, quantity: 1, price: 9.50 }\n  - flood: { count: 2, rate: 5/s, order: *pizza }\n",
    );
    assert_eq!(scenario.unwrap().steps().len(), 2);
}

#[test]
fn aliases_that_expand_without_end_are_refused_quickly() {
    let mut bomb = "name: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (this, last) in ('b'..='k').zip('a'..) {
        let twice = format!("*{last}, ").repeat(10);
        bomb.push_str(&format!("k{this}: &{this} [{twice}]\n"));
    }
    let start = std::time::Instant::now();
    assert!(parse(&bomb).unwrap_err().to_string().contains("expand"));
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn a_text_as_deep_or_as_long_as_allowed_is_refused_quickly() {
    for piece in ["[", "{", "- ", "? ", "a: ", "- a\n", "&a ", "\"", "x: |\n"] {
        let text = piece.repeat(MAX_BYTES / piece.len());
        let start = std::time::Instant::now();
        assert!(parse(&text).is_err());
        assert!(start.elapsed().as_secs() < 10, "{piece:?} took {:?}", start.elapsed());
    }
    assert!(parse(&"x".repeat(MAX_BYTES + 1)).unwrap_err().to_string().contains("the most are"));
}

#[test]
fn a_setting_that_is_not_a_number_is_refused_and_not_taken_for_null() {
    let error = parse("name: x\nsettings: { failRate: .nan }\nsteps:\n  - pause: 1s\n").unwrap_err();
    assert_eq!(error.position(), Some(Position { line: 2, column: 23 }));
}

proptest! {
    #[test]
    fn no_text_panics(text in "(?s).{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = Scenario::parse("test.yaml", &bytes);
    }

    #[test]
    fn no_broken_scenario_panics_and_every_error_points_into_the_text(
        at in 0usize..400, with in "[\\[\\]{}:,\"'&*!|>%@`#a-z0-9 \n-]{0,4}"
    ) {
        let mut text = format!("name: Test\nsettings: {{ failRate: 0 }}\nsteps:\n{ORDER}  - expect: {{ action: NOTIFIED, perOrder: 1, within: 5s }}\n");
        let at = at.min(text.len());
        text.insert_str(at, &with);
        if let Err(error) = parse(&text) {
            let _ = error.to_string();
            if let Some(position) = error.position() {
                prop_assert!(position.line <= text.lines().count() + 1, "{}", error);
            }
        }
    }

    #[test]
    fn every_price_arrives_as_it_is_written(cents in 0i64..=10_000_000) {
        let price = Decimal::new(cents, 2);
        let yaml = format!("  - order: {{ customerName: Ada, item: Pizza, quantity: 1, price: {price} }}\n");
        let scenario = with_steps(&yaml).unwrap();
        let Some(Step::Order(order)) = scenario.steps().first() else { panic!("no order") };
        prop_assert_eq!(order.fill("r", 1).price.to_string(), price.to_string());
    }
}
