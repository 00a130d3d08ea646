//! The page's template: the one in the program, or the file that somebody edits while it runs.
//!
//! The file is read for every page, so what is saved is there at the next one. As with rules, a file that is broken or
//! being written changes nothing but what is said about it: the last version that worked stays in force.

use minijinja::{Environment, Error, value::Serde};
use parking_lot::Mutex;
use serde::Serialize;
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

const NAME: &str = "page.html";
const BUILT_IN: &str = include_str!("../../templates/page.html");
/// Far more than a page needs: a file of another kind is not read to its end.
const MOST_BYTES: u64 = 1 << 20;
/// How long a changed file must stay the same before it counts as saved: an editor that writes in place leaves it empty, or
/// cut off, for a moment.
const SETTLE: Duration = Duration::from_millis(40);
/// How often a file that keeps changing is read again for one page.
const PATIENCE: usize = 4;

/// The template in force.
pub(crate) struct Template {
    file: Option<PathBuf>,
    in_force: Mutex<Arc<Version>>,
}

struct Version {
    source: String,
    templates: Environment<'static>,
}

impl Version {
    fn compile(source: String) -> Result<Self, Error> {
        let mut templates = Environment::new();
        templates.add_template_owned(NAME, source.clone())?;
        Ok(Self { source, templates })
    }

    fn render(&self, values: &impl Serialize) -> Result<String, Error> {
        self.templates.get_template(NAME)?.render(Serde(values))
    }
}

impl Template {
    /// The template `page.html` in `folder`, and the built-in one where there is no folder, or no such file in it.
    ///
    /// # Errors
    /// The built-in one is broken.
    pub(crate) fn new(folder: Option<&Path>) -> Result<Self, Error> {
        let in_force = Mutex::new(Arc::new(Version::compile(BUILT_IN.to_owned())?));
        Ok(Self { file: folder.map(|folder| folder.join(NAME)), in_force })
    }

    /// Fills the template with what `values` gives, which is told why the file is not in force, where it is not. Reads
    /// the file, and blocks its thread while that settles, where it has changed.
    ///
    /// # Errors
    /// Not even the version that has worked before can be filled.
    pub(crate) fn fill<V: Serialize>(&self, values: impl Fn(Option<String>) -> V) -> Result<String, Error> {
        let known = Arc::clone(&self.in_force.lock());
        let Some(file) = &self.file else { return known.render(&values(None)) };
        let why = match self.saved(file, &known) {
            Ok(saved) => match saved.render(&values(None)) {
                Ok(page) => {
                    *self.in_force.lock() = saved;
                    return Ok(page);
                }
                Err(error) => said(file, &error),
            },
            Err(why) => why,
        };
        known.render(&values(Some(format!("{why}; the last template that worked stays in force"))))
    }

    /// What the file has come to; the version that is known, where that is the same.
    fn saved(&self, file: &Path, known: &Arc<Version>) -> Result<Arc<Version>, String> {
        let source = settled(&known.source, || read(file))
            .unwrap_or_else(|| Err(format!("{} is being written", file.display())))?;
        if source == known.source {
            return Ok(Arc::clone(known));
        }
        Version::compile(source).map(Arc::new).map_err(|error| said(file, &error))
    }
}

/// What `read` gives, if that is `known` or has stopped changing.
fn settled(known: &str, mut read: impl FnMut() -> Result<String, String>) -> Option<Result<String, String>> {
    let mut found = read();
    for _ in 0..PATIENCE {
        if found.as_ref().is_ok_and(|source| source == known) {
            return Some(found);
        }
        thread::sleep(SETTLE);
        let again = read();
        if again == found {
            return Some(found);
        }
        found = again;
    }
    None
}

fn read(file: &Path) -> Result<String, String> {
    let mut source = String::new();
    let read = File::open(file).and_then(|opened| opened.take(MOST_BYTES + 1).read_to_string(&mut source));
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BUILT_IN.to_owned()),
        Err(error) => Err(format!("{} cannot be read: {error}", file.display())),
        Ok(bytes) if bytes as u64 > MOST_BYTES => {
            Err(format!("{} is larger than {MOST_BYTES} bytes", file.display()))
        }
        Ok(_) if source.trim().is_empty() => Err(format!("{} is empty", file.display())),
        Ok(_) => Ok(source),
    }
}

/// The error, and the line that it is about.
fn said(file: &Path, error: &Error) -> String {
    let line = error.line().map(|line| format!(":{line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{}{line}: {}{detail}", file.display(), error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fill(template: &Template) -> String {
        template.fill(|why| json!({"why": why, "problems": []})).unwrap()
    }

    #[test]
    fn what_is_saved_is_on_the_next_page_and_what_is_broken_is_not() {
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
        assert_eq!(fill(&template), "five", "an empty file is no page");
    }

    /// What comes of a file that reads as `texts`, one after the other, and was `one` before.
    fn settled_on(texts: &[&str]) -> Option<Result<String, String>> {
        let mut texts = texts.iter();
        settled("one", || Ok((*texts.next().expect("no more reading than that")).to_owned()))
    }

    #[test]
    fn a_file_counts_when_it_reads_the_same_twice() {
        let saved = |text: &str| Some(Ok(text.to_owned()));
        assert_eq!(settled_on(&["one"]), saved("one"));
        assert_eq!(settled_on(&["two", "two"]), saved("two"));
        assert_eq!(settled_on(&["", "tw", "two", "two"]), saved("two"));
        assert_eq!(settled_on(&["", "one"]), saved("one"));
        assert_eq!(settled_on(&["a", "b", "c", "d", "e"]), None, "it is left for the next page");
    }

    #[test]
    fn without_a_file_it_is_the_built_in_one_and_again_when_the_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let template = Template::new(Some(folder.path())).unwrap();
        let built_in =
            Template::new(None).unwrap().saved(&folder.path().join(NAME), &template.in_force.lock());
        assert_eq!(built_in.unwrap().source, BUILT_IN);
        let file = folder.path().join(NAME);
        std::fs::write(&file, "mine").unwrap();
        assert_eq!(fill(&template), "mine");
        std::fs::remove_file(&file).unwrap();
        assert!(template.saved(&file, &template.in_force.lock()).unwrap().source == BUILT_IN);
    }

    #[test]
    fn a_file_that_is_no_template_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(NAME), vec![0xFF; 10]).unwrap();
        let template = Template::new(Some(folder.path())).unwrap();
        let why = template.saved(&folder.path().join(NAME), &template.in_force.lock()).err().unwrap();
        assert!(why.contains("cannot be read"), "{why}");
    }
}
