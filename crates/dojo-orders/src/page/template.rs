//! The page's template: the one built into the program, or a file that a person edits while it runs.
//!
//! The file is read for every page, so a saved change shows on the next one. As with rules, a file that is broken or being
//! written changes only the message about it: the last version that worked stays in force.

use dojo_rules::{EditedFile, FileError, Reading, utf8_text};
use minijinja::{Environment, Error, value::Serde};
use parking_lot::Mutex;
use serde::Serialize;
use std::{path::Path, sync::Arc};

const NAME: &str = "page.html";
const BUILT_IN: &str = include_str!("../../templates/page.html");
/// Largest template, in bytes: far more than a page needs.
const MAX_BYTES: usize = 1 << 20;

/// The template in force.
pub(crate) struct Template {
    file: Option<EditedFile>,
    in_force: Mutex<Arc<Version>>,
}

struct Version {
    /// The reading of the file that `templates` come from; a missing file means the built-in template.
    reading: Reading,
    templates: Environment<'static>,
}

impl Version {
    fn built_in() -> Result<Self, Error> {
        Self::compile(Err(FileError::Missing), BUILT_IN)
    }

    fn compile(reading: Reading, source: &str) -> Result<Self, Error> {
        let mut templates = Environment::new();
        templates.add_template_owned(NAME, source.to_owned())?;
        Ok(Self { reading, templates })
    }

    fn render(&self, values: &impl Serialize) -> Result<String, Error> {
        self.templates.get_template(NAME)?.render(Serde(values))
    }
}

impl Template {
    /// The template `page.html` in `folder`, or the built-in one while there is no folder or no such file in it.
    ///
    /// # Errors
    /// The built-in template is broken.
    pub(crate) fn new(folder: Option<&Path>) -> Result<Self, Error> {
        let in_force = Mutex::new(Arc::new(Version::built_in()?));
        Ok(Self { file: folder.map(|folder| EditedFile::new(folder.join(NAME), MAX_BYTES)), in_force })
    }

    /// Fills the template with the result of `values`, whose argument is the reason why the file isn't in force, if it
    /// isn't. Reads the file; if it has changed, blocks the thread until it has settled.
    ///
    /// # Errors
    /// The last version that worked can't be filled either.
    pub(crate) fn fill<V: Serialize>(&self, values: impl Fn(Option<String>) -> V) -> Result<String, Error> {
        let known = Arc::clone(&self.in_force.lock());
        let Some(file) = &self.file else { return known.render(&values(None)) };
        let why = match self.saved(file, &known) {
            Ok(saved) => match saved.render(&values(None)) {
                Ok(page) => {
                    *self.in_force.lock() = saved;
                    return Ok(page);
                }
                Err(error) => message(file, &error),
            },
            Err(why) => why,
        };
        known.render(&values(Some(format!("{why}; the last template that worked stays in force"))))
    }

    /// Returns the version in the file, which is `known` if the file hasn't changed.
    fn saved(&self, file: &EditedFile, known: &Arc<Version>) -> Result<Arc<Version>, String> {
        let path = file.path().display();
        let reading = file.settled(&known.reading).ok_or_else(|| format!("{path} is being written"))?;
        if reading == known.reading {
            return Ok(Arc::clone(known));
        }
        let version = match reading {
            Err(FileError::Missing) => Version::built_in(),
            Err(error) => return Err(format!("{path}: {error}")),
            Ok(bytes) => {
                let source = utf8_text(&bytes).map_err(|error| format!("{path}: {error}"))?.to_owned();
                if source.trim().is_empty() {
                    return Err(format!("{path} is empty"));
                }
                Version::compile(Ok(bytes), &source)
            }
        };
        version.map(Arc::new).map_err(|error| message(file, &error))
    }
}

/// The error, with its file and line.
fn message(file: &EditedFile, error: &Error) -> String {
    let line = error.line().map(|line| format!(":{line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{}{line}: {}{detail}", file.path().display(), error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fill(template: &Template) -> String {
        template.fill(|why| json!({"why": why, "problems": []})).unwrap()
    }

    #[test]
    fn a_saved_template_is_on_the_next_page_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let save = |text: &str| std::fs::write(folder.path().join(NAME), text).unwrap();
        let template = Template::new(Some(folder.path())).unwrap();
        save("one {{ why or '-' }}");
        assert_eq!(fill(&template), "one -");
        save("two {{ why or '-' }}");
        assert_eq!(fill(&template), "two -");
        save("three\n{% if %}");
        let page = fill(&template);
        assert!(page.starts_with("two ") && page.contains("page.html:2"), "{page}");
        save("four {{ why | nonsense }}");
        assert!(fill(&template).contains("nonsense"));
        save("five");
        assert_eq!(fill(&template), "five");
        save(" \n");
        assert_eq!(fill(&template), "five", "an empty file is not a page");
    }

    #[test]
    fn the_built_in_template_is_in_force_until_there_is_a_file_and_after_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let template = Template::new(Some(folder.path())).unwrap();
        let is_built_in = || {
            let saved = template.saved(template.file.as_ref().unwrap(), &template.in_force.lock());
            saved.unwrap().templates.get_template(NAME).unwrap().source() == BUILT_IN
        };
        assert!(is_built_in());
        let file = folder.path().join(NAME);
        std::fs::write(&file, "mine").unwrap();
        assert_eq!(fill(&template), "mine");
        std::fs::remove_file(&file).unwrap();
        assert!(is_built_in());
    }

    #[test]
    fn a_file_that_is_not_text_changes_only_the_message() {
        let folder = tempfile::tempdir().unwrap();
        let save = |bytes: &[u8]| std::fs::write(folder.path().join(NAME), bytes).unwrap();
        let template = Template::new(Some(folder.path())).unwrap();
        save(b"one {{ why or '-' }}");
        assert_eq!(fill(&template), "one -");
        for (bytes, reason) in [(&[0xFF; 10][..], "not UTF-8"), (&[b' '; MAX_BYTES + 1], "larger than")] {
            save(bytes);
            let page = fill(&template);
            assert!(page.starts_with("one ") && page.contains(reason), "{page}");
        }
    }
}
