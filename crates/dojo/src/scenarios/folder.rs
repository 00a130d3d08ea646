//! The folder of the scenarios: what it has, and whether a file can be played.

use dojo_orders::{MAX_SCENARIOS, PlayError, ScenarioSummary};
use dojo_run::{Candidate, scenario_files, without_parts};
use dojo_scenario::{MAX_BYTES, Mistake, ParseError, Scenario, Sources, unknown_variables};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, ErrorKind, Read as _},
    path::{Path, PathBuf},
};

/// A folder with scenarios, each a file `name.yaml` or `name.yml`. It may be missing.
#[derive(Debug, Clone)]
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// Returns the scenarios, sorted by name.
    pub(super) fn list(&self) -> Vec<ScenarioSummary> {
        let files = self.files().into_iter().take(MAX_SCENARIOS);
        let candidates = files.map(|(_, path)| match read(&path) {
            Ok(bytes) => Candidate::parse(path, &bytes, true, &BTreeMap::new(), &read),
            Err(error) => {
                let error = unreadable(&path, &error);
                Candidate::unread(path, error)
            }
        });
        without_parts(candidates.collect()).into_iter().map(summary).collect()
    }

    /// Returns the file of a scenario that can be played with these variables.
    pub(super) fn checked(&self, name: &str, variables: &[(String, String)]) -> Result<PathBuf, PlayError> {
        // Looked up, so that a name can't lead out of the folder.
        let found = self.files().into_iter().find(|(known, _)| known == name);
        let (_, path) =
            found.ok_or_else(|| PlayError::NoSuchScenario(name.chars().take(SHOWN_CHARS).collect()))?;
        let variables: BTreeMap<_, _> = variables.iter().cloned().collect();
        let scenario = parse(&path, &variables).map_err(|error| PlayError::Mistakes(mistakes(&error)))?;
        let unknown = unknown_variables(
            variables.keys().map(String::as_str),
            &scenario.variables.keys().cloned().collect(),
        );
        let unknown: Vec<_> = unknown.into_iter().map(|message| ("vars".to_owned(), message)).collect();
        if unknown.is_empty() { Ok(path) } else { Err(PlayError::Mistakes(unknown)) }
    }

    /// Returns the name and the path of each file, sorted by name.
    fn files(&self) -> Vec<(String, PathBuf)> {
        let files = scenario_files(&self.0).unwrap_or_else(|error| {
            if error.kind() != ErrorKind::NotFound {
                tracing::warn!(folder = %self.0.display(), %error, "the folder of the scenarios can't be read");
            }
            Vec::new()
        });
        let named = |path: PathBuf| Some((path.file_stem()?.to_str()?.to_owned(), path));
        let mut files: Vec<_> = files.into_iter().filter_map(named).collect();
        files.sort();
        // Of `a.yaml` and `a.yml`, the first one has the name.
        files.dedup_by(|(later, _), (name, _)| later == name);
        files
    }
}

/// How much of an unknown name an error repeats.
const SHOWN_CHARS: usize = 100;

fn summary(Candidate { file, parsed, .. }: Candidate) -> ScenarioSummary {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let file = file.display().to_string();
    match parsed {
        Ok(scenario) => ScenarioSummary {
            title: scenario.name().to_owned(),
            lesson: scenario.lesson().map(str::to_owned),
            tags: scenario.tags().iter().map(ToString::to_string).collect(),
            error: None,
            name,
            file,
        },
        Err(error) => {
            let first = mistakes(&error).into_iter().next();
            let error = first.map(|(place, message)| format!("{place}: {message}"));
            ScenarioSummary { title: name.clone(), lesson: None, tags: Vec::new(), error, name, file }
        }
    }
}

/// Returns the place and the text of each mistake.
fn mistakes(error: &ParseError) -> Vec<(String, String)> {
    let text = |mistake: &Mistake| match mistake.advice() {
        Some(advice) => format!("{}; {advice}", mistake.message()),
        None => mistake.message().to_owned(),
    };
    error.mistakes().iter().map(|mistake| (mistake.place(), text(mistake))).collect()
}

