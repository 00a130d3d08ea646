//! `dojo rules check`: the validator that the services, the API and the page use, on the command line.

use super::files;
use crate::exit::{self, COMMAND_LINE, MISTAKE};
use clap::Args;
use dojo_rules::read_rule;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
#[command(after_help = exit::OF_RULES)]
pub(crate) struct Check {
    /// Rules, or folders with rules; by default every rule in the folder of the rules
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    rules: files::RulesDir,
}

pub(super) fn run(check: &Check) -> anyhow::Result<u8> {
    let default = &check.rules.rules_dir;
    let files = files::find(&check.files, default, &["rhai"]);
    if files.is_empty() {
        let folder = check.files.first().unwrap_or(default);
        eprintln!("dojo: no rule in {}; rules end with .rhai", folder.display());
        return Ok(COMMAND_LINE);
    }
    let mut code = 0;
    for path in files {
        match check_rule(&path) {
            Ok(result) => println!("{result}"),
            Err(error) => {
                code = MISTAKE;
                eprintln!("{error}");
            }
        }
    }
    Ok(code)
}

fn check_rule(path: &Path) -> anyhow::Result<String> {
    let name = path.display().to_string();
    let source = read_rule(path)?;
    let kind = files::kind_of(path)?;
    let version = kind.check(&name, &source)?;
    Ok(format!("{name}: a {} rule without mistakes, version {version}", kind.name()))
}
