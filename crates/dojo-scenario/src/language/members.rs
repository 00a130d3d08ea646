//! Mappings of the language.
//!
//! A mapping is declared once, with [`mapping!`](crate::language::mapping). The declaration gives both its reader and its schema,
//! so the two can't differ.

use super::{Context, Definitions, Node, Position, Read, Value, described, nearest, shortened};
use serde_json::Map;
use std::rc::Rc;

impl Context<'_> {
    /// Returns the members of a mapping. `what` describes what it should be.
    pub fn members(&mut self, node: &Node, what: &str) -> Option<Members> {
        match &node.value {
            Value::Mapping(members) => Some(Members {
                at: node.at,
                members: members.clone(),
                taken: Vec::new(),
                missing: Vec::new(),
            }),
            _ => self.expected(node, what),
        }
    }
}

/// The members of a mapping, from which a reader takes those that it knows.
#[derive(Debug)]
pub struct Members {
    /// Where the mapping begins.
    pub at: Position,
    members: Rc<[(super::Key, Node)]>,
    taken: Vec<&'static str>,
    missing: Vec<&'static str>,
}

impl Members {
    /// Reads the member `key`. Records that it is missing if it is required.
    pub fn take<T: Read>(&mut self, key: &'static str, context: &mut Context<'_>) -> Option<T> {
        match self.node(key) {
            Some(node) => T::read(&node, context),
            None => {
                let absent = T::absent();
                if absent.is_none() {
                    self.missing.push(key);
                }
                absent
            }
        }
    }

    /// Returns the member `key`, which is known from then on.
    pub fn node(&mut self, key: &'static str) -> Option<Node> {
        self.taken.push(key);
        self.members.iter().find(|(known, _)| &*known.text == key).map(|(_, node)| node.clone())
    }

    /// Returns every member.
    pub fn iter(&self) -> impl Iterator<Item = &(super::Key, Node)> {
        self.members.iter()
    }

    /// Returns the one value of several members of which exactly one must be there. `what` describes them.
    pub fn only_one<T, const N: usize>(
        self,
        values: [Option<Option<T>>; N],
        what: &str,
        context: &mut Context<'_>,
    ) -> Option<T> {
        let known = self.taken.len() - N;
        let mut given = self
            .members
            .iter()
            .filter(|(key, _)| self.taken.iter().skip(known).any(|one| *one == &*key.text));
        let (first, second) = (given.next(), given.next());
        if let (Some((first, _)), Some((second, _))) = (first, second) {
            context
                .mistakes
                .add(
                    second.at,
                    format!(
                        "`{}` stands beside `{}`, and only one of the two can be here",
                        second.text, first.text
                    ),
                )
                .help("indent it further if it belongs to the name above it, or begin a new one with `- `");
        }
        let (none, known) =
            (first.is_none(), self.members.iter().all(|(key, _)| self.taken.contains(&&*key.text)));
        let (at, empty) = (self.at, self.members.is_empty());
        self.finish(context);
        if none && known {
            let empty = if empty { "; found an empty mapping" } else { "" };
            context.mistakes.add(at, format!("expected {what}{empty}"));
        }
        values.into_iter().flatten().next().flatten()
    }

    /// Records every member that no reader took, and every member that is missing.
    pub fn finish(self, context: &mut Context<'_>) {
        let mut missing = self.missing;
        let mut before_is_empty = false;
        for (key, node) in self.members.iter() {
            if self.taken.contains(&&*key.text) {
                before_is_empty = node.is_null();
            } else if key.refused {
                // The mistake is recorded, and it is unknown what would be there without it.
                missing.clear();
            } else if !before_is_empty {
                // Below a name without a value, the members are its own, and only their indentation is wrong.
                let near = unknown_name(&key.text, key.at, &self.taken, context);
                missing.retain(|name| near != Some(*name));
            }
        }
        let names: Vec<_> = missing.iter().map(|name| format!("`{name}`")).collect();
        let message = match &names[..] {
            [] => return,
            [only] => format!("{only} is missing"),
            [before @ .., last] => format!("{} and {last} are missing", before.join(", ")),
        };
        context.mistakes.add(self.at, message).help(
            "add what is missing; a member belongs to the name above it only if it is indented further than that name",
        );
    }
}