fn parse(path: &Path, variables: &BTreeMap<String, String>) -> Result<Scenario, ParseError> {
    let file = path.display().to_string();
    let bytes = read(path).map_err(|error| unreadable(path, &error))?;
    Scenario::parse(&file, &bytes, &Sources { read: &read, variables })
}

fn unreadable(path: &Path, error: &io::Error) -> ParseError {
    let message = format!("the file can't be read: {error}");
    Mistake::whole(&path.display().to_string(), message, "let this service read it").into()
}

/// Reads a file up to one byte more than is allowed, which is enough for an error about its size.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A folder with these files.
    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| fs::write(dir.path().join(name), text).unwrap());
        let folder = Folder(dir.path().to_owned());
        (dir, folder)
    }

    const GOOD: &str = "name: Good\nlesson: Something.\ntags: [short]\nvars: { rate: 5/s }\nsteps: [{ say: \"Hello ${rate}\" }]\n";

    #[test]
    fn the_folder_is_listed_by_name_with_the_first_mistake_of_each_file() {
        let (_dir, folder) = folder(&[
            ("b.yaml", GOOD),
            ("a.yaml", "name: Bad\nstep: []\n"),
            ("c.txt", ""),
            ("README.md", ""),
        ]);
        fs::create_dir(folder.0.join("d.yaml")).unwrap();
        let list = folder.list();
        assert_eq!(list.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let error = list[0].error.as_deref().unwrap();
        assert!(error.contains("a.yaml:") && !error.contains('\n'), "{error}");
        let good = &list[1];
        assert_eq!(
            (good.title.as_str(), good.lesson.as_deref(), &good.error),
            ("Good", Some("Something."), &None)
        );
        assert_eq!(good.tags, ["short"]);
    }

    #[test]
    fn a_part_of_another_file_is_no_scenario_and_yml_is_one() {
        let (_dir, folder) = folder(&[
            ("whole.yml", "name: Whole\nsteps: [{ include: part.yaml }]\n"),
            ("part.yaml", "steps: [{ say: Hello }]\n"),
        ]);
        let list = folder.list();
        assert_eq!(
            list.iter().map(|one| (one.name.as_str(), &one.error)).collect::<Vec<_>>(),
            [("whole", &None)]
        );
        assert!(folder.checked("whole", &[]).is_ok());
    }

    #[test]
    fn a_folder_that_is_missing_has_no_scenarios() {
        let missing = Folder("nowhere/at/all".into());
        assert_eq!(missing.list(), []);
        assert_eq!(missing.checked("a", &[]), Err(PlayError::NoSuchScenario("a".into())));
    }

    #[test]
    fn a_scenario_is_played_from_its_folder_only_without_mistakes_and_with_its_own_variables() {
        let (dir, folder) = folder(&[("good.yaml", GOOD), ("bad.yaml", "name: Bad\n")]);
        fs::create_dir(dir.path().join("below")).unwrap();
        let below = Folder(dir.path().join("below"));
        let variable = |name: &str| vec![(name.to_owned(), "9/s".to_owned())];
        assert_eq!(folder.checked("good", &variable("rate")), Ok(dir.path().join("good.yaml")));
        assert!(matches!(below.checked("../good", &[]), Err(PlayError::NoSuchScenario(_))));
        let Err(PlayError::Mistakes(mistakes)) = folder.checked("good", &variable("speed")) else { panic!() };
        assert!(mistakes[0].0 == "vars" && mistakes[0].1.contains("`speed`"), "{mistakes:?}");
        let Err(PlayError::Mistakes(mistakes)) = folder.checked("bad", &[]) else { panic!() };
        assert!(mistakes[0].0.contains("bad.yaml"), "{mistakes:?}");
    }
}
