//! `dojo rules check`: the validator that the services, the API and the page use, on the command line.

use super::files;
use crate::exit::{self, COMMAND_LINE, MISTAKE};
use clap::Args;
use dojo_rules::read_rule;
use std::path::PathBuf;

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
    let paths = if check.files.is_empty() { &vec![check.rules.rules_dir.clone()] } else { &check.files };
    let files = files::find(paths, "rhai")?;
    if files.is_empty() {
        eprintln!("dojo: no rule in {}; rules end with .rhai", paths[0].display());
        return Ok(COMMAND_LINE);
    }
    let mut code = 0;
    for path in files {
        let kind = files::kind_of(&path)?;
        let name = path.display().to_string();
        match read_rule(&path).and_then(|source| kind.check(&name, &source)) {
            Ok(version) => println!("{name}: a {} rule without mistakes, version {version}", kind.name()),
            Err(error) => {
                code = MISTAKE;
                eprintln!("{error}");
            }
        }
    }
    Ok(code)
}
