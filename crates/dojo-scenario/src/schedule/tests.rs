use super::*;
use proptest::prelude::*;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn steady(rate: f64, lasts: f64) -> Phase {
    Phase::Steady { rate, length: Length::Lasts(seconds(lasts)) }
}

fn due(phases: &[Phase]) -> Vec<u128> {
    let schedule = Schedule::new(phases).unwrap();
    (0..schedule.orders()).map(|index| schedule.due(index).as_millis()).collect()
}

#[test]
fn a_steady_phase_has_equal_gaps() {
    let five = Phase::Steady { rate: 20.0, length: Length::Orders(5) };
    assert_eq!(due(&[five]), [0, 50, 100, 150, 200]);
    assert_eq!(due(&[steady(20.0, 0.25)]), [0, 50, 100, 150, 200]);
}

#[test]
fn a_ramp_gets_faster_evenly() {
    // From 0 to 10/s in 2 s: order n is due after the square root of 0.4 n.
    let ramp = Phase::Ramp { from: 0.0, to: 10.0, lasts: seconds(2.0) };
    assert_eq!(due(&[ramp]), [0, 632, 894, 1095, 1264, 1414, 1549, 1673, 1788, 1897]);
    let down = Phase::Ramp { from: 10.0, to: 0.0, lasts: seconds(2.0) };
    assert_eq!(due(&[down]), [0, 102, 211, 326, 450, 585, 735, 904, 1105, 1367]);
}

#[test]
fn the_orders_of_a_spike_are_due_at_one_moment() {
    let phases =
        [steady(10.0, 0.3), Phase::Pause(seconds(1.0)), Phase::Spike { orders: 3 }, steady(10.0, 0.2)];
    assert_eq!(due(&phases), [0, 100, 200, 1300, 1300, 1300, 1300, 1400]);
}

#[test]
fn a_pause_before_the_first_order_counts() {
    assert_eq!(due(&[Phase::Pause(seconds(2.0)), Phase::Spike { orders: 1 }]), [2000]);
}

#[test]
fn half_an_order_is_passed_on_to_the_next_phase() {
    // Half an order a phase: ten phases have five orders.
    assert_eq!(due(&[steady(0.5, 1.0); 10]), [0, 2000, 4000, 6000, 8000]);
    // In floating point, 0.1 + 0.1 + 0.1 is more than 0.3.
    assert_eq!(due(&[steady(0.1, 10.0); 3]).len(), 3);
}

#[test]
fn the_last_order_of_a_long_schedule_is_as_exact_as_the_first() {
    let schedule = Schedule::new(&[steady(3_000.0, 600.0)]).unwrap();
    assert_eq!(schedule.orders(), 1_800_000);
    assert_eq!(schedule.due(1_799_997), Duration::from_millis(599_999));
}

#[test]
fn the_average_rate_is_that_of_the_gaps() {
    let rate = |phases: &[Phase]| Schedule::new(phases).unwrap().average_rate();
    assert_eq!(rate(&[Phase::Steady { rate: 40.0, length: Length::Orders(1) }]), Some(40.0));
    assert_eq!(rate(&[Phase::Steady { rate: 40.0, length: Length::Orders(81) }]), Some(40.0));
    assert_eq!(rate(&[Phase::Spike { orders: 81 }]), None);
}

