//! `dojo rules test`: runs files with cases.

use super::{
    cases::{Case, CaseFile},
    files, junit,
    report::{self, Outcome, Tested},
    simulate,
};
use crate::exit::{self, COMMAND_LINE, MISTAKE, NOT_MET};
use anyhow::Context as _;
use clap::Args;
use dojo_rules::{FraudRule, NotificationRule, Rule as _, RuleKind, read_rule, utf8_text};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Longest file with cases, in bytes.
const MAX_BYTES: usize = 4 << 20;

#[derive(Debug, Args)]
#[command(after_help = exit::OF_RULES)]
pub(crate) struct Test {
    /// Files with cases, or folders with them; by default `tests` in the folder of the rules
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    rules: files::RulesDir,

    /// Write the results as JUnit XML, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// A rule that cases are played against.
enum Rule {
    Fraud(FraudRule),
    Notification(NotificationRule),
}

pub(super) fn run(test: &Test) -> anyhow::Result<u8> {
    let paths = if test.files.is_empty() { &vec![test.rules.rules_dir.join("tests")] } else { &test.files };
    let files = files::find(paths, "yaml")?;
    if files.is_empty() {
        eprintln!("dojo: no file with cases in {}; they end with .yaml", paths[0].display());
        return Ok(COMMAND_LINE);
    }
    let mut mistakes = false;
    let mut tested = Vec::new();
    for path in files {
        match read(&path) {
            Ok((rule, cases)) => tested.extend(cases.into_iter().map(|case| play(&path, &rule, &case))),
            Err(error) => {
                mistakes = true;
                eprintln!("{error:#}");
            }
        }
    }
    print!("{}", report::text(&tested));
    if let Some(path) = &test.junit {
        fs::write(path, junit::xml(&tested)?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(match tested.iter().all(Tested::is_met) {
        _ if mistakes => MISTAKE,
        true => 0,
        false => NOT_MET,
    })
}

fn read(path: &Path) -> anyhow::Result<(Rule, Vec<Case>)> {
    let name = path.display().to_string();
    let file = dojo_rules::EditedFile::new(path.to_owned(), MAX_BYTES);
    let bytes = file.read().with_context(|| name.clone())?;
    let text = utf8_text(&bytes).with_context(|| name.clone())?;
    let CaseFile { rule, cases } = serde_yaml::from_str(text).with_context(|| name.clone())?;
    anyhow::ensure!(!cases.is_empty(), "{name}: the file has no case; give at least one under `cases`");
    let rule_path = path.parent().unwrap_or(Path::new("")).join(rule);
    let rule_name = rule_path.display().to_string();
    let source = read_rule(&rule_path).with_context(|| format!("{name}: its rule"))?;
    let rule = match files::kind_of(&rule_path)? {
        RuleKind::Fraud => Rule::Fraud(FraudRule::compile(&rule_name, &source)?),
        RuleKind::Notification => Rule::Notification(NotificationRule::compile(&rule_name, &source)?),
    };
    Ok((rule, cases))
}

fn play(path: &Path, rule: &Rule, case: &Case) -> Tested {
    let played = match rule {
        Rule::Fraud(rule) => simulate::fraud(rule, case),
        Rule::Notification(rule) => simulate::notification(rule, case),
    };
    let outcome = match played {
        Ok(differences) if differences.is_empty() => Outcome::Met,
        Ok(differences) => Outcome::NotMet(differences),
        Err(why) => Outcome::Failed(why),
    };
    Tested { file: path.display().to_string(), case: case.name.clone(), outcome }
}
