//! All tests run on a paused clock, which jumps to the next timer whenever nothing else is to do.

use super::*;
use crate::load::{Cause, FigureRow, Shortfall};
use dojo_scenario::schedule::{Length, Phase};
use std::cell::Cell;
use tokio::time::{advance, sleep};

const MILLISECOND: Duration = Duration::from_millis(1);

fn steady(rate: f64, orders: u64) -> Schedule {
    Schedule::new(&[Phase::Steady { rate, length: Length::Orders(orders) }]).unwrap()
}

/// Sends to a dojo that answers each order after `answer_after`, given the time of the order.
async fn sent(
    schedule: &Schedule,
    answer_after: impl Fn(Duration) -> Duration,
) -> Result<LoadReport, RunError> {
    let start = Instant::now();
    let place = |_, _| {
        let wait = answer_after(start.elapsed());
        async move {
            sleep(wait).await;
            Ok(())
        }
    };
    send_here(schedule, place, |_| (), figures(schedule), &CancellationToken::new()).await
}

fn figures(schedule: &Schedule) -> Figures {
    Figures::new(schedule).unwrap()
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Answers at once, except from second 4.2 to second 7.2.
fn stands_still(at: Duration) -> Duration {
    let still = seconds(4.2)..seconds(7.2);
    if still.contains(&at) { still.end - at } else { MILLISECOND }
}

fn shortfall(report: Result<LoadReport, RunError>) -> Shortfall {
    match report {
        Err(RunError::RateNotHeld(shortfall)) => *shortfall,
        other => panic!("the rate was held: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn latency_is_measured_from_the_time_at_which_an_order_was_due() {
    let report = sent(&steady(200.0, 2_000), stands_still).await.unwrap();
    assert_eq!(report.accepted, 2_000);
    for rate in [report.asked_rate, report.held_rate] {
        assert!((rate.unwrap() - 200.0).abs() < 0.1, "{report}");
    }
    // 600 of 2,000 orders wait for up to 3 s: a fifth of them longer than 2.4 s.
    assert!(report.p50() <= 3 * MILLISECOND, "{report}");
    assert!(
        report.p90() > seconds(1.9) && report.p99() > seconds(2.8) && report.max() > seconds(2.9),
        "{report}"
    );
    assert!(
        report
            .to_string()
            .ends_with("; nothing was answered for 3.0 s (from 4.2 s to 7.2 s after the start)"),
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dojo_that_stands_still_until_no_request_can_be_added_is_the_cause() {
    let shortfall = shortfall(sent(&steady(1_000.0, 10_000), stands_still).await);
    let Cause::Silence { silence, in_flight: MAX_IN_FLIGHT } = &shortfall.cause else {
        panic!("{shortfall}")
    };
    assert_eq!(silence.to_string(), "nothing was answered for 3.0 s (from 4.2 s to 7.2 s after the start)");
    // 1,024 of 3,000 orders were in flight, and the next one waited for almost 2 s.
    assert!((1_400..1_500).contains(&shortfall.late), "{shortfall}");
    assert!(shortfall.latest.abs_diff(seconds(1.98)) < seconds(0.02), "{shortfall}");
}

#[tokio::test(start_paused = true)]
async fn a_dojo_that_answers_too_slowly_is_the_cause() {
    // At most 512 a second are answered.
    let shortfall = shortfall(sent(&steady(1_000.0, 10_000), |_| seconds(2.0)).await);
    assert_eq!(shortfall.cause, Cause::SlowAnswers { in_flight: MAX_IN_FLIGHT }, "{shortfall}");
    assert!(shortfall.held.unwrap() < 600.0, "{shortfall}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_does_not_run_is_the_cause_and_not_the_dojo() {
    let place = |n, _| async move {
        sleep(MILLISECOND).await;
        if n == 1_000 {
            // The clock goes on, and the sender doesn't.
            advance(seconds(4.0)).await;
        }
        Ok(())
    };
    let schedule = steady(1_000.0, 10_000);
    let shortfall =
        shortfall(send_here(&schedule, place, |_| (), figures(&schedule), &CancellationToken::new()).await);
    let Cause::ThisMachine { late, did_not_run: Some(interval), .. } = &shortfall.cause else {
        panic!("{shortfall}")
    };
    assert!(*late > 3_000 && interval.length().abs_diff(seconds(4.0)) < seconds(0.1), "{shortfall}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_far_behind_its_schedule_ends_early() {
    let start = Instant::now();
    let shortfall = shortfall(sent(&steady(1_000.0, 600_000), |_| seconds(14.0)).await);
    assert!(start.elapsed() < seconds(60.0), "{shortfall}");
    assert!(shortfall.late > 500_000, "{shortfall}");
}

#[tokio::test(start_paused = true)]
async fn the_first_refusal_ends_the_sending() {
    let highest = Cell::new(0);
    let place = |n, _| {
        highest.set(n);
        async move {
            sleep(10 * MILLISECOND).await;
            if n >= 100 { Err(RunError::EventsMissed("as the test asks")) } else { Ok(()) }
        }
    };
    let schedule = steady(1_000.0, 10_000);
    let figures = figures(&schedule);
    let stop = CancellationToken::new();
    let ended = send_here(&schedule, place, |_| (), figures.clone(), &stop).await;
    let rows = figures.rows();
    let Err(RunError::OrdersFailed { failed, sent, first, silence: None, .. }) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(
        (*first, sent, failed),
        (RunError::EventsMissed("as the test asks"), highest.get(), sent - 99)
    );
    assert!(sent < 120, "{sent}");
    // The figures up to the failure are there.
    let sum = |figure: fn(&FigureRow) -> u64| rows.iter().map(figure).sum::<u64>();
    assert_eq!((sum(|row| row.sent), sum(|row| row.accepted), sum(|row| row.failed)), (sent, 99, failed));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_silence_names_the_silence() {
    let place = |n, _| async move {
        sleep(if n < 100 { MILLISECOND } else { seconds(3.0) }).await;
        if n == 100 { Err(RunError::EventsMissed("as the test asks")) } else { Ok(()) }
    };
    let schedule = steady(100.0, 1_000);
    let ended = send_here(&schedule, place, |_| (), figures(&schedule), &CancellationToken::new()).await;
    let said = ended.unwrap_err().to_string();
    assert!(
        said.contains("; nothing was answered for 3.0 s (from 1.0 s to 4.0 s after the start)"),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_flood_ends_at_once() {
    let (start, stop) = (Instant::now(), CancellationToken::new());
    let place = |n, _| {
        if n == 10 {
            stop.cancel();
        }
        async move {
            sleep(seconds(10.0)).await;
            Ok(())
        }
    };
    let schedule = steady(10.0, 100);
    let ended = send_here(&schedule, place, |_| (), figures(&schedule), &stop).await;
    assert!(matches!(ended, Err(RunError::Interrupted)), "{ended:?}");
    assert!(start.elapsed() < seconds(1.1));
}

#[tokio::test(start_paused = true)]
async fn those_who_watch_see_the_counts_and_a_silence_while_it_lasts() {
    let mut texts = Vec::new();
    let place = |_, _| async {
        sleep(seconds(2.5)).await;
        Ok(())
    };
    let report = |moment: &FloodProgress| texts.push(moment.to_string());
    let schedule = steady(10.0, 10);
    send_here(&schedule, place, report, figures(&schedule), &CancellationToken::new()).await.unwrap();
    assert_eq!(texts.first().unwrap(), "1 of 10 sent, 0 accepted");
    assert!(texts.contains(&"10 of 10 sent, 0 accepted, nothing answered for 2.4 s".to_owned()), "{texts:?}");
}