/// Records a name that isn't known here. Returns the known name that was probably meant.
pub fn unknown_name<'a>(
    name: &str,
    at: Position,
    known: &[&'a str],
    context: &mut Context<'_>,
) -> Option<&'a str> {
    let shown = shortened(name);
    let near = nearest(name, known.iter().copied());
    let message = match near {
        Some(near) => format!("unknown name `{shown}`; did you mean `{near}`?"),
        None => format!("unknown name `{shown}`; remove it"),
    };
    context.mistakes.add(at, message).help(format!("known names here: {}", known.join(", ")));
    near
}

/// A type that is a mapping, whose members another mapping may contain as its own.
pub trait Fields: Sized {
    /// Reads the members.
    fn take(members: &mut Members, context: &mut Context<'_>) -> Option<Self>;

    /// Adds the schema of each member, and the names of those that are required.
    fn properties(
        properties: &mut Map<String, serde_json::Value>,
        required: &mut Vec<&'static str>,
        definitions: &mut Definitions,
    );
}

/// Adds the schema of one member.
pub fn property<T: Read>(
    key: &'static str,
    description: &str,
    properties: &mut Map<String, serde_json::Value>,
    required: &mut Vec<&'static str>,
    definitions: &mut Definitions,
) {
    if T::absent().is_none() {
        required.push(key);
    }
    properties.insert(key.to_owned(), described(T::schema(definitions), description));
}

/// Declares a mapping of the language: a struct, its reader and its schema.
///
/// ```text
/// mapping! {
///     /// What the type is, which is also the schema's description.
///     pub struct Update, "an update such as { order: ada, status: preparing }" {
///         /// What the member is.
///         "order" => order: Label,
///     }
/// }
/// ```
///
/// A first entry `..template: OrderTemplate` takes the members of another mapping as its own.
#[macro_export]
macro_rules! mapping {
    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident, $what:literal {
            $(.. $flat:ident : $flat_type:ty,)?
            $( $(#[doc = $field_doc:literal])* $key:literal => $field:ident : $type:ty, )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $(
                /// The members of another mapping, which stand beside the others.
                pub $flat: $flat_type,
            )?
            $( $(#[doc = $field_doc])* pub $field: $type, )*
        }

        impl $crate::language::Fields for $name {
            fn take(
                members: &mut $crate::language::Members,
                context: &mut $crate::language::Context<'_>,
            ) -> Option<Self> {
                $( let $flat = <$flat_type as $crate::language::Fields>::take(members, context); )?
                $( let $field = members.take::<$type>($key, context); )*
                Some(Self { $( $flat: $flat?, )? $( $field: $field?, )* })
            }

            fn properties(
                properties: &mut serde_json::Map<String, serde_json::Value>,
                required: &mut Vec<&'static str>,
                definitions: &mut $crate::language::Definitions,
            ) {
                $( <$flat_type as $crate::language::Fields>::properties(properties, required, definitions); )?
                $(
                    $crate::language::property::<$type>(
                        $key, concat!($($field_doc, "\n"),*), properties, required, definitions,
                    );
                )*
            }
        }

        impl $crate::language::Read for $name {
            fn read(
                node: &$crate::language::Node,
                context: &mut $crate::language::Context<'_>,
            ) -> Option<Self> {
                let mut members = context.members(node, $what)?;
                let value = <Self as $crate::language::Fields>::take(&mut members, context);
                members.finish(context);
                value
            }

            fn schema(definitions: &mut $crate::language::Definitions) -> serde_json::Value {
                $crate::language::named(stringify!($name), definitions, |definitions| {
                    let (mut properties, mut required) = (serde_json::Map::new(), Vec::new());
                    <Self as $crate::language::Fields>::properties(&mut properties, &mut required, definitions);
                    let mut schema = serde_json::json!({
                        "type": "object", "properties": properties, "additionalProperties": false,
                    });
                    if !required.is_empty() {
                        schema["required"] = required.into();
                    }
                    $crate::language::described(schema, concat!($($doc, "\n"),*))
                })
            }
        }
    };
}
pub(crate) use mapping;
