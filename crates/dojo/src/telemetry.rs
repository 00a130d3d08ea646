//! Logs, on standard error: standard output belongs to the audit service's events.

use crate::{
    Misconfigured,
    cli::{LogFormat, Telemetry},
};
use std::io::IsTerminal as _;
use tracing_subscriber::{
    Layer as _, filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// Starts logging for the whole process.
pub(crate) fn start(telemetry: &Telemetry) -> anyhow::Result<()> {
    let filter: Targets = telemetry.filter.parse().map_err(|e| {
        let example = "write such as info or dojo_fraud=debug,info";
        Misconfigured(format!("`{}` (--log or RUST_LOG) is no log filter ({e}): {example}", telemetry.filter))
    })?;
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer = match telemetry.log_format {
        LogFormat::Pretty => {
            layer.compact().with_target(false).with_ansi(colour()).with_filter(filter).boxed()
        }
        LogFormat::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    };
    tracing_subscriber::registry().with(layer).init();
    Ok(())
}

/// Whether to write in colour: <https://no-color.org>, <https://bixense.com/clicolors/>.
pub(crate) fn colour() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    !set("NO_COLOR") && (set("CLICOLOR_FORCE") || std::io::stderr().is_terminal())
}
