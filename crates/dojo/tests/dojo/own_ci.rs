//! The workflow that people copy into their own CI, `docs/ci/scenarios.yml`: its steps are run as GitHub Actions runs them.
//!
//! What only a hosted machine has is replaced: `cargo` by a program that puts the built programs where cargo would, and ports by free
//! ones.

use crate::process::{DOJO, dojo_run, free_port, workspace};
use dojo_testbed::eventually;
use serde_json::Value as Json;
use serde_yaml::Value;
use std::{
    collections::BTreeMap,
    fs::{self, read_to_string},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const CARGO: &str = "#!/bin/sh\n[ \"$1\" = build ] && mkdir -p target/release && ln -s \"$BUILT\"/dojo \"$BUILT\"/dojo-run target/release\n";

/// A job that is run step by step, in a folder of its own.
struct Job {
    folder: tempfile::TempDir,
    environment: BTreeMap<String, String>,
    /// The process groups of the steps, which may have left processes behind.
    groups: Vec<u32>,
}

impl Drop for Job {
    fn drop(&mut self) {
        // A hosted machine ends what the steps left behind, too.
        for group in &self.groups {
            let _ = Command::new("kill").args(["--", &format!("-{group}")]).stderr(Stdio::null()).status();
        }
    }
}

impl Job {
    fn new(environment: BTreeMap<String, String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["rules", "scenarios"] {
            copy(&workspace().join(name), &folder.path().join(name));
        }
        let programs = folder.path().join("programs");
        fs::create_dir(&programs).unwrap();
        fs::write(programs.join("cargo"), CARGO).unwrap();
        fs::set_permissions(programs.join("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("path"), format!("{}\n", programs.display())).unwrap();
        Self { folder, environment, groups: Vec::new() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a step with the shell and the options of GitHub Actions; returns its exit code and what it said.
    async fn run(&mut self, script: &str) -> (Option<i32>, String) {
        let path = read_to_string(self.file("path")).unwrap();
        let path: Vec<_> = path.lines().rev().map(str::to_owned).chain(std::env::var("PATH")).collect();
        let said = fs::File::create(self.file("said")).unwrap();
        let mut command = Command::new("bash");
        command.args(["-e", "-c", script]).current_dir(self.folder.path()).process_group(0);
        command.env_clear().envs(&self.environment).env("PATH", path.join(":"));
        command.env("GITHUB_PATH", self.file("path")).env("BUILT", Path::new(DOJO).parent().unwrap());
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        let mut child = command.spawn().unwrap();
        self.groups.push(child.id());
        let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        (status.code(), read_to_string(self.file("said")).unwrap())
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file()) {
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

/// The steps of the only job, and the environment that it gives them.
fn workflow() -> (Vec<Value>, BTreeMap<String, String>) {
    let text = read_to_string(workspace().join("docs/ci/scenarios.yml")).unwrap();
    let workflow: Value = serde_yaml::from_str(&text).unwrap();
    let job = &workflow["jobs"]["scenarios"];
    let environment = job["env"].as_mapping().unwrap().iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.as_u64().unwrap().to_string(), str::to_owned);
        (name.as_str().unwrap().to_owned(), value)
    });
    (job["steps"].as_sequence().unwrap().clone(), environment.collect())
}

/// The files that the workflow keeps.
fn kept(steps: &[Value]) -> Vec<String> {
    let uploads = |step: &&Value| step["uses"].as_str().is_some_and(|uses| uses.contains("upload-artifact"));
    let upload = steps.iter().find(uploads).unwrap();
    assert_eq!(upload["if"].as_str(), Some("always()"), "a report of a failure is wanted most");
    upload["with"]["path"].as_str().unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_example_workflow_keeps_a_report_and_fails_as_the_scenarios_do() {
    let (steps, mut environment) = workflow();
    let _ = dojo_run();
    let port = free_port().to_string();
    assert!(environment["DOJO_TARGET"].contains(&environment["PORT"]));
    environment.insert("DOJO_TARGET".to_owned(), format!("http://localhost:{port}"));
    environment.insert("PORT".to_owned(), port);
    environment.insert("BROKER_LISTEN".to_owned(), format!("localhost:{}", free_port()));
    // All of them would take minutes, and `scenarios.rs` plays them.
    environment.insert("SCENARIOS".to_owned(), "scenarios/first*.yaml scenarios/fraud-spam.yaml".to_owned());
    let mut job = Job::new(environment);
    let scripts: Vec<_> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    for script in &scripts {
        let (code, said) = job.run(script).await;
        assert_eq!(code, Some(0), "{script}\n{said}");
    }
    for name in kept(&steps) {
        assert!(job.file(&name).exists(), "{name}");
    }
    let report = |job: &Job| -> Json {
        serde_json::from_str(&read_to_string(job.file("reports/report.json")).unwrap()).unwrap()
    };
    assert_eq!(report(&job)["scenarios"].as_array().unwrap().len(), 2);

    let missed = "name: Missed\nsteps:\n  - order: { customerName: Ada, item: Pizza, quantity: 1, price: 1 }\n  \
                  - expect: { action: FRAUD_ALERT, atLeast: 1 }\n";
    fs::write(job.file("scenarios/missed.yaml"), missed).unwrap();
    job.environment.insert("SCENARIOS".to_owned(), "scenarios/missed.yaml".to_owned());
    let play = scripts.iter().find(|script| script.contains("--report")).unwrap();
    let (code, said) = job.run(play).await;
    assert_eq!((code, &report(&job)["exitCode"]), (Some(4), &4.into()), "{said}");

    let url = format!("{}/healthz", job.environment["DOJO_TARGET"]);
    drop(job);
    eventually("the dojo to end", async || match reqwest::get(&url).await {
        Err(_) => Ok(()),
        Ok(answer) => Err(answer.status()),
    })
    .await;
}
