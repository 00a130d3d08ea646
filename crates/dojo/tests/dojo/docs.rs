//! The documents show no command that does not work.
//!
//! Every command in README.md, WORKSHOP.md and CONTRIBUTING.md is known here. Those that ask a dojo, play on it or join
//! it are run against one, in the order in which a reader meets them. Of those that need Docker or a few minutes,
//! everything that they name is there. Any other fails the test, which says where it stands.

use crate::process::{DOJO, Dojo, Start, dojo_run, workspace};
use dojo_testbed::{PATIENCE, eventually};
use serde_yaml::Value;
use std::{
    fmt,
    fs::read_to_string,
    path::Path,
    process::{Output, Stdio},
};
use tokio::{process::Command, time::timeout};

/// The workshop goes first: what the README reads from a topic is there by then.
const DOCUMENTS: [&str; 3] = ["WORKSHOP.md", "README.md", "CONTRIBUTING.md"];

/// What a code span begins with when it is a command. In a fence, whatever stands behind `$ ` is one.
const PROGRAMS: [&str; 7] = ["cargo", "curl", "docker", "dojo", "kcat", "kill", "target/release/dojo"];

/// The commands of Docker, and of its Compose, that the documents use.
const DOCKER: [&str; 13] =
    ["build", "compose", "down", "exec", "kill", "load", "ps", "pull", "run", "save", "start", "stop", "up"];

/// A command as a document shows it.
#[derive(Debug, PartialEq)]
struct Shown {
    /// `README.md:27`
    place: String,
    text: String,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`", self.place, self.text)
    }
}

/// How a command is tried.
#[derive(Debug, PartialEq)]
enum Trial {
    /// Run, it succeeds.
    Succeeds,
    /// Run, it succeeds and prints something, which may be on its way yet.
    Prints,
    /// Run, it does its work until Ctrl-C.
    Stays,
    /// Not run; what it names is there. `cargo xtask compose` runs Docker, every test here starts a dojo, and the rest
    /// builds and tests for minutes.
    Names,
    /// Not run: it lacks a process id, which its reader gives it. `faults.rs` kills services as `-9` does.
    Completed,
}

/// `None`: nobody knows.
fn trial(command: &str) -> Option<Trial> {
    let (variables, words) = variables_and_words(command);
    let has = |flag| words.contains(&flag);
    match words[..] {
        ["cargo", "run", "--release"] | ["cargo", "run", "--release", "--features", _] => Some(Trial::Names),
        // Of what is piped, only the last one would tell that it fails.
        _ if !variables.is_empty() || has("|") => None,
        ["cargo", "bench" | "clippy" | "test" | "xtask", _, ..] => Some(Trial::Names),
        ["docker", "ps"] | ["docker", "compose" | "load" | "save", _, ..] => Some(Trial::Names),
        // Every scenario takes minutes, and a watched one never ends. `scenarios.rs` plays them all.
        ["cargo", "dojo-run", ..] if has("--watch") || has("scenarios") => Some(Trial::Names),
        ["cargo", "dojo-run" | "dojo-rules", _, ..] => Some(Trial::Succeeds),
        ["cargo", "run", "--release", "--", "--help"] => Some(Trial::Succeeds),
        ["curl", ..] | ["dojo", "health"] => Some(Trial::Succeeds),
        ["kcat", ..] if has("-C") && has("-e") => Some(Trial::Prints),
        ["kcat", ..] if has("-C") || has("-G") => Some(Trial::Stays),
        ["dojo", _, "--help"] => Some(Trial::Succeeds),
        ["dojo" | "target/release/dojo", "audit" | "fraud" | "notification"] => Some(Trial::Stays),
        ["kill", "-9"] => Some(Trial::Completed),
        _ => None,
    }
}

/// The variables that are set in front, and everything from the program on.
fn variables_and_words(command: &str) -> (Vec<&str>, Vec<&str>) {
    let words: Vec<_> = command.split_whitespace().collect();
    let variables: Vec<_> = words.iter().map_while(|word| Some(word.split_once('=')?.0)).collect();
    let words = words[variables.len()..].to_vec();
    (variables, words)
}

/// A program and what it is to do, not a program's name alone.
fn is_command(span: &str) -> bool {
    let (_, words) = variables_and_words(span);
    words.len() > 1 && PROGRAMS.contains(&words[0])
}

/// The commands in `text`, from top to bottom.
fn commands(document: &str, text: &str) -> Vec<Shown> {
    let mut found = Vec::new();
    let (mut in_fence, mut in_span) = (false, false);
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let shown = |text| Shown { place: format!("{document}:{number}"), text };
        if line.trim_start().starts_with("```") {
            (in_fence, in_span) = (!in_fence, false);
        } else if in_fence {
            let Some(mut command) = line.trim_start().strip_prefix("$ ").map(str::to_owned) else { continue };
            while command.ends_with('\\') {
                command.pop();
                command.push_str(lines.next().map_or("", |(_, more)| more.trim_start()));
            }
            found.push((true, shown(command)));
        } else {
            // A span may go on in the next line, though not in the next paragraph.
            in_span &= !line.is_empty();
            for (n, piece) in line.split('`').enumerate() {
                in_span ^= n > 0;
                match found.last_mut() {
                    _ if !in_span => {}
                    Some((_, begun)) if n == 0 => begun.text.extend([" ", piece.trim_start()]),
                    _ => found.push((false, shown(piece.to_owned()))),
                }
            }
        }
    }
    let commands = found.into_iter().filter(|(fenced, shown)| *fenced || is_command(&shown.text));
    commands.map(|(_, shown)| shown).collect()
}

