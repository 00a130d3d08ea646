//! What can go wrong on the way to a running node.

use std::path::PathBuf;
use std::time::Duration;

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not there, or ended badly.
    #[error("{program} {problem}")]
    Program {
        /// The program.
        program: &'static str,
        /// What is wrong with it, and how to mend it.
        problem: String,
    },
    /// No jars in the folder where they were looked for.
    #[error(
        "no jars of Apache Kafka {version} in {folder}: `cargo xtask kafka` fetches them",
        version = crate::VERSION,
        folder = .0.display()
    )]
    NoJars(PathBuf),
    /// A file or folder could not be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No port could be had.
    #[error("no free port on the loopback interface: {0}")]
    Port(std::io::Error),
    /// The node's process ended before it answered.
    #[error("Apache Kafka ended at its start ({status}); it said:\n{log}")]
    Ended {
        /// How the process ended.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// The node does not answer in time.
    #[error("Apache Kafka does not answer at {address} after {waited:?}; it said:\n{log}")]
    Silent {
        /// Where it was asked.
        address: String,
        /// How long.
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
