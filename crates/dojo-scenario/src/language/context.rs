//! What a reader knows and records: the variables, the files, and the mistakes.

use super::{Mistakes, Node, ParseError, Scope, Sources, Value, Variables, files::Files, shortened};
use std::{collections::BTreeMap, path::PathBuf, rc::Rc, sync::Arc};

/// What a reader knows and records.
#[derive(Debug)]
pub struct Context<'a> {
    /// The mistakes so far.
    pub mistakes: Mistakes,
    /// What the scenario had so far.
    pub scope: Scope,
    variables: Variables,
    files: Files<'a>,
}

impl<'a> Context<'a> {
    /// Reads a file: its text as a tree, its variables, and then its value with `read`. Returns the variables, too.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn read<T>(
        file: &str,
        source: &Arc<str>,
        sources: Sources<'a>,
        read: impl FnOnce(&Node, &mut Self) -> Option<T>,
    ) -> Result<(T, BTreeMap<String, String>), ParseError> {
        let mut mistakes = Mistakes::new(file.into(), source.clone());
        let variables = Variables::new(sources.variables, &mut mistakes);
        let files = Files::new(file, sources);
        let mut context = Self { mistakes, scope: Scope::default(), variables, files };
        let value = context.read_file(source, 0, read);
        let known = context.variables.into_known();
        context.mistakes.finish(value.map(|value| (value, known)))
    }

    /// Reads the file that `node` names, relative to the innermost file, as [`read`](Self::read) does.
    pub fn include<T>(
        &mut self,
        node: &Node,
        name: &str,
        read: impl FnOnce(&Node, &mut Self) -> Option<T>,
    ) -> Option<T> {
        let (path, source) = self.file(node, name)?;
        let shown = path.display().to_string();
        if let Err((message, help)) = self.files.enter(path) {
            self.mistakes.add(node.at, message).help_if(help);
            return None;
        }
        let file = self.mistakes.open(shown.into(), source.clone());
        let value = self.read_file(&source, file, read);
        self.files.leave();
        value
    }

    /// Returns the path and the text of the file that `node` names, relative to the innermost file.
    pub fn file(&mut self, node: &Node, name: &str) -> Option<(PathBuf, Arc<str>)> {
        let file = self.files.read(name);
        file.map_err(|(message, help)| self.mistakes.add(node.at, message).help_if(help)).ok()
    }

    fn read_file<T>(
        &mut self,
        source: &str,
        file: usize,
        read: impl FnOnce(&Node, &mut Self) -> Option<T>,
    ) -> Option<T> {
        let root = super::node::read(source, file, &mut self.mistakes)?;
        self.variables.enter(&root, &mut self.mistakes);
        let value = read(&root, self);
        self.variables.leave(&mut self.mistakes);
        value
    }

    /// Records that a node isn't what it should be.
    pub fn expected<T>(&mut self, node: &Node, what: &str) -> Option<T> {
        let mistake = self.mistakes.add(node.at, format!("expected {what}; found {}", node.kind()));
        if node.is_null() {
            mistake.help("write it behind the `:`, or below and indented further than the name");
        }
        None
    }

    /// Returns the text of a scalar, with its variables filled in. `what` describes what it should be.
    pub fn text(&mut self, node: &Node, what: &str) -> Option<Rc<str>> {
        match &node.value {
            Value::Scalar(scalar) if !scalar.is_null() => match self.variables.fill(&scalar.text) {
                Ok(None) => Some(scalar.text.clone()),
                Ok(Some(filled)) => {
                    if !filled.variables.is_empty() {
                        let shown = |(name, value): &(String, String)| {
                            format!("`${{{name}}}` is `{}`", shortened(value))
                        };
                        let variables: Vec<_> = filled.variables.iter().map(shown).collect();
                        self.mistakes.note(node.at, variables.join(", "));
                    }
                    Some(filled.text.into())
                }
                Err(message) => {
                    self.mistakes.add(node.at, message);
                    None
                }
            },
            _ => self.expected(node, what),
        }
    }

    /// Reads a scalar with `parse`. `what` describes what it should be.
    pub fn scalar<T>(&mut self, node: &Node, what: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(node, what)?;
        let value = parse(&text);
        if value.is_none() {
            self.mistakes.add(node.at, format!("`{}` is not {what}", shortened(&text)));
        }
        value
    }
}
