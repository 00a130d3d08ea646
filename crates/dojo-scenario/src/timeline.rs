//! The timeline of a scenario, which `--dry-run` prints: when each step begins at the earliest, and how long the run may take.

use crate::{
    Placeholders, Planned, Scenario,
    document::Action,
    scalar::{counted, written},
};
use std::{fmt, time::Duration};

/// When each step of a run begins.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// The steps, in the order in which they are played.
    pub moments: Vec<Moment>,
    /// How long the steps take if the dojo does everything at once.
    pub at_least: Duration,
    /// How long they take if every expectation and question needs all of its time. Answers that take time come on top.
    pub at_most: Duration,
}

/// A step of the timeline.
#[derive(Debug, Clone)]
pub struct Moment {
    /// When the step begins at the earliest, from the start of the run.
    pub from: Duration,
    /// How many floods are sent around it.
    pub depth: usize,
    /// The step in words.
    pub text: String,
}

impl Scenario {
    /// Returns the timeline of a run.
    pub fn timeline(&self) -> Timeline {
        let mut moments = Vec::new();
        let (at_least, at_most) = add(&self.plan(), Duration::ZERO, 0, &mut moments);
        let fit = self.document.before.as_ref().and_then(|before| before.within).unwrap_or_default();
        Timeline { moments, at_least, at_most: at_most.saturating_add(fit) }
    }
}

/// Adds steps that begin at `from`. Returns the shortest and the longest time that they take.
fn add(
    steps: &[Planned<'_>],
    from: Duration,
    depth: usize,
    moments: &mut Vec<Moment>,
) -> (Duration, Duration) {
    let (mut at_least, mut at_most) = (Duration::ZERO, Duration::ZERO);
    for planned in steps {
        let begins = from.saturating_add(at_least);
        let text = text(planned);
        moments.push(Moment { from: begins, depth, text });
        let (mut least, mut most) = match &planned.step.action {
            Action::Pause(lasts) => (*lasts, *lasts),
            Action::Expect(expectation) => (Duration::ZERO, expectation.within),
            Action::Ask(ask) => (Duration::ZERO, ask.within()),
            Action::Flood(flood) => {
                let lasts = flood.schedule().map_or(Duration::ZERO, |schedule| schedule.lasts());
                (lasts, lasts)
            }
            _ => (Duration::ZERO, Duration::ZERO),
        };
        let meanwhile = add(&planned.meanwhile, begins, depth + 1, moments);
        (least, most) = (least.max(meanwhile.0), most.max(meanwhile.1));
        at_least = at_least.saturating_add(least);
        at_most = at_most.saturating_add(most);
    }
    (at_least, at_most)
}

/// Returns a step in words: its name, and what happens.
fn text(planned: &Planned<'_>) -> String {
    let mut text = planned.step.action.to_string();
    if let Action::Flood(flood) = &planned.step.action
        && let Ok(schedule) = flood.schedule()
    {
        let orders = counted(schedule.orders(), "order");
        text = format!("{text} ({orders} in {})", written(rounded(schedule.lasts())));
    }
    if let Some(name) = &planned.step.name {
        text = format!("{name}: {text}");
    }
    let placeholders = Placeholders { run: "${run}", number: 0, repetition: planned.repetition };
    // `${n}` stays, because it differs from order to order.
    crate::Text::new(text.replace("${n}", "$\u{0}n")).fill(placeholders).replace("$\u{0}n", "${n}")
}

/// Rounds to whole milliseconds.
fn rounded(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Moment { from, depth, text } in &self.moments {
            let (minutes, tenths) = (from.as_secs() / 60, from.as_millis() % 60_000 / 100);
            let from = format!("+{minutes}:{:02}.{}", tenths / 10, tenths % 10);
            writeln!(f, "{from:>10}  {:indent$}{text}", "", indent = depth * 2)?;
        }
        write!(
            f,
            "at least {}, and at most {} if every expectation and question needs all of its time; the answers of the dojo come on top",
            written(rounded(self.at_least)),
            written(rounded(self.at_most)),
        )
    }
}
