//! A YAML text as a tree in which every node knows its position.
//!
//! The tree keeps what YAML libraries usually throw away: where a value stands, whether a scalar was quoted, and the digits of a
//! number as they were written. Members given twice, aliases that expand too far, tags, merge keys and second documents
//! are mistakes.

use super::{Mistakes, Position};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

/// Most values of a file once its aliases are expanded, where a long text counts as several. A few hundred bytes of aliases
/// of aliases would otherwise expand to billions.
const MAX_VALUES: usize = 100_000;
/// Bytes of a text that count as one value.
const TEXT_OF_ONE_VALUE: usize = 64;
/// Deepest nesting. The code that walks the tree would overflow its stack with deeper texts.
const MAX_DEPTH: usize = 64;

/// A value of a YAML text.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where the value begins.
    pub at: Position,
    /// The value.
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub enum Value {
    /// A word, a number or a text.
    Scalar(Scalar),
    /// A list.
    List(Rc<[Node]>),
    /// A mapping: its members, in the order of the text. No key is there twice.
    Mapping(Rc<[(Key, Node)]>),
}

/// A scalar as it was written.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// Its text, without quotes.
    pub text: Rc<str>,
    /// Whether it was written without quotes, so that `5` is a number and `null` is nothing.
    pub plain: bool,
}

/// The key of a member.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its text.
    pub text: Rc<str>,
    /// Where it stands.
    pub at: Position,
    /// Whether it can't be a name at all, which is recorded as a mistake already.
    pub refused: bool,
}

impl Scalar {
    /// Returns whether this is one variable and nothing else, which may be quoted although its value is a number: between
    /// braces, YAML requires the quotes.
    pub fn is_variable(&self) -> bool {
        let name = self.text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
        name.is_some_and(|name| !name.contains(['$', '}']))
    }

    /// Returns whether this is YAML's null.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL")
    }
}

impl Node {
    /// Describes the value for a message: "a list", "text", "nothing".
    pub fn kind(&self) -> String {
        match &self.value {
            Value::Scalar(scalar) if scalar.is_null() => "nothing".to_owned(),
            Value::Scalar(scalar) => format!("`{}`", super::shortened(&scalar.text)),
            Value::List(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping (`name: value`)".to_owned(),
        }
    }

    /// Returns the value of a member of a mapping.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Value::Mapping(members) = &self.value else { return None };
        members.iter().find(|(key, _)| &*key.text == name).map(|(_, node)| node)
    }

    /// Returns a text at a position.
    pub fn text(at: Position, text: &str) -> Self {
        Self { at, value: Value::Scalar(Scalar { text: text.into(), plain: false }) }
    }

    /// Returns whether the value is YAML's null.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.is_null())
    }
}

/// Reads `source`, the text of the file with this number, which has no byte order mark. Returns `None` after a mistake that
/// leaves no tree; a mistake within the tree leaves the rest of the tree.
pub fn read(source: &str, file: usize, mistakes: &mut Mistakes) -> Option<Node> {
    let parser = Parser::new_from_str(source);
    let mut reader = Reader { source, parser, file, anchors: HashMap::new(), left: MAX_VALUES, mistakes };
    reader.document()
}

struct Reader<'a, 'm> {
    source: &'a str,
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    file: usize,
    anchors: HashMap<usize, (Node, Extent)>,
    left: usize,
    mistakes: &'m mut Mistakes,
}

/// How large a node is.
#[derive(Clone, Copy)]
struct Extent {
    /// The values in it.
    values: usize,
    /// How deep they are nested.
    height: usize,
}

/// A mistake that is recorded already, after which reading can't go on.
struct Stop;

