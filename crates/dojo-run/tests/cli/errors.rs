//! Every `tests/errors/*.yaml` is refused with exactly the words in the `.txt` beside it, and code 2.
//!
//! `UPDATE_EXPECTED=1 cargo test -p dojo-run` writes the words anew; read the difference before you keep it.

use crate::command::{dojo_run, ended};
use dojo_run::exit;
use std::{env, fs, path::Path};

#[tokio::test]
async fn every_broken_scenario_is_refused_with_the_place_and_the_remedy() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let mut names: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".yaml"));
    assert!(names.len() > 40);
    for name in names {
        let child = dojo_run().current_dir(&dir).arg(&name).spawn().unwrap();
        let ended = ended(child).await.expect(exit::NOT_PARSED);
        assert_eq!(ended.stdout, "", "{name}");
        let beside = dir.join(&name).with_extension("txt");
        if env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&beside, &ended.stderr).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        assert_eq!(ended.stderr, expected, "{name}: is the new message better? see the head of this file");
    }
}

#[tokio::test]
async fn nothing_is_played_when_one_of_several_is_broken() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let good = "../../../../scenarios/first-order.yaml";
    let child = dojo_run().current_dir(dir).args([good, "no-steps.yaml", "tag.yaml"]).spawn().unwrap();
    let ended = ended(child).await.expect(exit::NOT_PARSED);
    assert_eq!(ended.stderr.matches("error: ").count(), 2, "{}", ended.stderr);
}
