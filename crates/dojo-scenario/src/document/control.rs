//! Steps that change how the dojo works: `settings`, `rule` and `instance`. What they change is put back at the end of the run.

use crate::{
    Placeholders, Text,
    language::{
        Context, Definitions, Node, Read, Value, described, mapping, named, or_variable, shortened,
        unknown_name,
    },
};
use dojo_contract::{Service, Setting, Settings, SettingsPatch, is_instance_id};
use serde_json::{Map, json};
use std::fmt;

/// A JSON Merge Patch (RFC 7396) of the settings, with the contract's names; null removes a value.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingsChange(pub Map<String, serde_json::Value>);

impl fmt::Display for SettingsChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).map_err(|_| fmt::Error)?)
    }
}

impl Read for SettingsChange {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        match json_of(node, context)? {
            serde_json::Value::Object(members) => Some(Self(members)),
            _ => context.expected(node, "settings such as { failRate: 0 }"),
        }
    }

    fn schema(definitions: &mut Definitions) -> serde_json::Value {
        named("Settings", definitions, |definitions| {
            let mut settings = Map::new();
            for setting in Setting::ALL {
                let own = serde_json::to_value(setting.schema().build()).unwrap_or_default();
                let description = own.get("description").and_then(|text| text.as_str()).unwrap_or_default();
                let removed = json!({"type": "null"});
                let schema = json!({"anyOf": [or_variable(own.clone(), definitions), removed]});
                settings.insert(setting.name().to_owned(), described(schema, description));
            }
            let instance =
                json!({"type": ["object", "null"], "properties": settings, "additionalProperties": false});
            let instances = json!({
                "type": ["object", "null"], "additionalProperties": instance,
                "description": "Settings of single instances by their id; null removes those of all instances.",
            });
            settings.insert(INSTANCES.to_owned(), instances);
            json!({
                "type": "object", "properties": settings, "additionalProperties": false,
                "description": "A change of settings. null removes a value, so that the default applies.",
            })
        })
    }
}

/// Returns a node as JSON: numbers with the digits as they are written, quoted scalars as text.
pub(super) fn json_of(node: &Node, context: &mut Context<'_>) -> Option<serde_json::Value> {
    match &node.value {
        Value::Scalar(scalar) if scalar.is_null() => Some(serde_json::Value::Null),
        Value::Scalar(scalar) => {
            let text = context.text(node, "a value")?;
            let parsed =
                if scalar.plain || scalar.is_variable() { serde_json::from_str(&text).ok() } else { None };
            Some(parsed.unwrap_or_else(|| serde_json::Value::String(text.to_string())))
        }
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| json_of(item, context)).collect();
            items.into_iter().collect::<Option<_>>().map(serde_json::Value::Array)
        }
        Value::Mapping(members) => {
            let members: Vec<_> = members
                .iter()
                .map(|(key, node)| Some((key.text.to_string(), json_of(node, context)?)))
                .collect();
            members.into_iter().collect::<Option<Map<_, _>>>().map(serde_json::Value::Object)
        }
    }
}

mapping! {
    /// Changes a rule. Give one of `file`, `replace` and `source`.
    pub struct Rule, "a rule such as { name: fraud, file: strict.rhai }" {
        /// The rule: `fraud` or `notification`.
        "name" => name: String,
        /// A file with the new rule, relative to this one.
        "file" => file: Option<RuleFile>,
        /// Snippets of the rule, and what replaces each.
        "replace" => replace: Option<Vec<Replacement>>,
        /// The text of the new rule.
        "source" => source: Option<String>,
    }
}

/// A file with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFile {
    /// The file as the scenario names it.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Read for RuleFile {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        let name = context.text(node, "the path of a file")?.to_string();
        let (_, text) = context.file(node, &name)?;
        Some(Self { name, text: text.to_string() })
    }

    fn schema(_: &mut Definitions) -> serde_json::Value {
        json!({"type": "string"})
    }
}

mapping! {
    /// A snippet of a rule that is there exactly once, and what replaces it.
    pub struct Replacement, "a replacement such as { this: \"VELOCITY_LIMIT = 5\", by: \"VELOCITY_LIMIT = 8\" }" {
        /// The snippet.
        "this" => this: String,
        /// What replaces it.
        "by" => by: String,
    }
}

/// Changes an instance, and waits until that has happened.
#[derive(Debug, Clone)]
pub enum Instance {
    /// Leaves its group and stays away.
    Stop(Text),
    /// Comes back.
    Start(Text),
    /// Ends at once, without a word to its group.
    Crash(Text),
    /// One more instance of a service.
    Add(Text),
    /// Removes an instance that was added.
    Remove(Text),
}

const INSTANCE: &str = "what happens to an instance: `stop`, `start`, `crash`, `add` or `remove`";

