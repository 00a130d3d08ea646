//! Waits until a rule of the dojo is saved. What a scenario itself does to rules, and its being put back, is no change.

use crate::{
    RunError,
    client::{Client, Request},
    terminal::line,
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::{Instant, sleep};

const ASK_EVERY: Duration = Duration::from_millis(150);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// A dojo that hasn't answered for this long is away.
const AWAY_AFTER: Duration = Duration::from_secs(1);
/// How long the dojo may show versions of the scenario after its rules were put back.
const PUT_BACK_WITHIN: Duration = Duration::from_secs(2);

/// A rule as `GET /rules` shows it.
#[derive(Debug, Clone, Deserialize)]
struct Rule {
    name: String,
    file: String,
    version: String,
}

/// The rules of the dojo, as far as they are known.
pub(super) struct RuleChanges {
    client: Client,
    /// The version of each rule by its name.
    known: BTreeMap<String, String>,
    /// The rules that the scenarios change.
    changed: BTreeSet<String>,
    /// The versions that the scenarios gave to rules.
    own: BTreeSet<(String, String)>,
    playing: bool,
    ended: Instant,
    answered: Instant,
    away: bool,
}

impl RuleChanges {
    pub fn new(client: Client) -> Self {
        let now = Instant::now();
        Self {
            client,
            known: BTreeMap::new(),
            changed: BTreeSet::new(),
            own: BTreeSet::new(),
            playing: false,
            ended: now,
            answered: now,
            away: false,
        }
    }

    /// Scenarios that change these rules are about to be played.
    pub async fn begin(&mut self, changed: BTreeSet<String>) {
        (self.playing, self.away, self.changed) = (true, false, changed);
        if self.ended.elapsed() > PUT_BACK_WITHIN {
            self.own.clear();
        }
        // These versions are played with. A dojo that doesn't answer is asked again.
        let rules = self.ask().await.unwrap_or_default().into_iter().map(|rule| (rule.name, rule.version));
        self.known.extend(rules.filter(|rule| !self.own.contains(rule)));
    }

    /// The scenarios have ended, and gave these versions to rules.
    pub fn end(&mut self, own: BTreeSet<(String, String)>, away: bool) {
        let now = Instant::now();
        self.own.extend(own);
        (self.playing, self.ended, self.answered) = (false, now, now);
        if away {
            self.is_away();
        }
    }

    /// Waits until another version of a rule is in force, or the dojo is back. Returns which, in words.
    pub async fn until_changed(&mut self) -> String {
        loop {
            sleep(ASK_EVERY).await;
            if self.away {
                let ready = self.client.ask_within(&Request::to("GET /readyz"), ANSWER_WITHIN).await;
                if ready.is_ok_and(|answer| answer.status == 200) {
                    self.known.clear();
                    return "the dojo is back".to_owned();
                }
                continue;
            }
            match self.ask().await {
                Ok(rules) => {
                    self.answered = Instant::now();
                    if let Some(change) = rules.into_iter().find_map(|rule| self.change(rule)) {
                        return change;
                    }
                }
                // It answers, though not as expected.
                Err(RunError::Refused { .. } | RunError::NotADojo { .. }) => self.answered = Instant::now(),
                Err(_) if !self.playing && self.answered.elapsed() > AWAY_AFTER => self.is_away(),
                Err(_) => {}
            }
        }
    }

    fn is_away(&mut self) {
        self.away = true;
        line("the dojo doesn't answer; the scenarios play again once it does");
    }

    async fn ask(&self) -> Result<Vec<Rule>, RunError> {
        self.client.ask_within(&Request::to("GET /rules"), ANSWER_WITHIN).await?.with(&[200])?.json()
    }

    /// Returns the change of a rule, if somebody else than the scenarios made it.
    fn change(&mut self, Rule { name, file, version }: Rule) -> Option<String> {
        let is_own = self.own.contains(&(name.clone(), version.clone()));
        // What happens to these rules meanwhile is seen at the end.
        if is_own || (self.playing && self.changed.contains(&name)) {
            return None;
        }
        if self.known.get(&name) == Some(&version) {
            if self.ended.elapsed() > PUT_BACK_WITHIN && !self.playing {
                self.own.retain(|(own, _)| *own != name);
            }
            return None;
        }
        let before = self.known.insert(name, version.clone())?;
        Some(format!("{file}: version {before} → {version}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> RuleChanges {
        let client = Client::new("http://localhost:1".parse().unwrap()).unwrap();
        let mut rules = RuleChanges::new(client);
        rules.known =
            [("fraud", "a1"), ("notification", "b1")].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        rules
    }

    fn rule(name: &str, version: &str) -> Rule {
        Rule { name: name.to_owned(), file: format!("rules/{name}.rhai"), version: version.to_owned() }
    }

    #[tokio::test]
    async fn a_saved_rule_is_a_change_once() {
        let mut rules = rules();
        let change = Some("rules/fraud.rhai: version a1 → a2".to_owned());
        assert_eq!(rules.change(rule("fraud", "a2")), change);
        assert_eq!(rules.change(rule("fraud", "a2")), None);
        assert_eq!(rules.change(rule("notification", "b1")), None);
    }

    #[tokio::test]
    async fn what_a_scenario_does_to_a_rule_and_its_being_put_back_is_no_change() {
        let mut rules = rules();
        rules.begin(["fraud".to_owned()].into()).await;
        assert_eq!(rules.change(rule("fraud", "own")), None);
        assert!(rules.change(rule("notification", "b2")).is_some(), "the scenario has nothing to do with it");
        rules.end([("fraud".to_owned(), "own".to_owned())].into(), false);
        // The dojo may show the versions late, and in turn.
        for version in ["own", "a1", "own", "a1"] {
            assert_eq!(rules.change(rule("fraud", version)), None, "{version}");
        }
        assert!(rules.change(rule("fraud", "a3")).is_some());
    }

    #[tokio::test]
    async fn a_rule_that_is_saved_while_the_scenario_changes_it_is_a_change_at_the_end() {
        let mut rules = rules();
        rules.begin(["fraud".to_owned()].into()).await;
        assert_eq!(rules.change(rule("fraud", "saved")), None);
        rules.end([("fraud".to_owned(), "own".to_owned())].into(), false);
        assert_eq!(
            rules.change(rule("fraud", "saved")),
            Some("rules/fraud.rhai: version a1 → saved".to_owned())
        );
    }
}
