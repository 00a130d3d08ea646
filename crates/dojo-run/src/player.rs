//! Plays scenarios one after another, and tells every audience how that goes. It knows nothing of a terminal.

use crate::{Options, Played, Progress, RunError, Target, exit, play};
use dojo_scenario::Scenario;
use std::{
    pin::pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often an audience may show time that passes.
const TICK: Duration = Duration::from_millis(100);

/// Watches scenarios being played: a terminal, a report, a page.
pub trait Audience: Send {
    /// A scenario begins.
    fn begin(&mut self, _scenario: &Scenario) {}
    /// Something happened in it.
    fn progress(&mut self, _progress: &Progress) {}
    /// Time passes; ten times a second.
    fn tick(&mut self) {}
    /// The scenario is being stopped before its end.
    fn stopping(&mut self) {}
    /// The scenario has ended.
    fn end(&mut self, _scenario: &Scenario, _played: &Played) {}
}

/// Plays scenarios against one dojo.
pub(crate) struct Player<'a> {
    pub target: &'a Target,
    pub options: Options,
    /// Whether to stop after the first scenario that isn't met.
    pub fail_fast: bool,
}

impl Player<'_> {
    /// Plays scenarios until the end of the last one, or `stop`. Returns the gravest exit code.
    pub async fn play(
        &self,
        scenarios: impl Iterator<Item = &Scenario>,
        audiences: &mut [&mut dyn Audience],
        stop: &CancellationToken,
    ) -> u8 {
        let mut code = exit::MET;
        for scenario in scenarios {
            if stop.is_cancelled() {
                return exit::worse(code, exit::INTERRUPTED);
            }
            let played = self.play_one(scenario, audiences, stop).await;
            code = exit::worse(code, played.exit_code());
            let is_stopped = matches!(played.error, Some(RunError::StoppedOnThePage));
            if is_stopped || (self.fail_fast && code != exit::MET) {
                break;
            }
        }
        code
    }

    async fn play_one(
        &self,
        scenario: &Scenario,
        audiences: &mut [&mut dyn Audience],
        stop: &CancellationToken,
    ) -> Played {
        // One task sends the progress and the ticks to the audiences.
        let audiences = Mutex::new(audiences);
        let tell = |what: &dyn Fn(&mut dyn Audience)| {
            let mut audiences = audiences.lock().unwrap_or_else(PoisonError::into_inner);
            audiences.iter_mut().for_each(|audience| what(*audience));
        };
        tell(&|audience| audience.begin(scenario));
        let mut progress = |progress| tell(&|audience| audience.progress(&progress));
        // A stop on the page cancels this run alone, so that the first Ctrl-C after it is still the first.
        let this = stop.child_token();
        let mut playing = pin!(play(scenario, self.target, &self.options, &mut progress, &this));
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping = false;
        let played = loop {
            tokio::select! {
                biased;
                played = &mut playing => break played,
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    tell(&|audience| audience.stopping());
                }
                _ = tick.tick() => tell(&|audience| audience.tick()),
            }
        };
        tell(&|audience| audience.end(scenario, &played));
        played
    }
}
