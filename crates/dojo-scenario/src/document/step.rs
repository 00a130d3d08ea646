//! A step: one action, and perhaps a name.

use super::{
    Ask, Delete, Expectation, Instance, Order, OrderTemplate, Phase, Produce, Redrive, Rule, SettingsChange,
    Tag, Update, Vars, ask, control, expectation, flood, order, record,
};
use crate::{
    Rate, Text,
    language::{Context, Definitions, Node, Place, Read, Value, described, mapping, named},
    schedule::{Schedule, ScheduleError, TOLERANCE},
};
use serde_json::{Map, json};
use std::time::Duration;

/// A step of a scenario.
#[derive(Debug, Clone)]
pub struct Step {
    /// The step's name, for the room and for other steps.
    pub name: Option<Text>,
    /// What happens.
    pub action: Action,
    /// Where the step is written.
    pub place: Place,
}

/// Declares the actions of steps: the variant, its reader, its schema, and what is checked beyond its type.
macro_rules! actions {
    ($( $(#[doc = $doc:literal])* $key:literal => $variant:ident($type:ty), $check:expr; )*) => {
        /// What happens in a step.
        #[derive(Debug, Clone)]
        pub enum Action {
            $( $(#[doc = $doc])* $variant($type), )*
        }

        impl Read for Step {
            fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
                let mut members = context.members(node, "a step such as `- pause: 2s`")?;
                let name = members.take::<Option<Text>>("name", context);
                let place = context.mistakes.place(node.at);
                let outside = enter(node, context);
                let actions = [$(
                    members.node($key).map(|node| {
                        let action = <$type>::read(&node, context).map(Action::$variant);
                        let check: fn(&Node, &mut Context<'_>) = $check;
                        check(&node, context);
                        action
                    }),
                )*];
                leave(outside, context);
                let action = members.only_one(actions, "a step such as `- pause: 2s`", context);
                Some(Self { name: name?, action: action?, place })
            }

            fn schema(definitions: &mut Definitions) -> serde_json::Value {
                named("Step", definitions, |definitions| {
                    let mut properties = Map::new();
                    let name = Text::schema(definitions);
                    properties.insert("name".into(), described(name, "The step's name, for the room and for other steps."));
                    let mut one_of = Vec::new();
                    $(
                        let schema = described(<$type>::schema(definitions), concat!($($doc, "\n"),*));
                        properties.insert($key.into(), schema);
                        one_of.push(json!({"required": [$key]}));
                    )*
                    json!({
                        "type": "object", "properties": properties, "additionalProperties": false, "oneOf": one_of,
                    })
                })
            }
        }
    };
}

actions! {
    /// Shows a text to the room.
    "say" => Say(Text), unchecked;
    /// Asks the room a question, whose answer is shown at the end of the run.
    "ask" => Ask(Box<Ask>), ask::check;
    /// Places one order and waits for its answer.
    "order" => Order(Box<Order>), order::check;
    /// Changes an order that this run placed.
    "update" => Update(Box<Update>), order::check_update;
    /// Deletes an order that this run placed.
    "delete" => Delete(Delete), order::check_delete;
    /// Places many orders on a schedule, without waiting for answers.
    "flood" => Flood(Box<Flood>), flood::check;
    /// Changes settings until the end of the run.
    "settings" => Settings(SettingsChange), control::check_settings;
    /// Changes a rule until the end of the run.
    "rule" => Rule(Rule), control::check_rule;
    /// Stops, starts, crashes, adds or removes an instance; the end of the run undoes that.
    "instance" => Instance(Instance), control::check_instance;
    /// Puts a record on a topic by hand.
    "produce" => Produce(Box<Produce>), record::check;
    /// Sends dead letters back to `orders`: `own` or `all`.
    "redrive" => Redrive(Redrive), unchecked;
    /// Waits for a fixed time.
    "pause" => Pause(Duration), unchecked;
    /// Waits until something has arrived or is so, and records whether it did.
    "expect" => Expect(Box<Expectation>), expectation::check;
    /// Plays steps several times.
    "repeat" => Repeat(Repeat), check_repeat;
    /// Plays the steps of another file, relative to this one.
    "include" => Include(Include), unchecked;
}

mapping! {
    /// Many orders on a schedule. Each is sent at its time, whether or not the orders before it were answered, as customers
    /// who don't know one another would send them. Give `rate` with `count` or `for`, or `phases`.
    pub struct Flood, "a flood such as { count: 12, rate: 20/s, order: { … } }" {
        /// The number of orders.
        "count" => count: Option<u64>,
        /// Orders per second or minute.
        "rate" => rate: Option<Rate>,
        /// How long the flood lasts, in place of `count`.
        "for" => lasts: Option<Duration>,
        /// Phases that follow one another, in place of `rate`.
        "phases" => phases: Option<Vec<Phase>>,
        /// How late an order may be sent, 500ms by default. If more than one in twenty is later, the rate wasn't held, and the run
        /// proves nothing. Give more where the lesson doesn't depend on the rate.
        "tolerance" => tolerance: Option<Duration>,
        /// Each order; `${n}` is its number, from 1.
        "order" => order: OrderTemplate,
        /// Steps that are played while the orders are sent.
        "meanwhile" => meanwhile: Option<Vec<Step>>,
    }
}

impl Flood {
    /// Returns when each order is due.
    ///
    /// # Errors
    /// The flood has no orders, or too many. The check of a scenario has refused such a flood.
    pub fn schedule(&self) -> Result<Schedule, ScheduleError> {
        let schedule = flood::schedule_of(self.rate, self.count, self.lasts, self.phases.as_deref())?;
        Ok(schedule.with_tolerance(self.tolerance.unwrap_or(TOLERANCE)))
    }
}

mapping! {
    /// Steps that are played several times; `${i}` is the number of the repetition, from 1.
    pub struct Repeat, "a repetition such as { times: 3, steps: [ … ] }" {
        /// How many times.
        "times" => times: u64,
        /// What is repeated.
        "steps" => steps: Vec<Step>,
    }
}

/// Another file, whose steps are played here. Its `settings` are changed before its first step.
#[derive(Debug, Clone)]
pub struct Include {
    /// The file, relative to this one.
    pub file: String,
    /// The steps of that file.
    pub steps: Vec<Step>,
}

mapping! {
    /// A file whose steps another scenario includes.
    pub struct Included, "a scenario with `steps`" {
        /// The name of the lesson, if the file is also played alone.
        "name" => name: Option<String>,
        /// What the room learns from it, if the file is also played alone.
        "lesson" => lesson: Option<String>,
        /// The tags of the lesson, if the file is also played alone.
        "tags" => tags: Option<Vec<Tag>>,
        /// Defaults of variables. The including file's values of the same name replace them.
        "vars" => vars: Option<Vars>,
        /// Settings that are changed before the first step.
        "settings" => settings: Option<SettingsChange>,
        /// Not allowed here.
        "seed" => seed: Option<OfTheWholeRun>,
        /// Not allowed here.
        "before" => before: Option<OfTheWholeRun>,
        /// Not allowed here.
        "always" => always: Option<OfTheWholeRun>,
        /// What happens, in order.
        "steps" => steps: Vec<Step>,
    }
}

/// A member that an included file can't have.
#[derive(Debug, Clone)]
pub struct OfTheWholeRun;

impl Read for OfTheWholeRun {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        context
            .mistakes
            .add(
                node.at,
                "an included file has no `seed`, `before` and `always`, which are about the whole run",
            )
            .help("move this to the scenario that includes the file");
        None
    }

    fn schema(_: &mut Definitions) -> serde_json::Value {
        json!(false)
    }
}

impl Read for Include {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        let file = context.text(node, "the path of a file")?.to_string();
        let steps = context.include(node, &file, |root, context| {
            if let Some(settings) = root.member("settings") {
                control::check_settings(settings, context);
                context.scope.planned += context.scope.repeated.unwrap_or(1);
            }
            let included = Included::read(root, context);
            check_steps(root, context);
            let Included { settings, mut steps, .. } = included?;
            if let Some(settings) = settings {
                let place = context.mistakes.place(root.member("settings").unwrap_or(root).at);
                steps.insert(0, Step { name: None, action: Action::Settings(settings), place });
            }
            Some(steps)
        })?;
        Some(Self { file, steps })
    }

    fn schema(_: &mut Definitions) -> serde_json::Value {
        json!({"type": "string"})
    }
}

/// Most repetitions of one step.
const MAX_TIMES: u64 = 1_000;

/// What the steps of a repetition or a flood change, to be put back behind them.
type Outside = (bool, bool, Option<u64>);

/// Takes note of where the values of a step stand: in a flood, in a repetition.
fn enter(step: &Node, context: &mut Context<'_>) -> Outside {
    let outside = (context.scope.in_flood, context.scope.in_meanwhile, context.scope.repeated);
    context.scope.in_meanwhile |= context.scope.in_flood;
    context.scope.in_flood = step.member("flood").is_some();
    if let Some(repeat) = step.member("repeat") {
        let times = context.peek::<u64>(repeat.member("times")).unwrap_or(1).max(1);
        context.scope.repeated = Some(outside.2.unwrap_or(1).saturating_mul(times));
    } else if step.member("include").is_none() {
        let times = context.scope.repeated.unwrap_or(1);
        context.scope.planned = context.scope.planned.saturating_add(times);
    }
    // The steps that are played meanwhile see the flood's orders and answers.
    if step.member("flood").is_some() {
        context.scope.requests.insert(order::POST);
    }
    let sends = ["order", "flood", "update", "delete"].iter().any(|name| step.member(name).is_some());
    if let (true, Some(name)) = (sends, context.peek::<String>(step.member("name"))) {
        context.scope.steps.insert(name);
    }
    outside
}

fn leave((in_flood, in_meanwhile, repeated): Outside, context: &mut Context<'_>) {
    context.scope.in_flood = in_flood;
    context.scope.in_meanwhile = in_meanwhile;
    context.scope.repeated = repeated;
}

fn unchecked(_: &Node, _: &mut Context<'_>) {}

fn check_repeat(node: &Node, context: &mut Context<'_>) {
    if let (Some(times), Some(number)) = (node.member("times"), context.peek::<u64>(node.member("times")))
        && !(1..=MAX_TIMES).contains(&number)
    {
        context.mistakes.add(times.at, format!("`times` is {number}: give 1 to {MAX_TIMES}"));
    }
    check_steps(node, context);
}

/// Checks that there are steps.
pub(super) fn check_steps(node: &Node, context: &mut Context<'_>) {
    if let Some(steps) = node.member("steps")
        && matches!(&steps.value, Value::List(items) if items.is_empty())
    {
        context.mistakes.add(steps.at, "there are no steps").help("add at least one, such as `- pause: 2s`");
    }
}
