//! What a verdict costs: the shipped rules beside the same decisions written in Rust, and what hostile rules cost.
//!
//! `cargo bench -p dojo-rules` prints nanoseconds a call, the best of several rounds, and the ratio. The aim is set by
//! fraud detection, which judges 50,000 orders a second on one thread: well under 20,000 ns.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a bench")]

use dojo_contract::{FraudAlert, OnExhausted, Severity, WindowStats};
use dojo_rules::{
    AttemptFacts, Delivery, EarlierOrder, FraudFacts, FraudRule, NotificationFacts, NotificationRule,
    OrderFacts, OrderHistory, OrdersOf, Rule, SettingsFacts, TimeOfDay,
};
use rust_decimal::Decimal;
use std::{hint::black_box, sync::Arc, time::Instant};

const ROUNDS: usize = 20;
const CALLS: u32 = 5_000;

fn main() {
    let fraud = FraudRule::built_in();
    let notification = NotificationRule::built_in();
    let quiet =
        (order(1), WindowStats { customer_orders_in_window: 1, global_orders_in_window: 1, partial: false });
    let wild = (
        order(20),
        WindowStats { customer_orders_in_window: 6, global_orders_in_window: 21, partial: false },
    );
    let attempt = NotificationFacts {
        order: order(1),
        attempt: AttemptFacts {
            action: "created".to_owned(),
            retry_count: 0,
            instance_id: "notification-1".to_owned(),
            at: TimeOfDay::default(),
        },
        settings: SettingsFacts {
            fail_rate: Decimal::new(3, 1),
            max_retries: 2,
            on_exhausted: OnExhausted::DeadLetter,
            delivery_millis: 0,
        },
    };

    let history: Arc<dyn OrderHistory> = Arc::new(NoHistory);
    for (name, (order, window)) in [("fraud, no alert", &quiet), ("fraud, three alerts", &wild)] {
        let script = nanoseconds(|_| {
            let facts = FraudFacts {
                order: black_box(order).clone(),
                window: *black_box(window),
                history: Arc::clone(&history),
            };
            fraud.judge(facts).unwrap().len()
        });
        let rust = nanoseconds(|_| in_rust(&black_box(order).clone(), black_box(window)).len());
        report(name, script, rust);
    }
    let script = nanoseconds(|seed| {
        usize::from(notification.deliver(black_box(&attempt).clone(), seed).unwrap() == Delivery::Delivered)
    });
    let rust = nanoseconds(|seed| {
        let facts = black_box(&attempt).clone();
        usize::from(Decimal::new((black_box(seed) % 1_000) as i64, 3) >= facts.settings.fail_rate)
    });
    report("notification", script, rust);

    hostile(&attempt);

    let compile = Instant::now();
    black_box(FraudRule::built_in());
    println!("compiling and trying fraud.rhai: {:?}", compile.elapsed());
}

/// Rules that would never end or grow without end. Each hurts only the order with a quantity of 13, because a rule that hurts the sample
/// orders isn't put in force.
const HOSTILE: [(&str, &str); 8] = [
    ("endless loop", "loop {}"),
    ("endless loop that catches its errors", "loop { try { loop {} } catch {} }"),
    ("text that grows", "let s = \"x\"; loop { s += s; }"),
    ("array that grows", "let a = [1]; loop { a += a; }"),
    ("recursion", "fn f(x) { f(x + 1) } f(0)"),
    ("a thousand prints", "for n in 0..1000 { print(n); }"),
    (
        "slow steps on texts",
        "let s = \"\"; s.pad(4096, \"x\"); loop { s.contains(\"xxxxxxxxy\"); s.to_upper(); }",
    ),
    (
        "slow steps on arrays",
        "let a = []; a.pad(256, 1); let b = a; loop { b.dedup(); a.index_of(7); b == a; }",
    ),
];

/// What a hostile rule costs until it ends, beside an evaluation of the shipped rule.
fn hostile(attempt: &NotificationFacts) {
    let shipped = NotificationRule::built_in();
    let ordinary = nanoseconds(|seed| usize::from(shipped.deliver(attempt.clone(), seed).is_ok()));
    let mut attempt = attempt.clone();
    attempt.order.quantity = 13;
    for (name, body) in HOSTILE {
        let (functions, body) =
            body.split_at(body.find("} ").filter(|_| body.starts_with("fn ")).map_or(0, |end| end + 1));
        let source = format!("{functions} if order.quantity == 13 {{ {body} }}");
        let rule = NotificationRule::compile("notification.rhai", &source).unwrap();
        let mut best = f64::INFINITY;
        for seed in 0..ROUNDS as u64 {
            let start = Instant::now();
            let _ = black_box(rule.deliver(attempt.clone(), seed));
            best = best.min(start.elapsed().as_nanos() as f64);
        }
        println!(
            "hostile, {name}: {:.2} ms until it ends, {:.0} times an evaluation",
            best / 1e6,
            best / ordinary
        );
    }
}

/// The shipped fraud rule, in Rust.
fn in_rust(order: &OrderFacts, window: &WindowStats) -> Vec<FraudAlert> {
    let mut alerts = Vec::new();
    let mut alert =
        |kind: &str, severity, reason| alerts.push(FraudAlert { kind: kind.to_owned(), reason, severity });
    if window.customer_orders_in_window > 5 {
        let reason = format!("{} placed {} orders", order.customer_name, window.customer_orders_in_window);
        alert("VELOCITY", Severity::High, reason);
    }
    if window.global_orders_in_window > 20 {
        alert("BURST", Severity::Medium, format!("{} orders in all", window.global_orders_in_window));
    }
    if order.total > Decimal::ONE_HUNDRED {
        alert("AMOUNT", Severity::Low, format!("the order comes to ${}", order.total));
    }
    alerts
}

fn order(quantity: i64) -> OrderFacts {
    let price = Decimal::new(950, 2);
    OrderFacts {
        id: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff".to_owned(),
        customer_name: "Ada Lovelace".to_owned(),
        item: "Pizza Margherita".to_owned(),
        quantity,
        price,
        total: Decimal::from(quantity) * price,
        status: "created".to_owned(),
        placed: TimeOfDay::default(),
    }
}

/// The shipped rule asks for no history.
struct NoHistory;

impl OrderHistory for NoHistory {
    fn orders(&self, _: OrdersOf, _: u32) -> u64 {
        1
    }

    fn total(&self, _: OrdersOf, _: u32) -> Decimal {
        Decimal::ZERO
    }

    fn recent(&self, _: u32) -> Vec<EarlierOrder> {
        Vec::new()
    }
}

/// Time of one call, of the best round.
fn nanoseconds(mut call: impl FnMut(u64) -> usize) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for seed in 0..CALLS {
            black_box(call(u64::from(seed)));
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(CALLS));
    }
    best
}

fn report(name: &str, script: f64, rust: f64) {
    println!("{name}: {script:.0} ns a call, {rust:.0} ns in Rust, {:.0} times as long", script / rust);
}
