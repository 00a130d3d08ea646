//! Lets the process open as many connections as a flood may need. Each is an open file, and many systems allow a process
//! 1,024 or even 256 of them unless it asks for more.

#[cfg(unix)]
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files to `wanted`, or as far as the system allows.
#[cfg(unix)]
pub(super) fn allow(wanted: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(wanted, |maximum| wanted.min(maximum));
    if current.is_some_and(|current| current < wanted) {
        // If the system refuses, connections fail above the old limit, and the flood reports the reason.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}

/// Other systems have no such limit.
#[cfg(not(unix))]
pub(super) fn allow(_wanted: u64) {}
