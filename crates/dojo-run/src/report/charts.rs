//! The charts of a flood as points in a drawing: orders per second, and latencies. Pure.
//!
//! A chart has a point for each interval, and a flood has at most 400 of them.

use super::data::{Flood, Interval, Millis};
use serde::Serialize;
use std::fmt::Write;

/// Size of the drawing, and the part of it that has the curves. The page scales it to the width of its column.
const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 210.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 430.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 172.0;
/// Most numbers at an axis.
const MOST_TICKS: f64 = 6.0;

/// A chart.
#[derive(Debug, Serialize)]
pub struct Chart {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    /// The unit of the upright axis.
    unit: &'static str,
    /// What the chart shows, for those who can't see it.
    summary: String,
    across: Vec<Tick>,
    up: Vec<Tick>,
    curves: Vec<Curve>,
}

/// A number at an axis.
#[derive(Debug, Serialize)]
pub struct Tick {
    /// Where it stands, in the drawing or in percent.
    pub at: f64,
    pub label: String,
}

/// A curve.
#[derive(Debug, Serialize)]
struct Curve {
    name: &'static str,
    /// An SVG path.
    path: String,
}

/// Returns the chart of the orders that were sent, accepted and not accepted, per second.
pub fn throughput(flood: &Flood) -> Option<Chart> {
    let intervals = &flood.intervals[..];
    let rate = |interval: &Interval, orders: u64| orders as f64 * 1_000.0 / interval.millis.max(1) as f64;
    let highest = intervals.iter().map(|one| rate(one, one.sent.max(one.accepted).max(one.failed)));
    let highest = highest.fold(0.0, f64::max);
    if highest <= 0.0 {
        return None;
    }
    let across = Across::of(intervals)?;
    let step = nice_step(highest);
    let top = (highest / step).ceil() * step;
    let up = |rate: f64| BOTTOM - rate / top * (BOTTOM - TOP);
    let stairs = |orders: fn(&Interval) -> u64| {
        let mut path = format!("M{LEFT:.1} {BOTTOM:.1}");
        for one in intervals {
            let (from, to) = (across.x(one.from_millis), across.x(one.from_millis + one.millis));
            let y = up(rate(one, orders(one)));
            let _ = write!(path, "L{from:.1} {y:.1}L{to:.1} {y:.1}");
        }
        let _ = write!(path, "L{:.1} {BOTTOM:.1}", across.x(across.end));
        path
    };
    let mut curves = vec![
        Curve { name: "sent", path: stairs(|one| one.sent) },
        Curve { name: "accepted", path: stairs(|one| one.accepted) },
    ];
    if flood.failed > 0 {
        curves.push(Curve { name: "not accepted", path: stairs(|one| one.failed) });
    }
    let labels = (0..).map(|n| f64::from(n) * step).take_while(|rate| *rate <= top + step / 2.0);
    let failed = if flood.failed > 0 { format!(", {} not accepted", flood.failed) } else { String::new() };
    Some(Chart {
        unit: "orders/s",
        summary: format!(
            "Orders per second over time, at most {highest:.0}: {} sent, {} accepted{failed}",
            flood.sent, flood.accepted
        ),
        up: labels.map(|rate| Tick { at: up(rate), label: number(rate) }).collect(),
        curves,
        ..Chart::empty(&across)
    })
}

/// Returns the chart of the latencies over time. Its axis is logarithmic, because a median of milliseconds and a longest of seconds are
/// both worth seeing.
pub fn latency(flood: &Flood) -> Option<Chart> {
    let intervals = &flood.intervals[..];
    let across = Across::of(intervals)?;
    let measured = || intervals.iter().filter_map(|one| one.latency);
    let lowest = measured().map(|latency| latency.p50).fold(f64::INFINITY, f64::min);
    let highest = measured().map(|latency| latency.max).fold(0.0, f64::max);
    if !lowest.is_finite() {
        return None;
    }
    // At least a decade, so that a quiet dojo doesn't look restless.
    let first = lowest.max(0.01).log10().floor();
    let last = highest.max(0.01).log10().ceil().max(first + 1.0);
    let up = |millis: f64| BOTTOM - (millis.max(0.01).log10() - first) / (last - first) * (BOTTOM - TOP);
    let line = |of: fn(&Millis) -> f64| {
        let (mut path, mut connected) = (String::new(), false);
        for one in intervals {
            let Some(latency) = &one.latency else {
                connected = false;
                continue;
            };
            let (x, y) = (across.x(one.from_millis + one.millis / 2), up(of(latency)));
            // A line to itself is a dot, for an interval between two without answers.
            let _ = if connected { write!(path, "L{x:.1} {y:.1}") } else { write!(path, "M{x:.1} {y:.1}h0") };
            connected = true;
        }
        path
    };
    let factors: &[f64] = if last - first <= 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let decades = (0..=(last - first) as i32).map(|n| 10_f64.powf(first + f64::from(n)));
    let labels = decades.flat_map(|decade| factors.iter().map(move |factor| decade * factor));
    let labels = labels.filter(|millis| *millis <= 10_f64.powf(last) * 1.001);
    Some(Chart {
        unit: "latency",
        summary: format!(
            "Latency of the accepted orders over time: the median is at least {}, the longest {}",
            time(lowest),
            time(highest)
        ),
        up: labels.map(|millis| Tick { at: up(millis), label: time(millis) }).collect(),
        curves: vec![
            Curve { name: "p50", path: line(|latency| latency.p50) },
            Curve { name: "p90", path: line(|latency| latency.p90) },
            Curve { name: "p99", path: line(|latency| latency.p99) },
            Curve { name: "max", path: line(|latency| latency.max) },
        ],
        ..Chart::empty(&across)
    })
}

