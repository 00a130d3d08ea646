//! `--watch`: plays the scenarios, waits until one of their files or a rule of the dojo is saved, and plays them again.
//!
//! Files are looked at and not subscribed to, which works on every file system, also in a container. A change while a scenario
//! plays stops it in order, so that the order service puts back what it changed, and the next play begins at once.

mod difference;
mod file_changes;
mod rule_changes;

use crate::{
    Options, Played, Progress, RunError,
    cli::Cli,
    client::Client,
    exit,
    files::{Files, Stamp},
    player::{Audience, Player},
    selection::{Refusal, select},
    summary::Summary,
    terminal::{DIM, GREEN, PLAIN, RED, Terminal, columns_of_stdout, line, painted, print, wrapped},
};
use difference::{Difference, Verdicts};
use dojo_scenario::{Scenario, document::Action, flat};
use file_changes::until_changed;
use rule_changes::RuleChanges;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    pin::pin,
};
use tokio_util::sync::CancellationToken;

/// Plays until `stop`. Returns the exit code of the last verdict, or of an interruption while a scenario plays.
pub(crate) async fn watch(cli: &Cli, stop: &CancellationToken) -> u8 {
    let client = match Client::new(cli.target.clone()) {
        Ok(client) => client,
        Err(error) => {
            line(format_args!("error: {error}"));
            return exit::COULD_NOT_RUN;
        }
    };
    let mut watch = Watch {
        player: Player { target: &cli.target, options: Options::default(), fail_fast: cli.fail_fast },
        terminal: Terminal::new(cli.detail(), stop.clone()),
        heard: Heard::default(),
        rules: RuleChanges::new(client),
        stop,
    };
    let mut is_first = true;
    loop {
        let files = Files::default();
        let selected = select(cli, &files);
        let stamps = files.into_stamps();
        let ended = match selected {
            // A wrong command line doesn't become right by waiting.
            Err(refusal) if is_first && refusal.code == exit::COMMAND_LINE => {
                refusal.errors.iter().for_each(line);
                return refusal.code;
            }
            Err(refusal) => {
                show_refusal(&refusal);
                watch.wait(&stamps, false, refusal.code).await
            }
            Ok(scenarios) => match watch.play(cli.options(&scenarios), &scenarios, &stamps).await {
                // A scenario that was stopped on the page can be played again.
                Ended::Verdict(code) if !stop.is_cancelled() => watch.wait(&stamps, true, code).await,
                ended => ended,
            },
        };
        match ended {
            Ended::Changed(reasons) => watch.terminal.begin_again(&reasons),
            Ended::Verdict(code) => return code,
        }
        is_first = false;
    }
}

/// How playing or waiting ended.
enum Ended {
    /// With this exit code.
    Verdict(u8),
    /// With a change, in words.
    Changed(Vec<String>),
}

struct Watch<'a> {
    player: Player<'a>,
    terminal: Terminal,
    heard: Heard,
    rules: RuleChanges,
    stop: &'a CancellationToken,
}

impl Watch<'_> {
    /// Plays scenarios to the end of the last one, or until something changes.
    async fn play(
        &mut self,
        options: Options,
        scenarios: &[Scenario],
        stamps: &BTreeMap<PathBuf, Stamp>,
    ) -> Ended {
        self.player.options = options;
        self.heard.begin(scenarios);
        self.rules.begin(changed_by(scenarios)).await;
        let this = self.stop.child_token();
        let mut summary = Summary::new();
        let change = {
            let mut audiences: [&mut dyn Audience; 3] = [&mut self.terminal, &mut self.heard, &mut summary];
            let mut playing = pin!(self.player.play(scenarios.iter(), &mut audiences, &this));
            tokio::select! {
                code = &mut playing => Ended::Verdict(code),
                reasons = until_changed(stamps) => {
                    this.cancel();
                    playing.await;
                    Ended::Changed(reasons)
                }
                reason = self.rules.until_changed() => {
                    this.cancel();
                    playing.await;
                    Ended::Changed(vec![reason])
                }
            }
        };
        self.rules.end(std::mem::take(&mut self.heard.rules), self.heard.away);
        match change {
            Ended::Changed(_) if self.stop.is_cancelled() => Ended::Verdict(exit::INTERRUPTED),
            Ended::Verdict(code) => {
                summary.print();
                show_differences(&self.heard.differences);
                Ended::Verdict(code)
            }
            changed => changed,
        }
    }

    /// Waits until a file changes, a rule if that matters, or `stop`.
    async fn wait(&mut self, stamps: &BTreeMap<PathBuf, Stamp>, rules_matter: bool, code: u8) -> Ended {
        if !self.stop.is_cancelled() {
            line(painted(DIM, "waiting for a change; press Ctrl-C to end"));
        }
        tokio::select! {
            () = self.stop.cancelled() => Ended::Verdict(code),
            reasons = until_changed(stamps) => Ended::Changed(reasons),
            reason = self.rules.until_changed(), if rules_matter => Ended::Changed(vec![reason]),
        }
    }
}

/// Returns the rules that scenarios change.
fn changed_by(scenarios: &[Scenario]) -> BTreeSet<String> {
    let mut rules = BTreeSet::new();
    for scenario in scenarios {
        for planned in flat(&scenario.plan()) {
            if let Action::Rule(rule) = &planned.step.action {
                rules.insert(rule.name.clone());
            }
        }
    }
    rules
}

fn show_refusal(refusal: &Refusal) {
    for name in &refusal.gone {
        line(format_args!("`{name}` isn't there any more; waiting until it is back"));
    }
    let gone =
        |error: &&String| refusal.gone.iter().any(|name| error.contains(&format!("cannot read `{name}`")));
    refusal.errors.iter().filter(|error| !gone(error)).for_each(line);
}

fn show_differences(differences: &[Difference]) {
    for difference in differences {
        let style = match difference {
            Difference::NowMet(_) => GREEN,
            Difference::NoLongerMet(_) => RED,
            Difference::Other(_) => PLAIN,
        };
        for text in wrapped(&format!("  {difference}"), 4, columns_of_stdout()) {
            print(&format!("{}\n", painted(style, &text)));
        }
    }
}

/// The verdicts, the changed rules and the outage of one round of playing.
#[derive(Default)]
struct Heard {
    verdicts: Verdicts,
    differences: Vec<Difference>,
    /// The versions that the scenarios gave to rules.
    rules: BTreeSet<(String, String)>,
    away: bool,
}

impl Heard {
    fn begin(&mut self, scenarios: &[Scenario]) {
        self.verdicts.keep(scenarios);
        self.differences.clear();
        self.rules.clear();
        self.away = false;
    }
}

impl Audience for Heard {
    fn progress(&mut self, progress: &Progress) {
        if let Progress::RuleChanged { name, version } = progress {
            self.rules.insert((name.clone(), version.clone()));
        }
    }

    fn end(&mut self, scenario: &Scenario, played: &Played) {
        self.away = matches!(played.error, Some(RunError::Away { .. }));
        self.differences.extend(self.verdicts.replace(scenario, played));
    }
}
