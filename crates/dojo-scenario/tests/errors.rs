//! Every `tests/errors/*.yaml` is refused with exactly the words in the `.txt` beside it.
//!
//! `UPDATE_EXPECTED=1 cargo test -p dojo-scenario` writes the words anew; read the difference before you keep it.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, missing_docs, reason = "a test panics")]

use dojo_scenario::{Scenario, Sources};
use std::{collections::BTreeMap, env, fs, path::Path};

#[test]
fn every_broken_scenario_is_refused_with_the_place_and_the_remedy() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let mut names: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".yaml"));
    assert!(names.len() > 40);
    let read = |file: &Path| fs::read(dir.join(file));
    let mut different = Vec::new();
    for name in names {
        let sources = Sources { read: &read, variables: &BTreeMap::new() };
        let parsed = Scenario::parse(&name, &fs::read(dir.join(&name)).unwrap(), &sources);
        let error = match parsed {
            Ok(_) => format!("no mistake in {name}"),
            Err(error) => error.to_string(),
        };
        let error = format!("{error}\n");
        let beside = dir.join(&name).with_extension("txt");
        if env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&beside, &error).unwrap();
        }
        if error != fs::read_to_string(&beside).unwrap_or_default() {
            different.push(error);
        }
    }
    assert!(
        different.is_empty(),
        "are these messages better? see the head of this file\n\n{}",
        different.join("\n")
    );
}