impl Chart {
    fn empty(across: &Across) -> Self {
        let across = ticks(across.end, MOST_TICKS).into_iter();
        Self {
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            right: RIGHT,
            top: TOP,
            bottom: BOTTOM,
            unit: "",
            summary: String::new(),
            across: across.map(|Tick { at, label }| Tick { at: LEFT + at * (RIGHT - LEFT), label }).collect(),
            up: Vec::new(),
            curves: Vec::new(),
        }
    }
}

/// The time axis of a flood.
struct Across {
    end: u64,
}

impl Across {
    fn of(intervals: &[Interval]) -> Option<Self> {
        let last = intervals.last()?;
        Some(Self { end: (last.from_millis + last.millis).max(1) })
    }

    fn x(&self, millis: u64) -> f64 {
        LEFT + millis as f64 / self.end as f64 * (RIGHT - LEFT)
    }
}

/// Returns round times up to `end` in milliseconds; `at` is their share of it.
pub fn ticks(end: u64, most: f64) -> Vec<Tick> {
    let end = end.max(1) as f64;
    let step = nice_step_of(end, most);
    let times = (0..).map(|n| f64::from(n) * step).take_while(|millis| *millis <= end);
    times.map(|millis| Tick { at: millis / end, label: format!("{} s", number(millis / 1_000.0)) }).collect()
}

/// Returns a step of 1, 2 or 5 times a power of ten, which divides `length` into at most a few parts.
fn nice_step(length: f64) -> f64 {
    nice_step_of(length, MOST_TICKS)
}

fn nice_step_of(length: f64, most: f64) -> f64 {
    let raw = length / most;
    let decade = 10_f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * decade >= raw * 0.999).unwrap_or(10.0);
    factor * decade
}

/// Writes a number with as many decimals as it needs, at most two.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Writes a time given in milliseconds: `0.5 ms`, `20 ms`, `1.5 s`.
pub fn time(millis: f64) -> String {
    match millis {
        ..10.0 => format!("{} ms", number(millis)),
        10.0..1_000.0 => format!("{millis:.0} ms"),
        _ => format!("{} s", number((millis / 10.0).round() / 100.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flood(intervals: u64) -> Flood {
        let latency = |n| Millis { p50: 1.0, p90: 2.0, p99: 20.0 + n as f64, max: 1_500.0 };
        let interval = |n| Interval {
            from_millis: n * 1_000,
            millis: 1_000,
            sent: 300,
            accepted: if n == 1 { 0 } else { 300 },
            failed: 0,
            latency: (n != 1).then(|| latency(n)),
        };
        Flood {
            step: 1,
            sent: 300 * intervals,
            accepted: 300 * intervals,
            failed: 0,
            asked_rate: None,
            held_rate: None,
            latency: None,
            silence: None,
            intervals: (0..intervals).map(interval).collect(),
        }
    }

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn the_axes_have_round_numbers_and_contain_every_point() {
        let chart = throughput(&flood(12)).unwrap();
        assert_eq!(labels(&chart.up), ["0", "50", "100", "150", "200", "250", "300"]);
        assert_eq!(labels(&chart.across), ["0 s", "2 s", "4 s", "6 s", "8 s", "10 s", "12 s"]);
        let chart = latency(&flood(12)).unwrap();
        assert_eq!(labels(&chart.up), ["1 ms", "10 ms", "100 ms", "1 s", "10 s"]);
    }

    #[test]
    fn a_time_without_answers_is_a_gap() {
        let chart = latency(&flood(4)).unwrap();
        assert!(chart.curves.iter().all(|curve| curve.path.matches('M').count() == 2), "{chart:?}");
    }

    #[test]
    fn a_flood_without_orders_or_answers_has_no_chart() {
        assert!(throughput(&flood(0)).is_none() && latency(&flood(0)).is_none());
        let mut unanswered = flood(1);
        unanswered.intervals[0].latency = None;
        assert!(throughput(&unanswered).is_some() && latency(&unanswered).is_none());
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.25, 3.0, 12.4, 1_540.0, 90_000.0].map(time),
            ["0.25 ms", "3 ms", "12 ms", "1.54 s", "90 s"]
        );
    }
}