fn all_commands() -> Vec<Shown> {
    DOCUMENTS.iter().flat_map(|document| commands(document, &read(document))).collect()
}

/// What `command` names and is not there.
fn missing(command: &str) -> Option<String> {
    let (variables, words) = variables_and_words(command);
    // As in `[env: PORT=]`.
    let (_, help) = said_by(Path::new(DOJO), &["--help"]);
    let is_known = |name: &str| help.split_whitespace().any(|word| word.starts_with(&format!("{name}=")));
    if let Some(name) = variables.iter().find(|name| !is_known(name)) {
        return Some(format!("`dojo --help` knows no variable {name}"));
    }
    match words[..] {
        // With `--help` behind them, a task's words are looked at, and nothing is done.
        ["cargo", "xtask", ref task @ ..] => {
            let xtask = Path::new(DOJO).with_file_name(format!("xtask{}", std::env::consts::EXE_SUFFIX));
            let own = task.iter().take_while(|word| **word != "--").chain(&["--help"]);
            let (taken, said) = said_by(&xtask, &own.copied().collect::<Vec<_>>());
            (!taken).then(|| format!("xtask, as `cargo build --package xtask` last built it, says: {said}"))
        }
        ["docker", ..] => {
            let mut stack: Value = serde_yaml::from_str(&read("docker-compose.yml")).unwrap();
            stack.apply_merge().unwrap();
            let services = stack["services"].as_mapping().unwrap();
            let is_there = |name: &str| {
                DOCKER.contains(&name)
                    || services.iter().any(|(service, how)| service == name || how["image"] == name)
                    || workspace().join(name).is_file()
                    || name.ends_with(".tar")
            };
            // `dojo` is the program in the container, and `rules` its command, which the commands without Docker try.
            let of_docker = words[1..].iter().take_while(|word| !["dojo", "rules"].contains(*word));
            let mut names = of_docker.filter(|word| !word.starts_with('-'));
            // In `--scale fraud=2` the service is `fraud`.
            let name = names.find(|word| !is_there(word.split('=').next().unwrap()))?;
            Some(format!(
                "{name} is no file, no service or image of docker-compose.yml, and not one of {DOCKER:?}"
            ))
        }
        _ => {
            let package = words.windows(2).find(|pair| pair[0] == "-p").map_or("dojo", |pair| pair[1]);
            let manifest = workspace().join("crates").join(package).join("Cargo.toml");
            (!manifest.exists()).then(|| format!("there is no package {package}"))
        }
    }
}