impl Read for Instance {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        let mut members = context.members(node, INSTANCE)?;
        let mut verb =
            |key, make: fn(Text) -> Self| members.node(key).map(|node| Text::read(&node, context).map(make));
        let verbs = [
            verb("stop", Self::Stop),
            verb("start", Self::Start),
            verb("crash", Self::Crash),
            verb("add", Self::Add),
            verb("remove", Self::Remove),
        ];
        members.only_one(verbs, INSTANCE, context)
    }

    fn schema(_: &mut Definitions) -> serde_json::Value {
        let verb = |what: &str| json!({"type": "string", "description": what});
        json!({
            "type": "object",
            "properties": {
                "stop": verb("The instance leaves its group and stays away."),
                "start": verb("The instance comes back."),
                "crash": verb("The instance ends at once, without a word to its group."),
                "add": {"enum": Service::MEMBERS.map(Service::name), "description": "One more instance of this service."},
                "remove": verb("The instance, which was added before, is removed."),
            },
            "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
        })
    }
}

/// The member of the settings that has those of single instances.
const INSTANCES: &str = "instances";

/// Records everything that the order service would refuse in a change of settings.
pub(super) fn check_settings(node: &Node, context: &mut Context<'_>) {
    let Some(SettingsChange(change)) = context.peek(Some(node)) else { return };
    if change.is_empty() {
        context.mistakes.add(node.at, "no setting is changed; give one such as { failRate: 0 }");
    }
    let patch = SettingsPatch::parse(&serde_json::Value::Object(change), &Settings::default());
    for error in patch.err().unwrap_or_default() {
        // A field of one instance is `instances.<id>.<setting>`, and the id may contain points.
        let path: Vec<_> = match error.field.split_once('.') {
            Some((instances, rest)) => match node.member(instances).and_then(|all| all.member(rest)) {
                Some(_) => vec![instances, rest],
                None => [instances]
                    .into_iter()
                    .chain(rest.rsplit_once('.').into_iter().flat_map(|(a, b)| [a, b]))
                    .collect(),
            },
            None => vec![error.field.as_str()],
        };
        let Some((name, above)) = path.split_last() else { continue };
        let Some(parent) = above.iter().try_fold(node, |node, name| node.member(name)) else { continue };
        let Value::Mapping(members) = &parent.value else { continue };
        let Some((key, value)) = members.iter().find(|(key, _)| &*key.text == *name) else { continue };
        let mut known = Setting::ALL.map(Setting::name).to_vec();
        let is_setting = path.len() != 2 && *name != INSTANCES;
        if is_setting && !known.contains(name) {
            if above.is_empty() {
                known.push(INSTANCES);
            }
            unknown_name(name, key.at, &known, context);
        } else {
            context.mistakes.add(value.at, format!("`{}` {}", error.field, error.message));
        }
    }
}

/// Checks what a rule step changes.
pub(super) fn check_rule(node: &Node, context: &mut Context<'_>) {
    check_rule_name(node.member("name"), context);
    const WAYS: [&str; 3] = ["file", "replace", "source"];
    let given: Vec<_> = WAYS.iter().filter(|name| node.member(name).is_some()).collect();
    if given.len() != 1 && matches!(node.value, Value::Mapping(_)) {
        let message = match given.len() {
            0 => "what is the new rule? give one of `file`, `replace` and `source`",
            _ => "give only one of `file`, `replace` and `source`",
        };
        context.mistakes.add(node.at, message);
    }
    let Some(Value::List(replacements)) = node.member("replace").map(|node| &node.value) else { return };
    for replacement in replacements.iter() {
        if let (Some(this), Some(text)) =
            (replacement.member("this"), context.peek::<String>(replacement.member("this")))
            && text.is_empty()
        {
            context.mistakes.add(this.at, "`this` is empty; write the snippet of the rule that is replaced");
        }
    }
    if let (Some(replace), true) = (node.member("replace"), replacements.is_empty()) {
        context
            .mistakes
            .add(replace.at, "nothing is replaced; give one such as { this: \"VELOCITY_LIMIT = 5\", by: \"VELOCITY_LIMIT = 8\" }");
    }
}

/// Checks the name of a rule.
pub(super) fn check_rule_name(node: Option<&Node>, context: &mut Context<'_>) {
    context.check_known(node, "a rule", &["fraud", "notification"]);
}

/// Checks the id or the service of an instance step.
pub(super) fn check_instance(node: &Node, context: &mut Context<'_>) {
    let services = Service::MEMBERS.map(Service::name);
    context.check_known(node.member("add"), "a service of which instances can be added", &services);
    for id in ["stop", "start", "crash", "remove"].iter().filter_map(|verb| node.member(verb)) {
        let Some(text) = context.peek::<Text>(Some(id)) else { continue };
        let filled = text.fill(Placeholders { run: "a1b2c3", number: 1, repetition: 1 });
        if !is_instance_id(&filled) {
            context
                .mistakes
                .add(id.at, format!("`{}` is not the id of an instance", shortened(text.as_str())))
                .help("an id such as notification-2 has letters, digits, `-`, `_` and `.`");
        }
    }
}
