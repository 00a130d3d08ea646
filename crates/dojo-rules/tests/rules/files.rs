//! Whatever has the name of a rule's file, the last good version stays in force, the error says what is wrong with the file, and a good
//! file takes effect again.

use crate::dojo::{Dojo, MODES, source};
use dojo_rules::{MAX_SOURCE, WatchMode};
use std::{fs, path::Path};

/// Puts something in place of the file in every mode, waits for the error, and mends the file.
fn is_refused(put: impl Fn(&Path), error: &str) {
    for mode in MODES {
        let dojo = Dojo::with(mode, "ONE");
        let file = dojo.file();
        let aside = dojo.dir().join("new");
        put(&aside);
        fs::rename(&aside, &file).unwrap_or_else(|_| {
            // A folder isn't renamed over a file.
            fs::remove_file(&file).unwrap();
            fs::rename(&aside, &file).unwrap();
        });
        dojo.until_the_error_says(error);
        let error = dojo.live.error().unwrap();
        assert!(error.contains("stays in force"), "{mode}: {error}");
        assert_eq!(dojo.finds(), ["ONE"], "{mode}");

        if file.is_dir() {
            fs::remove_dir(&file).unwrap();
        } else {
            fs::remove_file(&file).unwrap();
        }
        fs::write(&file, source("TWO")).unwrap();
        dojo.until_it_finds("TWO");
    }
}

#[test]
fn an_empty_file() {
    is_refused(|file| fs::write(file, "").unwrap(), "the file has no statement");
}

#[test]
fn a_folder() {
    is_refused(|file| fs::create_dir(file).unwrap(), "the file cannot be read: it is not a regular file");
}

#[test]
fn a_file_that_is_not_utf8() {
    is_refused(
        |file| fs::write(file, b"[]\n// caf\xe9\n").unwrap(),
        "fraud.rhai:2: the text is not UTF-8; save the file as UTF-8",
    );
}

#[cfg(unix)]
#[test]
fn a_pipe() {
    let pipe = |file: &Path| {
        let made = std::process::Command::new("mkfifo").arg(file).status().unwrap();
        assert!(made.success());
    };
    is_refused(pipe, "the file cannot be read: it is not a regular file");
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere() {
    let link = |file: &Path| std::os::unix::fs::symlink("nowhere.rhai", file).unwrap();
    is_refused(link, "the file is missing");
}

#[cfg(unix)]
#[test]
fn a_link_to_itself() {
    let link = |file: &Path| std::os::unix::fs::symlink("fraud.rhai", file).unwrap();
    is_refused(link, "the file cannot be read: ");
}

#[test]
fn a_file_that_is_too_large() {
    is_refused(
        |file| fs::write(file, vec![b' '; MAX_SOURCE + 1]).unwrap(),
        "the file is larger than the 262144 bytes allowed",
    );
}

/// A rule that has as many bytes as it may have: `line` as often as it fits, and `last`.
fn largest(line: &str, last: &str) -> String {
    let times = (MAX_SOURCE - last.len()) / line.len();
    let padding = MAX_SOURCE - last.len() - times * line.len();
    format!("{}{}{last}", line.repeat(times), " ".repeat(padding))
}

#[test]
fn the_largest_rule_takes_effect() {
    let dojo = Dojo::with(WatchMode::Auto, "ONE");
    fs::write(dojo.file(), largest("// A comment as long as most lines are.\n", &source("TWO"))).unwrap();
    dojo.until_it_finds("TWO");
}

#[test]
fn a_mistake_in_the_largest_rule_is_found_and_the_last_good_version_stays() {
    for (line, error) in [
        ("totl;\n", "there is no variable `totl` here"),
        ("let total = order.total;\n", "more than 500 `let` and `const`"),
        ("[", "the code is nested too deeply"),
        ("1+", "the code is nested too deeply"),
        ("while true { }\n", "too many steps"),
    ] {
        let dojo = Dojo::with(WatchMode::Auto, "ONE");
        fs::write(dojo.file(), largest(line, &source("TWO"))).unwrap();
        dojo.until_the_error_says(error);
        assert_eq!(dojo.finds(), ["ONE"], "{line}");
        let shown = dojo.live.error().unwrap();
        assert!(shown.len() < 1_000, "a terminal shows {} bytes", shown.len());
    }
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_accepted_and_a_mistake_has_the_same_place() {
    let dojo = Dojo::with(WatchMode::Auto, "ONE");
    for (mark, end) in [("", "\r\n"), ("\u{feff}", "\n"), ("\u{feff}", "\r\n")] {
        let lines = |lines: &[&str]| format!("{mark}{}", lines.join(end));
        fs::write(dojo.file(), lines(&["let limit = 1;", "if order.totl > limit { }", "[]"])).unwrap();
        dojo.until_the_error_says("fraud.rhai:2:10: `order` has no `totl`");
        fs::write(dojo.file(), lines(&["[] +* []"])).unwrap();
        dojo.until_the_error_says("fraud.rhai:1:5: ");
        let kind = format!("MARKS_{}_ENDS_{}", mark.len(), end.len());
        fs::write(dojo.file(), lines(&["let found =", &source(&kind), ";", "found", ""])).unwrap();
        dojo.until_it_finds(&kind);
    }
}
