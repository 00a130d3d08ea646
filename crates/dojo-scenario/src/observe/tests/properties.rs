//! What is true of every stream.

use super::{Run, audit, id, order_event, unreadable, with_record};
use crate::observe::Tally;
use proptest::prelude::*;
use serde_json::{Value, json};

const EXPECTATIONS: [&str; 6] = [
    "{ action: NOTIFIED, perOrder: 1 }",
    "{ action: RETRY, exactly: 2 }",
    "{ action: [NOTIFIED, RETRY], duplicates: true, atLeast: 1 }",
    "{ action: FRAUD_ALERT, where: { retryCount: 1 }, none: true }",
    "{ event: orders, perOrder: 1, customer: Bob }",
    "{ event: dlq, none: true }",
];

#[derive(Debug, Clone, Copy)]
enum Step {
    Event { order: u128, action: usize, retry: u32, record: i64 },
    Order { order: u128, record: i64 },
    Letter { order: u128, record: i64 },
}

const ACTIONS: [&str; 6] = ["created", "NOTIFIED", "RETRY", "DLQ", "FRAUD_ALERT", "FRAUD_CHECK_PASSED"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4u128, 0..ACTIONS.len(), 0..3u32, 0..3i64)
            .prop_map(|(order, action, retry, record)| Step::Event { order, action, retry, record }),
        1 => (0..4u128, 0..3i64).prop_map(|(order, record)| Step::Order { order, record }),
        1 => (0..4u128, 0..3i64).prop_map(|(order, record)| Step::Letter { order, record }),
    ]
}

/// Plays a step. A record that says something else has another offset; `record` tells repetitions apart.
fn play(run: &mut Run, step: Step) {
    let (name, data) = match step {
        Step::Event { order, action, retry, record } => {
            let offset = record + 10 * (retry as i64 + 3 * (action as i64 + 6 * order as i64));
            ("audit", audit(order, ACTIONS[action], offset, json!({"retryCount": retry})))
        }
        Step::Order { order, record } => {
            let data = order_event(order, "created");
            ("order", with_record(data, "orders", record + 10 * order as i64, json!({})))
        }
        Step::Letter { order, record } => {
            let data = order_event(order, "created");
            ("dlq", with_record(data, "orders-dlq", record + 10 * order as i64, json!({})))
        }
    };
    run.observer.event(name, &data.to_string(), run.now);
}

fn claim(run: &mut Run, order: u128) {
    run.observer.claim(id(order), if order.is_multiple_of(2) { "Ada" } else { "Bob" }, run.now);
}

