//! The parts of a scenario as they are written: a file for each kind of step.

mod order;
pub use order::{Choice, Chosen, Delete, Label, Order, OrderTemplate, Update};

mod flood;
pub use flood::{Phase, Ramp, Spike, Steady};

mod vars;
pub use vars::Vars;

mod tag;
pub use tag::Tag;

mod control;
pub use control::{Instance, Replacement, Rule, RuleFile, SettingsChange};

mod record;
pub use record::{Headers, Produce, RecordValue, Redrive};

mod conditions;
pub use conditions::{Comparison, Condition, Conditions, FieldTest, Pattern};

mod events;
pub use events::{Actions, Count, EventExpectation, EventTopic, action_name};

mod states;
pub use states::{
    HttpExpectation, LagExpectation, LatencyLimit, MembersExpectation, OwnerExpectation,
    RebalancesExpectation,
};

mod expectation;
pub use expectation::{Expectation, Subject};

mod ask;
pub use ask::{Ask, MAX_QUESTIONS};

mod promises;
pub use promises::{Always, Before, Notified, Offsets, RuleErrors};

mod step;
pub use step::{Action, Flood, Include, Included, OfTheWholeRun, Repeat, Step};

mod words;

use crate::language::{Context, Node, Read, mapping};

mapping! {
    /// A scenario of the Kafka dojo: what happens, what the room sees, and how the dojo proves it.
    pub struct Document, "a scenario with `name` and `steps`" {
        /// The name of the lesson, for the room.
        "name" => name: String,
        /// What the room learns from it.
        "lesson" => lesson: Option<String>,
        /// Words by which `dojo-run --tag` chooses scenarios, such as `[fraud, short]`.
        "tags" => tags: Option<Vec<Tag>>,
        /// Variables: `${customer}` stands for the value of `customer` everywhere in the file. `--var customer=Ada` replaces it.
        "vars" => vars: Option<Vars>,
        /// The seed of every random choice, so that a run can be repeated; without it, each run chooses one and reports it.
        "seed" => seed: Option<u64>,
        /// Settings for the whole run, put back at its end.
        "settings" => settings: Option<SettingsChange>,
        /// What must be true of the dojo before the lesson starts.
        "before" => before: Option<Before>,
        /// What must hold throughout the run.
        "always" => always: Option<Always>,
        /// What happens, in order.
        "steps" => steps: Vec<Step>,
    }
}

impl Document {
    /// Reads a scenario, and checks it as a whole.
    pub fn checked(root: &Node, context: &mut Context<'_>) -> Option<Self> {
        if let Some(settings) = root.member("settings") {
            control::check_settings(settings, context);
        }
        if let Some(before) = root.member("before") {
            promises::check_before(before, context);
        }
        let document = Self::read(root, context);
        if let (Some(name), Some(text)) = (root.member("name"), context.peek::<String>(root.member("name")))
            && text.trim().is_empty()
        {
            context.mistakes.add(name.at, "the name is empty; write what the room will see");
        }
        step::check_steps(root, context);
        document
    }
}
