//! Editors save in many ways: in place, through a backup, or by renaming a new file over the old one. Whichever it is, and however
//! quickly saves follow one another, the last one holds, and half of one is never in force.

use crate::dojo::{Dojo, MODES, alerts};
use dojo_rules::{FraudRule, Rule as _};
use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

const SAVES: usize = 200;
/// How many saves follow one another before the test waits for the last of them.
const AT_ONCE: usize = 20;
/// A file must stay the same this long before it counts.
const SETTLE: Duration = Duration::from_millis(40);

/// The first half of every save. It is a rule, too, so that it would be in force if it counted.
const HALF: &str = "let found = [alert(\"HALF\", \"LOW\", \"\")];\nfound";

fn other_half(kind: &str) -> String {
    format!(" = [alert(\"{kind}\", \"LOW\", \"\")];\nfound\n")
}

/// Saves a rule that raises the alert `kind`, as an editor does. Returns how long the file was half written.
type Save = fn(path: &Path, kind: &str) -> Duration;

/// Writes a file in two halves, and empties it first if it exists.
fn write(path: &Path, kind: &str) -> Duration {
    let begun = Instant::now();
    let mut file = fs::File::create(path).unwrap();
    file.write_all(HALF.as_bytes()).unwrap();
    file.write_all(other_half(kind).as_bytes()).unwrap();
    begun.elapsed()
}

/// The path with something after its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Vim with `backupcopy=no`: the old file becomes the backup, and a new one is written in its place.
fn vim_through_a_backup(path: &Path, kind: &str) -> Duration {
    let backup = beside(path, "~");
    fs::rename(path, &backup).unwrap();
    let half = write(path, kind);
    fs::remove_file(backup).unwrap();
    half
}

/// Vim with `backupcopy=yes`: the backup is a copy, and the file is written in place.
fn vim_in_place(path: &Path, kind: &str) -> Duration {
    let backup = beside(path, "~");
    fs::copy(path, &backup).unwrap();
    let half = write(path, kind);
    fs::remove_file(backup).unwrap();
    half
}

/// JetBrains' "safe write": a new file is written beside the old one, which gives up its name first.
fn jetbrains(path: &Path, kind: &str) -> Duration {
    let (new, old) = (beside(path, "___jb_tmp___"), beside(path, "___jb_old___"));
    write(&new, kind);
    fs::rename(path, &old).unwrap();
    fs::rename(new, path).unwrap();
    fs::remove_file(old).unwrap();
    Duration::ZERO
}

/// `sed -i`: a new file is renamed over the old one.
fn sed(path: &Path, kind: &str) -> Duration {
    let new = path.with_file_name("sedUv3kQz");
    write(&new, kind);
    fs::rename(new, path).unwrap();
    Duration::ZERO
}

/// Saves many times in a row in every mode, and compares what was in force with what was saved.
fn whole_saves_alone_are_in_force(save: Save) {
    thread::scope(|all| {
        for mode in MODES {
            all.spawn(move || {
                let dojo = Dojo::with(mode, "ONE");
                let versions = every_version(&dojo);
                let mut saved = BTreeSet::from([vec!["ONE".to_owned()]]);
                let mut longest_half = Duration::ZERO;
                for n in 1..=SAVES {
                    let kind = format!("SAVE_{n}");
                    longest_half = longest_half.max(save(&dojo.file(), &kind));
                    if n % AT_ONCE == 0 {
                        dojo.until_it_finds(&kind);
                    }
                    saved.insert(vec![kind]);
                }
                assert_eq!(fs::read_dir(dojo.dir()).unwrap().count(), 1, "{mode}: the editor cleans up");
                drop(dojo);
                let in_force = versions.join().unwrap();
                assert!(in_force.contains(&vec![format!("SAVE_{SAVES}")]), "{mode}: {in_force:?}");
                let half: Vec<_> = in_force.difference(&saved).collect();
                // A busy machine may stop an editor in the middle of a save; then half of it is all that there is to read.
                assert!(half.is_empty() || longest_half >= SETTLE, "{mode}: {half:?} were in force");
            });
        }
    });
}

/// Collects what every version finds, until the rule is dropped.
fn every_version(dojo: &Dojo) -> thread::JoinHandle<BTreeSet<Vec<String>>> {
    let mut changes = dojo.live.changes();
    let first = BTreeSet::from([dojo.finds()]);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut found = first;
        while runtime.block_on(changes.changed()).is_ok() {
            let version = changes.borrow_and_update().version.clone();
            found.insert(alerts(&version.rule));
        }
        found
    })
}

#[test]
fn saved_200_times_by_vim_through_a_backup() {
    whole_saves_alone_are_in_force(vim_through_a_backup);
}

#[test]
fn saved_200_times_by_vim_in_place() {
    whole_saves_alone_are_in_force(vim_in_place);
}

#[test]
fn saved_200_times_by_vs_code_in_place() {
    whole_saves_alone_are_in_force(write);
}

#[test]
fn saved_200_times_by_jetbrains() {
    whole_saves_alone_are_in_force(jetbrains);
}

#[test]
fn saved_200_times_by_sed() {
    whole_saves_alone_are_in_force(sed);
}

#[test]
fn half_of_a_save_would_be_a_rule_that_the_test_recognizes() {
    let found = |source: &str| alerts(&FraudRule::compile("fraud.rhai", source).unwrap());
    assert_eq!(found(HALF), ["HALF"]);
    assert_eq!(found(&format!("{HALF}{}", other_half("SAVE_1"))), ["SAVE_1"]);
}
