//! The scenarios that come with the dojo.

use crate::command::{dojo_run, ended};
use dojo_run::exit;
use std::{fs, path::PathBuf};

fn files() -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|kind| kind == "yaml")).collect();
    files.sort();
    files
}

#[tokio::test]
async fn every_scenario_is_well_written() {
    assert!(files().len() >= 5);
    ended(dojo_run().arg("--check").args(files()).spawn().unwrap()).await.expect(exit::MET);
}
