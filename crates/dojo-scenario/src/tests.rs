use crate::{Scenario, Sources};
use std::{collections::BTreeMap, io, path::Path};

fn parse(text: &str) -> Result<Scenario, String> {
    let read = |_: &Path| Err(io::ErrorKind::NotFound.into());
    let sources = Sources { read: &read, variables: &BTreeMap::new() };
    Scenario::parse("test.yaml", text.as_bytes(), &sources).map_err(|error| error.to_string())
}

#[test]
fn a_scenario_is_read_whole() {
    let scenario = parse(
        r#"
name: Everything
vars: { customer: Mallory, count: 12 }
seed: 7
before: { lag: 0, rules: [fraud] }
always: { settled: 30s, offsets: forward, ruleErrors: none }
settings: { failRate: 0, instances: null }
steps:
  - say: Go
  - name: first
    order: { customerName: "${customer} ${run}", item: Pizza, quantity: 1..5, price: 9.50, as: ada }
  - update: { order: ada, status: preparing }
  - flood:
      phases: [{ steady: { rate: 20/s, for: 10s } }, { spike: { count: 50 } }, { pause: 1s }]
      order: { customerName: { Ada: 5, Bob: 1 }, item: [Pizza, Soup], quantity: 1, price: 1..20 }
  - flood: { count: "${count}", rate: 6 per minute, order: { customerName: A, item: B, quantity: 1, price: 1 } }
  - instance: { stop: notification-2 }
  - rule: { name: fraud, replace: [{ this: "VELOCITY_LIMIT = 5", by: "VELOCITY_LIMIT = 8" }] }
  - produce: { topic: orders, key: poison, value: not an order }
  - redrive: own
  - repeat: { times: 2, steps: [{ pause: 1m30s }] }
  - expect: { action: [NOTIFIED, DLQ], perOrder: 1, where: { retryCount: "> 1" }, within: 5s }
  - expect: { lag: { group: notification-group, atMost: 0 } }
  - expect: { http: { status: 201, p99: < 50ms } }
"#,
    )
    .unwrap();
    assert_eq!(scenario.steps().len(), 13);
}

#[test]
fn every_mistake_is_told_at_once() {
    let error = parse(
        "name: Three\nstepz: []\nsteps:\n  - order: { customerName: Ada, item: Pizza, quantity: x, price: y, as: '' }\n  \
         - flod: { count: 3 }\n  - expect: { action: NOTIFYED, perOrder: 1 }\n  - pause: 2s\n    say: Both\n  - {}\n",
    )
    .unwrap_err();
    println!("{error}");
    assert_eq!(error.matches("error: ").count(), 8, "{error}");
}

#[test]
fn a_step_is_shown_in_words() {
    let steps = r#"name: Words
steps:
  - order: { customerName: "Ada ${run}", item: Pizza, quantity: 1..5, price: 9.50, as: ada, answers: 201 }
  - update: { order: ada, status: preparing, price: 8 }
  - delete: { order: ada }
  - flood: { count: 3, rate: 30/min, order: { customerName: { Ada: 5, Bob: 1 }, item: Pizza, quantity: 1, price: 0 } }
  - flood: { phases: [{ ramp: { from: 1/s, to: 9/s, for: 2s } }, { spike: { count: 50 } }, { pause: 1s }], order: { customerName: Ada, item: Pizza, quantity: 1, price: 0 } }
  - settings: { failRate: null, instances: { notification-2: { failRate: 0.9 } } }
  - rule: { name: fraud, replace: [{ this: "VELOCITY_LIMIT = 5", by: "VELOCITY_LIMIT = 8" }] }
  - instance: { crash: notification-2 }
  - instance: { add: notification }
  - produce: { topic: orders, key: poison, value: not an order, count: 3 }
  - redrive: own
  - ask: { question: "How many?", answer: 7 }
  - repeat: { times: 2, steps: [{ pause: 1m30s }] }
  - name: a fast answer
    expect: { http: { status: 201, p99: < 50ms } }
"#;
    let scenario = parse(steps).unwrap();
    let words: Vec<_> = scenario.steps().iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "order 1..5 × Pizza at $9.50 for Ada ${run}, as ada, answered 201",
            "update ada: price $8, status preparing",
            "delete ada",
            "flood 3 at 30/min: 1 × Pizza at $0 for Ada or Bob",
            "flood 1/s to 9/s within 2s, then 50 at once, then a pause of 1s: 1 × Pizza at $0 for Ada",
            r#"settings {"failRate":null,"instances":{"notification-2":{"failRate":0.9}}}"#,
            "rule fraud: `VELOCITY_LIMIT = 5` becomes `VELOCITY_LIMIT = 8`",
            "crash notification-2",
            "add an instance of the notification service",
            "produce 3 records on orders with key poison",
            "redrive the dead letters of this run",
            "ask How many?",
            "repeat 1 step twice",
            "a fast answer",
        ]
    );
}

#[test]
fn the_timeline_tells_when_each_step_begins_at_the_earliest() {
    let steps = r#"name: Timeline
before: { within: 5s }
steps:
  - say: Go
  - flood:
      phases: [{ ramp: { from: 10/s, to: 30/s, for: 2s } }, { pause: 1s }]
      order: { customerName: "Ada ${n}", item: Pizza, quantity: 1, price: 1 }
      meanwhile: [{ pause: 500ms }, { expect: { http: { status: 201 }, within: 4s } }]
  - repeat: { times: 2, steps: [{ say: "Round ${i} of ${run}" }, { pause: 1m }] }
  - name: notified
    expect: { action: NOTIFIED, perOrder: 1, within: 5s }
"#;
    let expected = "   +0:00.0  say Go
   +0:00.0  flood 10/s to 30/s within 2s, then a pause of 1s: 1 × Pizza at $1 for Ada ${n} (40 orders in 3s)
   +0:00.0    pause 500ms
   +0:00.5    expect POST /orders, status 201, within 4s
   +0:03.0  say Round 1 of ${run}
   +0:03.0  pause 1m
   +1:03.0  say Round 2 of ${run}
   +1:03.0  pause 1m
   +2:03.0  notified: expect NOTIFIED: 1 per order, within 5s
at least 2m3s, and at most 2m14.5s if every expectation and question needs all of its time; the answers of the dojo come on top";
    assert_eq!(parse(steps).unwrap().timeline().to_string(), expected);
}

#[test]
fn more_expectations_than_can_be_observed_are_refused() {
    let repeated = |times: u64| {
        parse(&format!(
            "name: Many\nsteps:\n  - order: {{ customerName: Ada, item: Pizza, quantity: 1, price: 1 }}\n  \
             - repeat: {{ times: {times}, steps: [{{ expect: {{ action: RETRY, where: {{ retryCount: \"${{i}}\" }}, none: true }} }}] }}\n"
        ))
    };
    assert!(repeated(64).is_ok());
    assert!(repeated(65).unwrap_err().contains("65 different expectations"), "{:?}", repeated(65));
}

#[test]
fn an_order_that_was_produced_by_hand_can_be_expected() {
    parse("name: By hand\nsteps:\n  - produce: { topic: orders, value: x }\n  - expect: { event: dlq, exactly: 1 }\n")
        .unwrap();
}
