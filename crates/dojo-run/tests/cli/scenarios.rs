//! The scenarios that come with the dojo.

use crate::{
    command::{dojo_run, ended},
    fake_dojo::{FakeDojo, Script},
};
use dojo_run::{Scenario, exit};
use std::{fs, path::PathBuf};

fn files() -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_file_parses_and_has_a_lesson() {
    assert!(files().len() >= 5);
    for file in files() {
        let scenario = Scenario::parse(&file.display().to_string(), &fs::read(&file).unwrap());
        let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
        assert!(scenario.lesson().is_some(), "{}", file.display());
    }
}

#[tokio::test]
async fn every_file_is_met_twice_in_a_row_whatever_came_before_it() {
    let dojo = FakeDojo::start(Script { twice: true, ..Script::default() }).await;
    for _ in 0..2 {
        let child = dojo_run().args(files()).args(["--target", &dojo.url]).spawn().unwrap();
        ended(child).await.expect(exit::MET);
    }
}