#[test]
fn a_schedule_outside_the_limits_is_refused() {
    let refused = |phases: &[Phase]| Schedule::new(phases).unwrap_err();
    assert_eq!(refused(&[]), ScheduleError::Empty);
    assert_eq!(refused(&[Phase::Pause(seconds(1.0))]), ScheduleError::Empty);
    assert_eq!(refused(&[steady(0.0, 1.0)]), ScheduleError::Rate(0.0));
    assert!(matches!(refused(&[steady(f64::NAN, 1.0)]), ScheduleError::Rate(_)));
    assert_eq!(refused(&[steady(10_000.5, 1.0)]), ScheduleError::Rate(10_000.5));
    assert_eq!(
        refused(&[Phase::Ramp { from: -1.0, to: 5.0, lasts: seconds(1.0) }]),
        ScheduleError::Rate(-1.0)
    );
    assert!(matches!(
        refused(&[Phase::Ramp { from: f64::NAN, to: 5.0, lasts: seconds(1.0) }]),
        ScheduleError::Rate(_)
    ));
    assert_eq!(refused(&[steady(10_000.0, 600.0)]), ScheduleError::TooManyOrders(6_000_000));
    assert!(matches!(refused(&[Phase::Spike { orders: u64::MAX }]), ScheduleError::TooManyOrders(_)));
    let too_long = refused(&[steady(1.0, 600.0), Phase::Pause(seconds(61.0))]);
    assert_eq!(too_long.to_string(), "the schedule lasts 661 s; the longest lasts 660 s");
    assert!(matches!(
        refused(&[Phase::Pause(Duration::MAX), Phase::Spike { orders: 1 }]),
        ScheduleError::TooLong(_)
    ));
}

fn any_phase() -> impl Strategy<Value = Phase> {
    let rate = 0.02..1_000.0f64;
    let lasts = (0u64..10_000).prop_map(Duration::from_millis);
    prop_oneof![
        (rate.clone(), lasts.clone())
            .prop_map(|(rate, lasts)| Phase::Steady { rate, length: Length::Lasts(lasts) }),
        (10.0..1_000.0f64, 0u64..5_000)
            .prop_map(|(rate, n)| Phase::Steady { rate, length: Length::Orders(n) }),
        (rate.clone(), rate, lasts.clone()).prop_map(|(from, to, lasts)| Phase::Ramp { from, to, lasts }),
        (0.02..1_000.0f64, lasts.clone()).prop_map(|(to, lasts)| Phase::Ramp { from: 0.0, to, lasts }),
        (0.02..1_000.0f64, lasts.clone()).prop_map(|(from, lasts)| Phase::Ramp { from, to: 0.0, lasts }),
        (0u64..1_000).prop_map(|orders| Phase::Spike { orders }),
        lasts.prop_map(Phase::Pause),
    ]
}

/// The orders due until `at`: an integral that knows nothing of quadratic equations.
fn integral(phases: &[Phase], at: f64) -> f64 {
    let (mut begins, mut orders) = (0.0, 0.0);
    for phase in phases {
        if begins > at {
            break;
        }
        let (from, to, lasts, whole) = phase.curve().unwrap();
        let inside = (at - begins).clamp(0.0, lasts);
        orders += match lasts > 0.0 {
            true => (from + (from + (to - from) * inside / lasts)) / 2.0 * inside,
            false => whole,
        };
        begins += lasts;
    }
    orders
}

proptest! {
    #[test]
    fn due_times_never_go_backwards(phases in prop::collection::vec(any_phase(), 1..8)) {
        let Ok(schedule) = Schedule::new(&phases) else { return Ok(()) };
        let mut before = Duration::ZERO;
        for index in 0..schedule.orders() {
            let due = schedule.due(index);
            prop_assert!(before <= due && due <= schedule.lasts(), "{index}: {before:?}, {due:?}");
            before = due;
        }
        prop_assert_eq!(schedule.due(schedule.orders()), schedule.lasts());
    }

    #[test]
    fn as_many_orders_are_due_as_the_integral_of_the_rate(
        phases in prop::collection::vec(any_phase(), 1..8), share in 0.0..=1.0f64,
    ) {
        let Ok(schedule) = Schedule::new(&phases) else { return Ok(()) };
        let whole = integral(&phases, f64::INFINITY);
        prop_assert!((schedule.orders() as f64 - whole).abs() < 1.0 + 1e-3, "{} of {whole}", schedule.orders());
        let index = (share * (schedule.orders() - 1) as f64) as u64;
        let due = schedule.due(index).as_secs_f64();
        // Just before it is due, the curve has not passed the order; just after, it has.
        prop_assert!(integral(&phases, due - 1e-6) <= index as f64 + 2e-3);
        prop_assert!(integral(&phases, due + 1e-6) >= index as f64 - 2e-3);
    }
}
