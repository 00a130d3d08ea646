//! The page's templates: those built into the program, or files that a person edits while it runs.
//!
//! The files are read for every page, so a saved change shows on the next one. As with rules, a file that is broken or being
//! written changes only the message about it: the last version that worked stays in force.

use dojo_rules::{EditedFile, FileError, Reading, utf8_text};
use minijinja::{Environment, Error, value::Serde};
use parking_lot::Mutex;
use serde::Serialize;
use std::{path::Path, sync::Arc};

/// The template that includes the others.
const PAGE: &str = "page.html";
/// Each template with its text as it is built in.
pub(super) const BUILT_IN: [(&str, &str); 13] = [
    (PAGE, include_str!("../../templates/page.html")),
    ("rows.html", include_str!("../../templates/rows.html")),
    ("templates.html", include_str!("../../templates/templates.html")),
    ("board.html", include_str!("../../templates/board.html")),
    ("orders.html", include_str!("../../templates/orders.html")),
    ("journey.html", include_str!("../../templates/journey.html")),
    ("audit.html", include_str!("../../templates/audit.html")),
    ("fraud.html", include_str!("../../templates/fraud.html")),
    ("dead_letters.html", include_str!("../../templates/dead_letters.html")),
    ("topics.html", include_str!("../../templates/topics.html")),
    ("rules.html", include_str!("../../templates/rules.html")),
    ("instances.html", include_str!("../../templates/instances.html")),
    ("scenarios.html", include_str!("../../templates/scenarios.html")),
];
/// Largest template, in bytes: far more than a page needs.
const MAX_BYTES: usize = 1 << 20;

/// The templates in force.
pub(crate) struct Template {
    /// The files of the folder, in the order of `BUILT_IN`; none without a folder.
    files: Vec<EditedFile>,
    in_force: Mutex<Arc<Version>>,
}

struct Version {
    /// The readings of the files that `templates` come from; a missing file means the built-in template.
    readings: Vec<Reading>,
    templates: Environment<'static>,
}

impl Version {
    fn built_in() -> Result<Self, Error> {
        let mut templates = Environment::new();
        for (name, source) in BUILT_IN {
            templates.add_template(name, source)?;
        }
        Ok(Self { readings: Vec::new(), templates })
    }

    fn render(&self, values: &impl Serialize) -> Result<String, Error> {
        self.templates.get_template(PAGE)?.render(Serde(values))
    }
}

impl Template {
    /// The templates in `folder`. The built-in one stands in for each file that isn't there.
    ///
    /// # Errors
    /// A built-in template is broken.
    pub(crate) fn new(folder: Option<&Path>) -> Result<Self, Error> {
        let file = |folder: &Path, name| EditedFile::new(folder.join(name), MAX_BYTES);
        let files = folder.map(|folder| BUILT_IN.map(|(name, _)| file(folder, name)).into());
        let in_force = Mutex::new(Arc::new(Version::built_in()?));
        Ok(Self { files: files.unwrap_or_default(), in_force })
    }

    /// Fills the page with the result of `values`, whose argument is the reason why the files aren't in force, if they
    /// aren't. Reads the files; if one has changed, blocks the thread until it has settled.
    ///
    /// # Errors
    /// The last version that worked can't be filled either.
    pub(crate) fn fill<V: Serialize>(&self, values: impl Fn(Option<String>) -> V) -> Result<String, Error> {
        let known = Arc::clone(&self.in_force.lock());
        if self.files.is_empty() {
            return known.render(&values(None));
        }
        let why = match self.saved(&known) {
            Ok(saved) => match saved.render(&values(None)) {
                Ok(page) => {
                    *self.in_force.lock() = saved;
                    return Ok(page);
                }
                Err(error) => self.message(&error),
            },
            Err(why) => why,
        };
        known.render(&values(Some(format!("{why}; the last template that worked stays in force"))))
    }

    /// Returns the version in the files, which is `known` if none has changed.
    fn saved(&self, known: &Arc<Version>) -> Result<Arc<Version>, String> {
        let mut readings = Vec::new();
        for (n, file) in self.files.iter().enumerate() {
            let before = known.readings.get(n).cloned().unwrap_or(Err(FileError::Missing));
            let reading = file.settled(&before);
            readings.push(reading.ok_or_else(|| format!("{} is being written", file.path().display()))?);
        }
        if readings == known.readings {
            return Ok(Arc::clone(known));
        }
        let mut templates = Environment::new();
        for ((name, built_in), (file, reading)) in BUILT_IN.into_iter().zip(self.files.iter().zip(&readings))
        {
            let path = file.path().display();
            let source = match reading {
                Err(FileError::Missing) => built_in,
                Err(error) => return Err(format!("{path}: {error}")),
                Ok(bytes) => utf8_text(bytes).map_err(|error| format!("{path}: {error}"))?,
            };
            if source.trim().is_empty() {
                return Err(format!("{path} is empty"));
            }
            templates.add_template_owned(name, source.to_owned()).map_err(|error| self.message(&error))?;
        }
        Ok(Arc::new(Version { readings, templates }))
    }

    /// The error, with its file and line.
    fn message(&self, error: &Error) -> String {
        let is_named = |file: &&EditedFile| error.name().is_some_and(|name| file.path().ends_with(name));
        let path = self.files.iter().find(is_named).map(|file| file.path().display().to_string());
        let line = error.line().map(|line| format!(":{line}")).unwrap_or_default();
        let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        format!("{}{line}: {}{detail}", path.unwrap_or_default(), error.kind())
    }
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
        let save = |text: &str| std::fs::write(folder.path().join(PAGE), text).unwrap();
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
            let saved = template.saved(&template.in_force.lock()).unwrap();
            saved.templates.get_template(PAGE).unwrap().source() == BUILT_IN[0].1
        };
        assert!(is_built_in());
        let file = folder.path().join(PAGE);
        std::fs::write(&file, "mine").unwrap();
        assert_eq!(fill(&template), "mine");
        std::fs::remove_file(&file).unwrap();
        assert!(is_built_in());
    }

    #[test]
    fn a_file_that_is_not_text_changes_only_the_message() {
        let folder = tempfile::tempdir().unwrap();
        let save = |bytes: &[u8]| std::fs::write(folder.path().join(PAGE), bytes).unwrap();
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
