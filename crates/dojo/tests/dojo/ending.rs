//! The ways in which a dojo ends: its reader goes away, or a person presses Ctrl-C once or twice.

use crate::process::{Dojo, Start, send_signal};
use dojo_testbed::until;
use std::process::{Command, Stdio};

/// Whether a process still runs (Linux's `/proc`). A zombie has ended.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

async fn all_end(pids: &[u32]) {
    until("every service to end", async || !pids.iter().any(|pid| runs(*pid))).await;
}

/// Starts a dojo with a service that reacts to nothing but SIGKILL, interrupts it, and waits until another service ends.
async fn interrupted_with_a_frozen_service() -> (Dojo, u32) {
    let dojo = Start::new().ready().await;
    let services = dojo.services();
    let frozen = services["fraud-1"];
    send_signal("-STOP", frozen);
    dojo.signal("-INT");
    until("a service to end", async || services.values().any(|pid| !runs(*pid))).await;
    (dojo, frozen)
}

#[tokio::test]
async fn a_second_ctrl_c_ends_the_dojo_at_once_with_a_frozen_service_in_it() {
    let (mut dojo, frozen) = interrupted_with_a_frozen_service().await;
    dojo.signal("-INT");
    // Without the second signal, the dojo ends in order, with 0, once the frozen service's time is up.
    assert_eq!(dojo.exit_code().await, Some(130));
    all_end(&[frozen]).await;
    until("the reason to be logged", async || dojo.log().contains("a second signal ended the dojo")).await;
}

#[tokio::test]
async fn one_ctrl_c_kills_a_frozen_service_after_its_time_and_ends_the_dojo_in_order() {
    let (mut dojo, frozen) = interrupted_with_a_frozen_service().await;
    assert_eq!(dojo.exit_code().await, Some(0));
    all_end(&[frozen]).await;
}

/// Whether a process handles SIGINT itself (Linux's `/proc`).
fn handles_interrupts(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 2 != 0)
}

#[tokio::test]
async fn one_ctrl_c_ends_a_dojo_that_waits_for_its_kafka() {
    let mut dojo = Command::new(env!("CARGO_BIN_EXE_dojo"))
        .args(["--port", "0", "--kafka-brokers", "127.0.0.1:1"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the dojo to handle signals", async || handles_interrupts(dojo.id())).await;
    send_signal("-INT", dojo.id());
    let mut ended = None;
    until("the dojo to end", async || {
        ended = dojo.try_wait().unwrap();
        ended.is_some()
    })
    .await;
    assert_eq!(ended.unwrap().code(), Some(0), "without the signal it ends later, with an error");
}

/// Places an order, which has three audit lines or more, where the reader has closed standard output after one. Returns
/// the dojo after its end.
async fn ended_after_an_order(start: Start) -> Dojo {
    let mut dojo = start.ready().await;
    let services: Vec<u32> = dojo.services().into_values().collect();
    dojo.placed("Ada", "1").await;
    assert_eq!(dojo.exit_code().await, Some(141), "as if SIGPIPE had ended it");
    all_end(&services).await;
    assert_eq!(dojo.stdout().len(), 1);
    dojo
}

#[tokio::test]
async fn a_reader_of_standard_output_that_goes_away_ends_the_dojo_quietly() {
    let dojo = ended_after_an_order(Start::new().head()).await;
    assert!(!dojo.log().contains("restarting it"), "{}", dojo.log());
}

#[tokio::test]
async fn a_reader_of_all_output_that_goes_away_ends_the_dojo_in_the_same_way() {
    ended_after_an_order(Start::new().head().head_of_log()).await;
}
