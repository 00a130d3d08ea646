//! The step `flood`: many orders on a schedule, sent whether or not the orders before were answered.

use super::order;
use crate::{
    Rate,
    language::{Context, Definitions, Node, Read, mapping},
    scalar::RampEnd,
    schedule::{self, Length, MAX_ORDERS, Schedule, ScheduleError},
};
use serde_json::json;
use std::time::Duration;

/// A phase of a flood.
#[derive(Debug, Clone)]
pub enum Phase {
    /// One rate.
    Steady(Steady),
    /// A rate that grows or falls evenly.
    Ramp(Ramp),
    /// Many orders at one moment.
    Spike(Spike),
    /// No orders.
    Pause(Duration),
}

mapping! {
    /// Orders at one rate.
    pub struct Steady, "a phase such as { rate: 20/s, for: 10s }" {
        /// Orders per second or minute.
        "rate" => rate: Rate,
        /// How long.
        "for" => lasts: Duration,
    }
}

mapping! {
    /// Orders at a rate that grows or falls evenly.
    pub struct Ramp, "a phase such as { from: 10/s, to: 200/s, for: 10s }" {
        /// The rate at the beginning.
        "from" => from: RampEnd,
        /// The rate at the end.
        "to" => to: RampEnd,
        /// How long.
        "for" => lasts: Duration,
    }
}

mapping! {
    /// Orders that are all due at the same moment.
    pub struct Spike, "a phase such as { count: 100 }" {
        /// The number of orders.
        "count" => count: u64,
    }
}

/// Reads a mapping with one of several names, such as `{ steady: … }`.
impl Read for Phase {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        let what = "a phase: `steady`, `ramp`, `spike` or `pause`";
        let mut members = context.members(node, what)?;
        let phases = [
            members.node("steady").map(|node| Steady::read(&node, context).map(Self::Steady)),
            members.node("ramp").map(|node| Ramp::read(&node, context).map(Self::Ramp)),
            members.node("spike").map(|node| Spike::read(&node, context).map(Self::Spike)),
            members.node("pause").map(|node| Duration::read(&node, context).map(Self::Pause)),
        ];
        members.only_one(phases, what, context)
    }

    fn schema(definitions: &mut Definitions) -> serde_json::Value {
        json!({
            "type": "object",
            "properties": {
                "steady": Steady::schema(definitions), "ramp": Ramp::schema(definitions),
                "spike": Spike::schema(definitions), "pause": Duration::schema(definitions),
            },
            "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
        })
    }
}

/// Most phases of a flood.
const MAX_PHASES: usize = 100;

/// Returns when each order of a flood is due.
pub(super) fn schedule_of(
    rate: Option<Rate>,
    count: Option<u64>,
    lasts: Option<Duration>,
    phases: Option<&[Phase]>,
) -> Result<Schedule, ScheduleError> {
    let steady = rate.map(|rate| {
        let length = match (count, lasts) {
            (Some(count), _) => Length::Orders(count),
            (None, lasts) => Length::Lasts(lasts.unwrap_or_default()),
        };
        schedule::Phase::Steady { rate: rate.per_second(), length }
    });
    let phases = phases.unwrap_or_default().iter().map(|phase| match phase {
        Phase::Steady(steady) => {
            schedule::Phase::Steady { rate: steady.rate.per_second(), length: Length::Lasts(steady.lasts) }
        }
        Phase::Ramp(ramp) => schedule::Phase::Ramp {
            from: ramp.from.per_second(),
            to: ramp.to.per_second(),
            lasts: ramp.lasts,
        },
        Phase::Spike(spike) => schedule::Phase::Spike { orders: spike.count },
        Phase::Pause(lasts) => schedule::Phase::Pause(*lasts),
    });
    Schedule::new(&steady.into_iter().chain(phases).collect::<Vec<_>>())
}

/// Checks a flood, which `node` is: which members stand together, and how many orders it sends.
pub(super) fn check(node: &Node, context: &mut Context<'_>) {
    let last = check_schedule(node, context).unwrap_or(1);
    if let Some(order) = node.member("order") {
        order::check_template(order, last, context);
    }
}

/// Checks the schedule; returns its number of orders.
fn check_schedule(node: &Node, context: &mut Context<'_>) -> Option<u64> {
    let has = |name| node.member(name).is_some();
    let form = match (has("rate"), has("count"), has("for"), has("phases")) {
        (true, true, false, false) | (true, false, true, false) | (false, false, false, true) => None,
        (true, false, false, false) => Some("how long? add `count` or `for`"),
        (true, true, true, _) => Some("remove `count` or `for`; with a `rate`, the other one follows"),
        (false, _, _, true) => Some("remove `count` and `for`; each phase has its own"),
        (true, _, _, true) => Some("remove `rate` or `phases`; each phase has its own rate"),
        (false, _, _, false) => Some("how fast? add a `rate` such as 20/s, or `phases`"),
    };
    if let Some(message) = form {
        context
            .mistakes
            .add(node.at, message)
            .help("a flood has a `rate` with `count` or `for`, or it has `phases`");
        return None;
    }
    let rate = context.peek::<Rate>(node.member("rate"));
    let count = context.peek::<u64>(node.member("count"));
    let lasts = context.peek::<Duration>(node.member("for"));
    let phases = context.peek::<Vec<Phase>>(node.member("phases"));
    let (name, at) =
        ["phases", "count", "for"].into_iter().find_map(|name| Some((name, node.member(name)?.at)))?;
    let readable = match name {
        "phases" => phases.is_some(),
        "count" => rate.is_some() && count.is_some(),
        _ => rate.is_some() && lasts.is_some(),
    };
    if !readable {
        return count;
    }
    let phase_count = phases.as_ref().map_or(1, Vec::len);
    if !(1..=MAX_PHASES).contains(&phase_count) {
        context.mistakes.add(at, format!("there are {phase_count} phases; give 1 to {MAX_PHASES}"));
        return None;
    }
    match schedule_of(rate, count, lasts, phases.as_deref()) {
        Ok(schedule) => Some(schedule.orders()),
        Err(ScheduleError::Empty) => {
            context.mistakes.add(at, format!("the flood has no orders; give 1 to {MAX_ORDERS}"));
            None
        }
        Err(error) => {
            context.mistakes.add(at, error.to_string().replace("the schedule", "the flood"));
            None
        }
    }
}
