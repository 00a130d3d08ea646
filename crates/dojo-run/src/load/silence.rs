//! Finds the times in which nothing was answered though requests were in flight: the dojo stood still. Pure: times are
//! counted from the start of the flood.
//!
//! If this process itself did not run for a while, it can't know what happened in that time. Such a time is kept as the
//! runner's own and never blamed on the dojo.

use std::{fmt, time::Duration};

/// The sender looks at the clock more often than this. A longer gap means that the process did not run.
const OWN_GAP: Duration = Duration::from_millis(400);

/// A part of the flood, counted from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interval {
    /// The start.
    pub from: Duration,
    /// The end.
    pub to: Duration,
}

impl Interval {
    /// Returns the length.
    pub fn length(&self) -> Duration {
        self.to.saturating_sub(self.from)
    }

    fn keep_longer(&mut self, other: Self) {
        if other.length() > self.length() {
            *self = other;
        }
    }
}

/// Writes the length and both ends, such as "3.0 s (from 4.2 s to 7.2 s after the start)".
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: Duration| time.as_secs_f64();
        write!(
            f,
            "{:.1} s (from {:.1} s to {:.1} s after the start)",
            seconds(self.length()),
            seconds(self.from),
            seconds(self.to)
        )
    }
}

/// A time in which nothing was answered though at least one request was in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence(pub Interval);

impl Silence {
    /// Shorter times without an answer are not worth telling: a second is the least that a room notices.
    pub const SHORTEST: Duration = Duration::from_secs(1);
}

/// Writes a sentence such as "nothing was answered for 3.0 s (from 4.2 s to 7.2 s after the start)".
impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing was answered for {}", self.0)
    }
}

/// Follows a flood and keeps its longest silence, and the longest time in which the process did not run.
#[derive(Debug, Default)]
pub(super) struct Silences {
    /// Since when nothing was answered, if requests are in flight.
    since: Option<Duration>,
    looked: Duration,
    longest: Interval,
    longest_own: Interval,
    /// The end of the last time in which the process did not run.
    own_until: Option<Duration>,
}

impl Silences {
    /// Notes that the sender runs at `now`. Call it before anything else of this time.
    pub fn look(&mut self, now: Duration) {
        let gap = Interval { from: self.looked, to: now };
        self.looked = now;
        if gap.length() > OWN_GAP {
            self.longest_own.keep_longer(gap);
            self.own_until = Some(now);
            self.since = self.since.map(|since| {
                // Until the gap, the silence was observed.
                self.longest.keep_longer(Interval { from: since, to: gap.from });
                now
            });
        }
    }

    /// A request was sent.
    pub fn sent(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// A request was answered; `more` says whether others are in flight.
    pub fn answered(&mut self, now: Duration, more: bool) {
        self.longest.keep_longer(self.current(now));
        self.since = more.then_some(now);
    }

    /// Returns the present interval without an answer, up to `now`; its length is 0 if no answer is awaited.
    pub fn current(&self, now: Duration) -> Interval {
        Interval { from: self.since.unwrap_or(now), to: now }
    }

    /// Returns the longest silence that is worth telling.
    pub fn longest(&self) -> Option<Silence> {
        (self.longest.length() >= Silence::SHORTEST).then_some(Silence(self.longest))
    }

    /// Returns the longest time in which the process did not run.
    pub fn longest_own(&self) -> Option<Interval> {
        (self.longest_own != Interval::default()).then_some(self.longest_own)
    }

    /// Whether the process did not run at some time after `due`.
    pub fn did_not_run_after(&self, due: Duration) -> bool {
        self.own_until.is_some_and(|until| due < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Looks ten times a second, as the sender does.
    fn look(silences: &mut Silences, from: f64, to: f64) {
        let mut now = at(from);
        while now < at(to) {
            silences.look(now);
            now += Duration::from_millis(100);
        }
        silences.look(at(to));
    }

    #[test]
    fn the_longest_time_without_an_answer_is_kept() {
        let mut silences = Silences::default();
        silences.sent(at(0.0));
        look(&mut silences, 0.0, 4.2);
        silences.answered(at(4.2), true);
        look(&mut silences, 4.2, 9.2);
        silences.sent(at(5.0));
        silences.answered(at(9.2), true);
        silences.answered(at(9.3), false);
        let longest = silences.longest().unwrap();
        assert_eq!(
            longest.to_string(),
            "nothing was answered for 5.0 s (from 4.2 s to 9.2 s after the start)"
        );
        assert_eq!(silences.longest_own(), None);
    }

    #[test]
    fn without_a_request_in_flight_there_is_no_silence() {
        let mut silences = Silences::default();
        silences.sent(at(0.0));
        silences.answered(at(0.1), false);
        look(&mut silences, 0.1, 60.0);
        silences.sent(at(60.0));
        silences.answered(at(60.1), false);
        assert_eq!(silences.longest(), None);
    }

    #[test]
    fn a_time_in_which_this_process_did_not_run_is_its_own() {
        let mut silences = Silences::default();
        silences.sent(at(0.0));
        silences.look(at(3.0));
        silences.answered(at(3.1), false);
        assert_eq!(silences.longest(), None);
        assert_eq!(silences.longest_own(), Some(Interval { from: at(0.0), to: at(3.0) }));
        assert!(silences.did_not_run_after(at(2.9)) && !silences.did_not_run_after(at(3.0)));
    }
}
