//! Errors of fetching, starting and stopping a node.

use std::{path::PathBuf, time::Duration};

/// Why a node can't be fetched, started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is missing or failed.
    #[error("{program} {problem}")]
    Program {
        /// The program.
        program: &'static str,
        /// What is wrong and, where it is known, what to do.
        problem: String,
    },
    /// The folder has no jars.
    #[error("no jars of Apache Kafka in {}: `cargo xtask kafka` fetches them", .0.display())]
    NoJars(PathBuf),
    /// A file or folder couldn't be used.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The node can't listen.
    #[error("cannot listen on {}: {source}", port.map_or_else(|| "any port of localhost".to_owned(), |port| format!("localhost:{port}")))]
    Port {
        /// The wanted port; `None` if any port would do.
        port: Option<u16>,
        /// The system's error.
        source: std::io::Error,
    },
    /// The node's process ended before it answered.
    #[error("Apache Kafka ended at its start ({status}); its log ends with:\n{log}")]
    Ended {
        /// How the process ended.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// The node didn't answer in time.
    #[error("Apache Kafka doesn't answer at {address} after {waited:?}; its log ends with:\n{log}")]
    NoAnswer {
        /// The address that was asked.
        address: String,
        /// How long the caller waited.
        waited: Duration,
        /// The end of its log.
        log: String,
    },
}

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { path: path.into(), source }
    }
}
