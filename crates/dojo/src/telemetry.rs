//! The log of the process. It goes to standard error, because standard output carries the audit lines.

use crate::{
    cli::{LogFormat, Telemetry},
    exit::Misconfigured,
};
use std::io::IsTerminal as _;
use tracing_subscriber::{
    Layer as _, filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// Starts the log of the whole process.
///
/// # Errors
/// The filter can't be parsed.
pub(crate) fn start(telemetry: &Telemetry) -> anyhow::Result<()> {
    let filter: Targets = telemetry.filter.parse().map_err(|e| {
        let filter = &telemetry.filter;
        let example = "write one such as info or dojo_fraud=debug,info";
        Misconfigured(format!("`{filter}` (--log or RUST_LOG) isn't a log filter ({e}); {example}"))
    })?;
    // If standard error is closed, a log line is lost. Its error can't be reported there: trying to would panic.
    let layer = fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let layer = match telemetry.log_format {
        LogFormat::Pretty => {
            layer.compact().with_target(false).with_ansi(colour()).with_filter(filter).boxed()
        }
        LogFormat::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    };
    tracing_subscriber::registry().with(layer).init();
    Ok(())
}

/// Returns whether to write in colour, by <https://no-color.org> and <https://bixense.com/clicolors/>.
pub(crate) fn colour() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    !set("NO_COLOR") && (set("CLICOLOR_FORCE") || std::io::stderr().is_terminal())
}
