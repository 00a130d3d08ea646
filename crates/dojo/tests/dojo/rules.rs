//! Rules are edited live.

use crate::process::{Dojo, Start};
use dojo_testbed::eventually;
use serde_json::Value;
use std::path::Path;

/// As an editor saves: a new file beside it, then renamed over it.
pub fn save(rules: &Path, file: &str, source: &str) {
    let beside = rules.join(format!(".{file}.new"));
    std::fs::write(&beside, source).unwrap();
    std::fs::rename(beside, rules.join(file)).unwrap();
}

async fn fraud(dojo: &Dojo) -> Value {
    let instances = dojo.get("/instances").await;
    instances.as_array().unwrap().iter().find(|i| i["instanceId"] == "fraud-1").unwrap().clone()
}

async fn fraud_becomes(dojo: &Dojo, what: &str, is: impl Fn(&Value) -> bool) {
    eventually(what, async || {
        let fraud = fraud(dojo).await;
        if is(&fraud) { Ok(()) } else { Err(fraud) }
    })
    .await;
}

#[tokio::test]
async fn raising_the_threshold_while_it_runs_makes_the_lesson_fail() {
    let dojo = Start::new().ready().await;
    let (code, said) = dojo.play("fraud-spam").await;
    assert_eq!(code, 0, "{said}");

    let source = std::fs::read_to_string(dojo.rules.join("fraud.rhai")).unwrap();
    let raised = source.replace("const VELOCITY_LIMIT = 5;", "const VELOCITY_LIMIT = 5000;");
    assert_ne!(raised, source, "the rule has its threshold as a constant on top");
    let before = fraud(&dojo).await["ruleVersion"].clone();
    save(&dojo.rules, "fraud.rhai", &raised);
    fraud_becomes(&dojo, "the new version in force", |f| f["ruleVersion"] != before).await;

    let (code, said) = dojo.play("fraud-spam").await;
    assert_eq!(code, 4, "{said}");
}

#[tokio::test]
async fn a_broken_rule_leaves_the_last_good_one_in_force_and_says_where() {
    let dojo = Start::new().ready().await;
    let good = std::fs::read_to_string(dojo.rules.join("fraud.rhai")).unwrap();
    let version = fraud(&dojo).await["ruleVersion"].clone();
    save(&dojo.rules, "fraud.rhai", "let alerts = [];\nalerts.push(;\n");
    fraud_becomes(&dojo, "the error", |f| {
        f["ruleError"].as_str().is_some_and(|e| e.contains("fraud.rhai:2:"))
    })
    .await;
    assert_eq!(fraud(&dojo).await["ruleVersion"], version);
    assert!(dojo.log().contains("fraud.rhai:2:"), "{}", dojo.log());
    let (code, said) = dojo.play("fraud-spam").await;
    assert_eq!(code, 0, "{said}");

    save(&dojo.rules, "fraud.rhai", &good);
    fraud_becomes(&dojo, "the error to go", |f| f["ruleError"].is_null()).await;
}

#[tokio::test]
async fn a_rule_with_an_endless_loop_is_a_rule_error_and_stalls_nobody() {
    let dojo = Start::new().ready().await;
    let before = fraud(&dojo).await["ruleVersion"].clone();
    // Not taken on the facts that a rule is tried on, so that it is found only by an order.
    save(&dojo.rules, "fraud.rhai", "if order.customerName == \"Sisyphus\" { loop { } }\n[]\n");
    fraud_becomes(&dojo, "the new version in force", |f| f["ruleVersion"] != before).await;
    let events = dojo.events().await;
    let stuck = dojo.placed("Sisyphus", "1").await;
    let next = dojo.placed("Ada", "1").await;
    let reason = events
        .audit_until("a rule error, and the next order's verdict", |audit| {
            let of = |id: &str, action| audit.iter().find(|e| e["orderId"] == id && e["action"] == action);
            of(&next, "FRAUD_CHECK_PASSED")?;
            of(&stuck, "RULE_ERROR")?["reason"].as_str().map(str::to_owned)
        })
        .await;
    assert!(reason.contains("fraud.rhai:1:"), "{reason}");
}

#[tokio::test]
async fn without_a_rules_folder_the_built_in_rules_hold_until_it_appears() {
    let dojo = Start::new().without_rules().ready().await;
    fraud_becomes(&dojo, "the missing file to be said", |f| f["ruleError"].is_string()).await;
    let (code, said) = dojo.play("fraud-spam").await;
    assert_eq!(code, 0, "{said}");
    std::fs::create_dir(&dojo.rules).unwrap();
    save(&dojo.rules, "fraud.rhai", "[]\n");
    fraud_becomes(&dojo, "the file in force", |f| f["ruleError"].is_null()).await;
    let (code, said) = dojo.play("fraud-spam").await;
    assert_eq!(code, 4, "{said}");
}
