//! `dojo rules test`: runs files with cases.

use super::{
    cases::{Case, CaseFile},
    files, junit,
    report::{self, CaseResult, Tested},
    simulate::{self, PlayError},
    yaml_error,
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
    let default = test.rules.rules_dir.join("tests");
    let files = files::find(&test.files, &default, &["yaml", "yml"]);
    if files.is_empty() {
        let folder = test.files.first().unwrap_or(&default);
        eprintln!("dojo: no file with cases in {}; they end with .yaml", folder.display());
        return Ok(COMMAND_LINE);
    }
    let tested: Vec<_> = files.iter().flat_map(|path| play_file(path)).collect();
    print!("{}", report::text(&tested));
    if let Some(path) = &test.junit {
        fs::write(path, junit::xml(&tested)?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if tested.iter().any(Tested::is_mistake) {
        MISTAKE
    } else if tested.iter().all(Tested::is_met) {
        0
    } else {
        NOT_MET
    })
}

/// Plays the cases of a file. A file that can't be read has one result, which says why, so that it is in every report.
fn play_file(path: &Path) -> Vec<Tested> {
    let file = path.display().to_string();
    match read(path) {
        Ok((rule, cases)) => cases
            .into_iter()
            .map(|case| Tested { result: play(&rule, &case), file: file.clone(), case: case.name })
            .collect(),
        Err(error) => {
            let result = CaseResult::Mistake(format!("{error:#}"));
            vec![Tested { file, case: "the file and its rule".to_owned(), result }]
        }
    }
}

fn read(path: &Path) -> anyhow::Result<(Rule, Vec<Case>)> {
    let name = path.display().to_string();
    let file = dojo_rules::EditedFile::new(path.to_owned(), MAX_BYTES);
    let bytes = file.read().with_context(|| name.clone())?;
    let text = utf8_text(&bytes).with_context(|| name.clone())?;
    let CaseFile { rule, cases } =
        serde_yaml::from_str(text).map_err(|error| anyhow::anyhow!(yaml_error::explain(&name, &error)))?;
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

fn play(rule: &Rule, case: &Case) -> CaseResult {
    let played = match rule {
        Rule::Fraud(rule) => simulate::fraud(rule, case),
        Rule::Notification(rule) => simulate::notification(rule, case),
    };
    match played {
        Ok(differences) if differences.is_empty() => CaseResult::Met,
        Ok(differences) => CaseResult::NotMet(differences),
        Err(PlayError::Rule(why)) => CaseResult::Failed(why),
        Err(PlayError::Mistake(why)) => CaseResult::Mistake(why),
    }
}