impl<'a> Reader<'a, '_> {
    fn position(&self, marker: &Marker) -> Position {
        Position { file: self.file, line: marker.line().max(1), column: marker.col() + 1 }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let at = self.position(error.marker());
                let (message, help) = super::syntax::explain(error.info());
                let help = if self.is_variable(at) { Some(super::syntax::QUOTE_VARIABLES) } else { help };
                self.mistakes.add(at, message).help_if(help);
                Err(Stop)
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// Returns whether the brace of a `${` stands here.
    fn is_variable(&self, at: Position) -> bool {
        let line = self.source.lines().nth(at.line - 1).unwrap_or_default();
        line.chars().skip(at.column.saturating_sub(2)).take(2).eq("${".chars())
    }

    fn document(&mut self) -> Option<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next().ok()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::Nothing | Event::DocumentEnd => {}
                Event::DocumentStart(_) if root.is_some() => {
                    let at = self.position(&span.start);
                    let message = "there is a second document after `---`";
                    self.mistakes.add(at, message).help("put each scenario into its own file");
                    return root;
                }
                Event::DocumentStart(_) => {}
                event => root = Some(self.node(event, span, 0).ok()?.0),
            }
        }
        if root.as_ref().is_none_or(|root| root.is_null()) {
            let at = super::files::start_of(self.file);
            self.mistakes.add(at, "the file is empty").help("write at least `name` and `steps`");
            return None;
        }
        root
    }

    /// Reads the node that `event` begins.
    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<(Node, Extent), Stop> {
        let at = self.position(&span.start);
        self.check_depth(at, depth)?;
        let (anchor, tag, (value, extent)) = match event {
            Event::Alias(id) => return self.alias(id, at, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = Scalar { text: Rc::from(&*text), plain: style == ScalarStyle::Plain };
                let values = 1 + scalar.text.len() / TEXT_OF_ONE_VALUE;
                (anchor, tag, (Value::Scalar(scalar), Extent { values, height: 0 }))
            }
            Event::SequenceStart(anchor, tag) => (anchor, tag, self.list(depth)?),
            Event::MappingStart(anchor, tag) => (anchor, tag, self.mapping(depth)?),
            _ => return Err(Stop),
        };
        if let Some(tag) = tag {
            let tag = tag.to_string();
            self.mistakes
                .add(at, format!("`{}` is a YAML tag, and a scenario has none", super::shortened(&tag)))
                .help("remove it; a step is written `- name:`, without `!`");
        }
        self.count(at, 1)?;
        let node = Node { at, value };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), extent));
        }
        Ok((node, extent))
    }

    fn check_depth(&mut self, at: Position, depth: usize) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            self.mistakes.add(at, format!("the values are nested more than {MAX_DEPTH} deep"));
            return Err(Stop);
        }
        Ok(())
    }

    fn count(&mut self, at: Position, values: usize) -> Result<(), Stop> {
        match self.left.checked_sub(values) {
            Some(left) => self.left = left,
            None => {
                self.mistakes
                    .add(at, "the aliases expand to too many values")
                    .help("write the values out, or use a `flood`");
                return Err(Stop);
            }
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, at: Position, depth: usize) -> Result<(Node, Extent), Stop> {
        let Some((node, extent)) = self.anchors.get(&id).cloned() else {
            // The parser refuses an alias without an anchor, so this one stands inside its own anchor.
            self.mistakes.add(at, "this alias stands inside the value that it repeats");
            return Err(Stop);
        };
        self.count(at, extent.values)?;
        self.check_depth(at, depth + extent.height)?;
        Ok((node, extent))
    }

    fn list(&mut self, depth: usize) -> Result<(Value, Extent), Stop> {
        let (mut items, mut extent) = (Vec::new(), Extent { values: 1, height: 1 });
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok((Value::List(items.into()), extent)),
                (event, span) => {
                    let (node, inner) = self.node(event, span, depth + 1)?;
                    extent.add(inner);
                    items.push(node);
                }
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<(Value, Extent), Stop> {
        let (mut members, mut extent) = (Vec::<(Key, Node)>::new(), Extent { values: 1, height: 1 });
        let mut names = HashSet::new();
        loop {
            let (key, span) = self.next()?;
            if key == Event::MappingEnd {
                return Ok((Value::Mapping(members.into()), extent));
            }
            let (key, key_extent) = self.node(key, span, depth + 1)?;
            let (event, span) = self.next()?;
            let (node, inner) = self.node(event, span, depth + 1)?;
            extent.add(key_extent);
            extent.add(inner);
            if let Some(key) = self.key(&key, &mut names) {
                members.push((key, node));
            }
        }
    }

    /// Reads the name of a member. Returns `None` if the mapping has it already.
    fn key(&mut self, node: &Node, names: &mut HashSet<Rc<str>>) -> Option<Key> {
        let refused = Key { text: "".into(), at: node.at, refused: true };
        match &node.value {
            Value::Scalar(scalar) if &*scalar.text == "<<" && scalar.plain => {
                self.mistakes
                    .add(node.at, "a scenario can't use YAML's merge key `<<`")
                    .help("write the members out");
                Some(refused)
            }
            Value::Scalar(scalar) if names.insert(scalar.text.clone()) => {
                Some(Key { text: scalar.text.clone(), refused: false, ..refused })
            }
            Value::Scalar(scalar) => {
                self.mistakes
                    .add(node.at, format!("`{}` is given twice", super::shortened(&scalar.text)))
                    .help("keep one of the two");
                None
            }
            _ => {
                self.mistakes
                    .add(node.at, format!("expected a name before the `:`; found {}", node.kind()))
                    .help("write a word, or a text in quotes");
                Some(refused)
            }
        }
    }
}

impl Extent {
    fn add(&mut self, inner: Self) {
        self.values += inner.values;
        self.height = self.height.max(inner.height + 1);
    }
}
