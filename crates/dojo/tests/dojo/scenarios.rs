//! Every scenario happens as it says, any after any.

use crate::process::{Start, workspace};

#[tokio::test]
async fn every_scenario_is_met_twice_in_a_row() {
    let dojo = Start::new().ready().await;
    let mut names: Vec<_> = std::fs::read_dir(workspace().join("scenarios"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    for round in ["first", "second"] {
        for name in &names {
            let (code, said) = dojo.play(name).await;
            assert_eq!(code, 0, "{name}, {round} round:\n{said}");
        }
    }
}

#[tokio::test]
async fn without_a_dojo_a_scenario_could_not_run() {
    let path = workspace().join("scenarios/first-order.yaml");
    let mut command = tokio::process::Command::new(crate::process::dojo_run());
    let nowhere = format!("http://localhost:{}", crate::process::free_port());
    let output = command.arg(path).env("DOJO_TARGET", nowhere).output().await.unwrap();
    assert_eq!(output.status.code(), Some(3));
}
