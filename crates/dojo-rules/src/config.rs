//! Where the rules are and how their edits are noticed: flags of every service that has rules.

use crate::WatchMode;
use std::path::PathBuf;

/// The folder of the rules.
#[derive(clap::Args, Debug, Clone)]
pub struct RulesConfig {
    /// Folder of the rules, fraud.rhai and notification.rhai; a built-in copy applies while a file is missing
    #[arg(long, env = "RULES_DIR", value_name = "FOLDER", default_value = "rules")]
    pub rules_dir: PathBuf,

    /// How edits of the rules are noticed: auto, native (by events of the file system) or poll
    #[arg(long, env = "RULES_WATCH", value_name = "MODE", default_value = "auto")]
    pub rules_watch: WatchMode,
}