/// Whether a program that ends at once succeeded, and what it said.
fn said_by(program: &Path, args: &[&str]) -> (bool, String) {
    let output = std::process::Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| {
        panic!("cannot run {}: {error}; `cargo build --workspace` builds ours", program.display())
    });
    (output.status.success(), said(&output))
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

fn read(file: &str) -> String {
    read_to_string(workspace().join(file)).unwrap()
}

/// `command` for a dojo whose page and Kafka are elsewhere, with the programs that cargo has built already.
fn adapted(command: &str, page: &str, brokers: &str, prefix: &str) -> String {
    let command = command
        .replace("cargo dojo-run", "dojo-run")
        .replace("cargo dojo-rules", "dojo rules")
        .replace("cargo run --release --", "dojo")
        .replace("target/release/", "")
        .replace("localhost:3001", page)
        .replace("localhost:9092", brokers)
        .replace("curl ", "curl --fail-with-body --show-error ")
        .replace(" -t ", &format!(" -t {prefix}"));
    // A group, and its topics.
    let Some((before, names)) = command.split_once(" -G ") else { return command };
    let names: Vec<_> = names.split_whitespace().map(|name| format!("{prefix}{name}")).collect();
    format!("{before} -G {}", names.join(" "))
}

/// A shell that becomes the command.
fn shell(dojo: &Dojo, command: &str) -> Command {
    let page = dojo.url.strip_prefix("http://").unwrap();
    let prefix = dojo.kafka.prefix.to_string();
    let path = format!("{}:{}", dojo_run().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("exec {}", adapted(command, page, &dojo.kafka.brokers, &prefix)))
        .current_dir(workspace())
        .env("PATH", path)
        .env("DOJO_TARGET", &dojo.url)
        .env("PORT", page.rsplit(':').next().unwrap())
        .env("KAFKA_BROKERS", &dojo.kafka.brokers)
        .env("KAFKA_PREFIX", prefix)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    shell
}

/// Runs a command that ends by itself; answers its standard output.
async fn succeeds(dojo: &Dojo, shown: &Shown) -> Vec<u8> {
    let output = timeout(PATIENCE, shell(dojo, &shown.text).output()).await;
    let output = output.unwrap_or_else(|_| panic!("{shown} does not end within {PATIENCE:?}")).unwrap();
    assert!(output.status.success(), "{shown} ends with {}:\n{}", output.status, said(&output));
    output.stdout
}

/// Runs a command that goes on until Ctrl-C: what reads a topic until it has read it, a service until it says that it
/// runs.
async fn stays(dojo: &Dojo, shown: &Shown) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = || file.as_file().try_clone().unwrap();
    let mut child = shell(dojo, &shown.text).stdout(output()).stderr(output()).spawn().unwrap();
    let pid = child.id().unwrap();
    eventually(&format!("the work of {shown}"), async || {
        let said = read_to_string(file.path()).unwrap();
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "{shown} ends by itself:\n{said}");
        let runs = dojo.running().await?.iter().any(|(_, running)| *running == u64::from(pid));
        if runs || said.contains("% Reached end of topic") { Ok(()) } else { Err(said) }
    })
    .await;
    said_by(Path::new("kill"), &["-INT", &pid.to_string()]);
    let ended = timeout(PATIENCE, child.wait()).await;
    let ended = ended.unwrap_or_else(|_| panic!("{shown} goes on after Ctrl-C")).unwrap();
    assert!(ended.success(), "{shown} ends with {ended}:\n{}", read_to_string(file.path()).unwrap());
}