fn tallies(run: &Run) -> Vec<Option<Tally>> {
    (0..EXPECTATIONS.len()).map(|number| run.observer.tally(number)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_order_of_answers_events_and_repeats_the_counts_are_the_same(
        steps in prop::collection::vec(step(), 0..40).prop_flat_map(|steps| (Just(steps.clone()), Just(steps).prop_shuffle())),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        answers in prop::sample::subsequence(vec![0u128, 1, 2, 3], 0..=4),
        at in prop::collection::vec(0usize..40, 4),
    ) {
        let (steps, shuffled) = steps;
        let mut answers_first = Run::new(&EXPECTATIONS);
        answers.iter().for_each(|order| claim(&mut answers_first, *order));
        steps.iter().for_each(|step| play(&mut answers_first, *step));
        let mut mixed = Run::new(&EXPECTATIONS);
        let repeats = again.iter().filter(|_| !steps.is_empty()).map(|index| *index.get(&steps));
        for (number, step) in shuffled.iter().copied().chain(repeats).enumerate() {
            for (order, _) in answers.iter().zip(&at).filter(|(_, at)| **at == number) {
                claim(&mut mixed, *order);
            }
            play(&mut mixed, step);
        }
        answers.iter().for_each(|order| claim(&mut mixed, *order));
        prop_assert_eq!(tallies(&mixed), tallies(&answers_first));
        prop_assert_eq!(mixed.observer.dead_letter_offsets(), answers_first.observer.dead_letter_offsets());
    }

    #[test]
    fn counts_that_are_kept_up_to_date_are_those_of_counting_at_the_end(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut run = Run::new(&EXPECTATIONS);
        (0..4).for_each(|order| claim(&mut run, order));
        steps.iter().for_each(|step| play(&mut run, *step));
        let distinct = |order: u128, action: usize| {
            let of = steps.iter().filter_map(move |step| match step {
                Step::Event { order: o, action: a, retry, .. } if (*o, *a) == (order, action) => Some(*retry),
                _ => None,
            });
            of.collect::<std::collections::BTreeSet<_>>().len() as u64
        };
        let notified: Vec<_> = (0..4).map(|order| distinct(order, 1)).collect();
        let tally = run.observer.tally(0).unwrap();
        prop_assert_eq!(tally.seen, notified.iter().sum::<u64>());
        prop_assert_eq!(tally.fitting, notified.iter().filter(|n| **n == 1).count() as u64);
        prop_assert_eq!(run.observer.tally(1).unwrap().seen, (0..4).map(|order| distinct(order, 2)).sum::<u64>());
    }

    #[test]
    fn eviction_changes_no_verdict(
        outcomes in prop::collection::vec((0..4usize, prop::bool::ANY), 1..30), capacity in 1usize..5,
    ) {
        let expectations = [
            "{ action: NOTIFIED, perOrder: 1 }", "{ action: NOTIFIED, exactly: 5 }", "{ event: dlq, atLeast: 2 }",
            "{ action: FRAUD_ALERT, none: true }", "{ inOrder: [created, NOTIFIED] }",
        ];
        let mut all = Run::new(&expectations);
        let mut few = Run::new(&expectations);
        few.observer = few.observer.with_capacity(capacity);
        for run in [&mut all, &mut few] {
            for (order, (end, alert)) in outcomes.iter().enumerate() {
                let order = order as u128;
                run.claim([order]).record("order", order_event(order, "created"), json!({}));
                run.say(order, &["created", if *alert { "FRAUD_ALERT" } else { "FRAUD_CHECK_PASSED" }]);
                match end {
                    0 => run.say(order, &["DLQ"]).record("dlq", order_event(order, "created"), json!({})),
                    1 => run.say(order, &["DROPPED"]),
                    _ => run.say(order, &["NOTIFIED"]),
                };
            }
        }
        prop_assert_eq!(few.observer.overflow(), None);
        for number in 0..expectations.len() {
            prop_assert_eq!(few.observer.tally(number), all.observer.tally(number));
            prop_assert_eq!(few.observer.judge(number, false), all.observer.judge(number, false));
        }
    }

    #[test]
    fn no_event_panics(name in "audit|dlq|order|status|", data in any_json(), partition: i32, offset: i64) {
        let mut run = Run::with("always: { settled: 0s, notified: once, ruleErrors: none, offsets: forward }", &EXPECTATIONS);
        (0..4).for_each(|order| claim(&mut run, order));
        let mut data = data;
        for with_place in [false, true] {
            if with_place && let Value::Object(data) = &mut data {
                data.insert("record".to_owned(), json!({"partition": partition, "offset": offset}));
            }
            run.observer.event(&name, &data.to_string(), run.now);
            let text = data.to_string();
            let half: String = text.chars().take(text.len() / 2).collect();
            run.observer.event(&name, &half, run.now);
            run.observer.status(&data);
            run.observer.rebalances(&data);
            run.observer.committed(&data, run.now);
        }
        run.after(1);
        (0..EXPECTATIONS.len()).for_each(|number| {
            drop((run.judge(number), run.observer.evidence(number, true), run.observer.evidence(number, false)))
        });
        let _ = run.breaches();
    }
}

/// Events of which some members have another value.
fn any_json() -> impl Strategy<Value = Value> {
    let bases = vec![
        audit(1, "NOTIFIED", 0, json!({"retryCount": 1})),
        order_event(1, "created"),
        unreadable(),
        json!({"topics": [{"name": "orders", "groups": [{"group": "g", "partitions": [{"partition": 0}]}]}]}),
        json!({"since": "a", "rebalances": [{"id": 1, "group": "g"}]}),
    ];
    let values = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~ä]{0,8}".prop_map(Value::from),
        Just(json!([{}, [1]])),
        Just(
            json!({"partition": -1, "offset": i64::MAX, "headers": {"retryCount": "99999", "dojo-run": "r1"}})
        ),
    ];
    let names = vec![
        "action",
        "orderId",
        "retryCount",
        "alerts",
        "record",
        "order",
        "partition",
        "offset",
        "unreadable",
        "topics",
    ];
    let changes = prop::collection::vec((prop::sample::select(names), values), 0..4);
    (prop::sample::select(bases), changes).prop_map(|(mut base, changes)| {
        changes.into_iter().for_each(|(name, value)| base[name] = value);
        base
    })
}
