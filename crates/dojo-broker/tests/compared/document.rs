//! `DIFFERENCES.md`: the table for readers of the crate's documentation.

use crate::differences::{CLIENTS, DIFFERENCES};
use std::{fmt::Write as _, path::Path};

/// If set, the test writes the file instead of comparing it.
const UPDATE: &str = "UPDATE_DIFFERENCES";

fn document() -> String {
    let mut text = String::from(
        "# Differences from Apache Kafka\n\n\
         This table lists every known difference that clients see between this broker and Apache Kafka 4.3.1. The test \
         `compared` plays the same scripts against both and compares what the clients see: answers, error codes, the order of \
         events, the lines that tools print. It fails on a difference that is not in this table, and on a row whose \
         difference is gone. `*` stands for any text.\n\n\
         | client | what | Apache Kafka 4.3.1 | this broker | why |\n|---|---|---|---|---|\n",
    );
    for difference in DIFFERENCES {
        let what: Vec<String> = difference.what.iter().map(|name| code(name)).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            difference.client,
            what.join(", "),
            code(difference.apache),
            code(difference.embedded),
            difference.why
        );
    }
    text
}

/// Formats a text as code in a table's cell.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|").replace('\n', " "))
}

#[test]
fn the_documentation_shows_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("DIFFERENCES.md");
    let text = document();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "DIFFERENCES.md is not what the table says: run this test with {UPDATE}=1");
}

#[test]
fn every_row_belongs_to_a_client_and_says_why() {
    for difference in DIFFERENCES {
        assert!(CLIENTS.contains(&difference.client), "{difference:?}");
        assert!(!difference.what.is_empty() && !difference.why.is_empty(), "{difference:?}");
    }
}