#[test]
fn whatever_a_command_in_the_documents_names_is_there() {
    let shown = all_commands();
    assert!(shown.len() > 50, "{shown:?}");
    let wrong = |shown: &Shown| match trial(&shown.text) {
        None => Some(format!("{shown}: nothing runs it; say in {}, at `trial`, what does", file!())),
        Some(Trial::Names) => missing(&shown.text).map(|what| format!("{shown}: {what}")),
        Some(_) => None,
    };
    let wrong: Vec<_> = shown.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[tokio::test]
async fn commands_in_the_documents_do_their_work_one_after_another() {
    for program in ["curl", "kcat"] {
        if std::process::Command::new(program).arg("-V").output().is_err() {
            assert_ne!(
                std::env::var("CI").as_deref(),
                Ok("true"),
                "{program} is not there, and CI must have it"
            );
            return eprintln!("skipped: {program} is not there (Debian: apt-get install {program})");
        }
    }
    let dojo = Start::new().ready().await;
    for shown in all_commands() {
        println!("{shown}");
        match trial(&shown.text) {
            Some(Trial::Succeeds) => drop(succeeds(&dojo, &shown).await),
            Some(Trial::Prints) => {
                eventually(&format!("a record, at {shown}"), async || {
                    let printed = succeeds(&dojo, &shown).await;
                    if printed.is_empty() { Err("nothing") } else { Ok(()) }
                })
                .await;
            }
            Some(Trial::Stays) => stays(&dojo, &shown).await,
            Some(Trial::Names | Trial::Completed) | None => {}
        }
        // A reader looks at what a setting does: that makes the retries and the dead letter of chapter 5.
        if shown.text.contains(" -X PATCH ") {
            dojo.placed("Ada", "8.50").await;
        }
    }
}

#[test]
fn commands_are_found_in_fences_and_in_code_spans() {
    let text = r#"
Say `kcat`, or `kcat -b
x -L`, or `A=1 cargo run`.

Not `/status`, `B=2`, `open

```console
$ curl -d \
    '{}' x
{"an": "answer"}
$ ls
```

| `kill -9` | `dojo` |
"#;
    let shown: Vec<_> = commands("A.md", text).iter().map(Shown::to_string).collect();
    let expected = [
        "A.md:2: `kcat -b x -L`",
        "A.md:3: `A=1 cargo run`",
        "A.md:8: `curl -d '{}' x`",
        "A.md:11: `ls`",
        "A.md:14: `kill -9`",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn each_kind_of_command_has_its_trial() {
    let commands: [(Option<Trial>, &[&str]); 6] = [
        (
            Some(Trial::Succeeds),
            &["curl -s localhost:3001/status", "cargo dojo-rules test", "dojo fraud --help"],
        ),
        (Some(Trial::Prints), &["kcat -C -t orders -e"]),
        (Some(Trial::Stays), &["kcat -C -t orders", "kcat -G group orders", "target/release/dojo fraud"]),
        (Some(Trial::Names), &["PORT=1 cargo run --release", "docker compose up", "cargo xtask test"]),
        (Some(Trial::Completed), &["kill -9"]),
        (None, &["PORT=1 curl localhost", "curl localhost | jq", "cargo xtask", "rm -rf ."]),
    ];
    for (expected, commands) in commands {
        for command in commands {
            assert_eq!(trial(command), expected, "{command}");
        }
    }
}

#[test]
fn a_command_is_adapted_to_the_dojo_of_the_test() {
    let adapted = |command| adapted(command, "localhost:1", "localhost:2", "test-1.");
    for (command, expected) in [
        ("curl -s localhost:3001/status", "curl --fail-with-body --show-error -s localhost:1/status"),
        ("kcat -b localhost:9092 -C -t orders -e", "kcat -b localhost:2 -C -t test-1.orders -e"),
        ("kcat -b localhost:9092 -G group orders", "kcat -b localhost:2 -G test-1.group test-1.orders"),
        ("cargo dojo-run scenarios/a.yaml", "dojo-run scenarios/a.yaml"),
        ("cargo dojo-rules check", "dojo rules check"),
        ("cargo run --release -- --help", "dojo --help"),
        ("target/release/dojo fraud", "dojo fraud"),
    ] {
        assert_eq!(adapted(command), expected);
    }
}
