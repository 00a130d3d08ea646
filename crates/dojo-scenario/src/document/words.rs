//! Steps in words, as the run shows them to the room and as `--dry-run` prints them.

use super::{Action, Flood, Instance, OrderTemplate, Phase, Produce, Redrive, Rule, Step, Update};
use crate::scalar::{counted, written};
use std::fmt;

/// Writes the step's name, or what happens in it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => name.fmt(f),
            None => self.action.fmt(f),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Say(text) => write!(f, "say {}", one_line(text.as_str())),
            Self::Ask(ask) => write!(f, "ask {}", one_line(ask.question.as_str())),
            Self::Order(order) => {
                write!(f, "order {}", order.template)?;
                order.label.iter().try_for_each(|label| write!(f, ", as {label}"))?;
                answered(order.answers, f)
            }
            Self::Update(update) => update.fmt(f),
            Self::Delete(delete) => {
                write!(f, "delete {}", delete.order)?;
                answered(delete.answers, f)
            }
            Self::Flood(flood) => flood.fmt(f),
            Self::Settings(change) => write!(f, "settings {change}"),
            Self::Rule(rule) => rule.fmt(f),
            Self::Instance(instance) => instance.fmt(f),
            Self::Produce(produce) => produce.fmt(f),
            Self::Redrive(Redrive::Own) => f.write_str("redrive the dead letters of this run"),
            Self::Redrive(Redrive::All) => f.write_str("redrive every dead letter"),
            Self::Pause(duration) => write!(f, "pause {}", written(*duration)),
            Self::Expect(expectation) => write!(f, "expect {expectation}"),
            Self::Repeat(repeat) => {
                write!(f, "repeat {} {}", counted(repeat.steps.len() as u64, "step"), times(repeat.times))
            }
            Self::Include(include) => write!(f, "include {}", include.file),
        }
    }
}

impl fmt::Display for OrderTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { customer_name, item, quantity, price } = self;
        write!(f, "{quantity} × {item} at ${price} for {customer_name}")
    }
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = [
            ("customerName", self.customer_name.as_ref().map(ToString::to_string)),
            ("item", self.item.as_ref().map(ToString::to_string)),
            ("quantity", self.quantity.map(|quantity| quantity.to_string())),
            ("price", self.price.map(|price| format!("${price}"))),
            ("status", self.status.clone()),
        ];
        let changes: Vec<_> =
            changes.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?))).collect();
        write!(f, "update {}: {}", self.order, changes.join(", "))?;
        answered(self.answers, f)
    }
}

impl fmt::Display for Flood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flood")?;
        match (&self.phases, self.rate) {
            (Some(phases), _) => {
                let phases: Vec<_> = phases.iter().map(Phase::to_string).collect();
                write!(f, " {}", phases.join(", then "))?;
            }
            (None, rate) => {
                self.count.iter().try_for_each(|count| write!(f, " {count}"))?;
                rate.iter().try_for_each(|rate| write!(f, " at {rate}"))?;
                self.lasts.iter().try_for_each(|lasts| write!(f, " for {}", written(*lasts)))?;
            }
        }
        write!(f, ": {}", self.order)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steady(steady) => write!(f, "{} for {}", steady.rate, written(steady.lasts)),
            Self::Ramp(ramp) => write!(f, "{} to {} within {}", ramp.from, ramp.to, written(ramp.lasts)),
            Self::Spike(spike) => write!(f, "{} at once", spike.count),
            Self::Pause(duration) => write!(f, "a pause of {}", written(*duration)),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}: ", self.name)?;
        match (&self.file, &self.replace) {
            (Some(file), _) => f.write_str(&file.name),
            (None, Some(replacements)) => {
                let replacements: Vec<_> = replacements
                    .iter()
                    .map(|one| format!("`{}` becomes `{}`", one_line(&one.this), one_line(&one.by)))
                    .collect();
                f.write_str(&replacements.join(", "))
            }
            (None, None) => f.write_str("the text in the scenario"),
        }
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop(id) => write!(f, "stop {id}"),
            Self::Start(id) => write!(f, "start {id}"),
            Self::Crash(id) => write!(f, "crash {id}"),
            Self::Add(service) => write!(f, "add an instance of the {service} service"),
            Self::Remove(id) => write!(f, "remove {id}"),
        }
    }
}

impl fmt::Display for Produce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "produce {} on {}", counted(self.count.unwrap_or(1), "record"), self.topic)?;
        self.key.iter().try_for_each(|key| write!(f, " with key {key}"))?;
        answered(self.answers, f)
    }
}

/// Writes the status of the answer if the scenario names one.
fn answered(status: Option<u16>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    status.iter().try_for_each(|status| write!(f, ", answered {status}"))
}

fn times(number: u64) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{number} times"),
    }
}

/// Returns a text of several lines as one line, shortened.
fn one_line(text: &str) -> String {
    crate::language::shortened(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}
