//! What the check of a draft costs: the largest drafts, beside rhai's parser alone.
//!
//! `cargo bench -p dojo-rules --bench drafts` prints milliseconds, the best of several rounds, and the ratio. The page checks a draft while
//! it is typed, so the aim is 300 ms.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a bench")]

use dojo_rules::{MAX_SOURCE, RuleKind};
use rhai::Engine;
use std::{hint::black_box, time::Instant};

const ROUNDS: usize = 5;

fn main() {
    for (what, line) in [
        ("comments", "// The last line is the answer: an array of alerts.\n"),
        (
            "conditions",
            "if order.total > 9999999.0 { alerts.push(alert(\"LARGE\", \"LOW\", order.item)); }\n",
        ),
        ("variables", "let total = order.total;\n"),
        ("an unknown variable", "totl;\n"),
        ("an unknown property", "order.totl;\n"),
        ("open brackets", "(("),
    ] {
        let (first, last) = ("let alerts = [];\n", "alerts\n");
        let lines = line.repeat((MAX_SOURCE - first.len() - last.len()) / line.len());
        let source = format!("{first}{lines}{last}");
        let mut result = "";
        let check = milliseconds(|| {
            let checked = RuleKind::Fraud.check("fraud.rhai", black_box(&source));
            result = if checked.is_ok() { "a rule" } else { "a mistake" };
        });
        let engine = Engine::new_raw();
        let parse = milliseconds(|| drop(black_box(engine.compile(black_box(&source)))));
        println!(
            "{} KiB of {what} ({result}): {check:.0} ms, {parse:.0} ms for the parser, {:.1} times as long",
            source.len() / 1024,
            check / parse
        );
    }
}

/// Time of one call, of the best round.
fn milliseconds(mut call: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        call();
        best = best.min(start.elapsed().as_secs_f64() * 1_000.0);
    }
    best
}
