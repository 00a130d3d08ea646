//! Logs, on standard error: standard output belongs to the audit service's events.

use crate::{
    Misconfigured,
    cli::{LogFormat, Telemetry},
};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Starts logging for the whole process.
pub(crate) fn start(telemetry: &Telemetry) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&telemetry.filter)
        .map_err(|e| Misconfigured(format!("`{}` (RUST_LOG) is no log filter: {e}", telemetry.filter)))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match telemetry.log_format {
        LogFormat::Pretty => builder.compact().with_target(false).with_ansi(colour()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Whether to write in colour: <https://no-color.org>, <https://bixense.com/clicolors/>.
pub(crate) fn colour() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    !set("NO_COLOR") && (set("CLICOLOR_FORCE") || std::io::stderr().is_terminal())
}
