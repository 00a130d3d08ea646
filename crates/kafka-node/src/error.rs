//! Errors on the way to a running node.

use std::{path::PathBuf, time::Duration};

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is missing or failed.
    #[error("{program} {problem}")]
    Program {
        /// The program.
        program: &'static str,
        /// What is wrong, and how to mend it.
        problem: String,
    },
    /// The folder has no jars.
    #[error("no jars of Apache Kafka in {}: `cargo xtask kafka` fetches them", .0.display())]
    NoJars(PathBuf),
    /// A file or folder couldn't be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// No port was free.
    #[error("no free port on the loopback interface: {0}")]
    Port(std::io::Error),
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
    Silent {
        /// The address that was asked.
        address: String,
        /// How long it was waited for.
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
