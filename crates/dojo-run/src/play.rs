//! Plays one scenario against one dojo: takes the lease, opens the event stream, asks whether the dojo is fit, plays the steps in
//! order, and gives the lease back, also after an error or an interruption. The order service then puts back what the run
//! changed.
//!
//! A missed expectation or a broken promise doesn't end the run; an error does.

use crate::{
    RunError, Target,
    client::Client,
    events::{self, Watched},
    exit,
    finding::Finding,
    keyboard::Asks,
    lease::{Lease, NewRun},
    load::Figures,
    progress::{Extent, Progress, State, Step},
    reports::{Outbox, cut},
    state,
    steps::Stage,
    teller::Teller,
    versions::{self, Versions},
};
use dojo_contract::{Run, RunCounts, RunVerdict};
use dojo_scenario::{
    Place, Planned, Scenario,
    document::{Action, Redrive},
    draw::Seed,
    flat,
    observe::Observer,
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use uuid::Uuid;

/// How often broken promises are looked for: often enough to tell one within a second.
const TICK: Duration = Duration::from_millis(250);

/// How a scenario is played.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The seed of every random choice. Without it, the scenario's own is used, or a new one.
    pub seed: Option<u64>,
    /// Plays although another run holds the dojo, and changes no settings, rules or instances.
    pub alongside: bool,
    /// The id of the run. Without it, it gets a new one.
    pub run_id: Option<String>,
    /// Who is asked the questions of the scenario.
    pub asks: Asks,
}

/// The result of playing a scenario.
#[derive(Debug)]
pub struct Played {
    /// The short name of the run, the value of `${run}`.
    pub run: String,
    /// The seed of its random choices.
    pub seed: u64,
    /// Orders placed.
    pub orders: u64,
    /// The events of its orders.
    pub events: RunCounts,
    /// The finding of each expectation that was reached, in order.
    pub findings: Vec<Finding>,
    /// The figures of each flood that has begun, with the number of its step from 1.
    pub floods: Vec<(usize, Figures)>,
    /// The versions before the first step; `None` if the run didn't get the lease.
    pub versions_before: Option<Versions>,
    /// The versions after the last step, before anything was put back.
    pub versions_after: Option<Versions>,
    /// The promises that were broken, in sentences.
    pub broken: Vec<String>,
    /// Why the scenario was not played to its end.
    pub error: Option<RunError>,
    /// The step at which that happened.
    pub failed_at: Option<Place>,
    /// Why it isn't known whether everything was put back.
    pub not_undone: Option<RunError>,
}

impl Played {
    /// Exit code of a run with this scenario alone.
    pub fn exit_code(&self) -> u8 {
        let met = self.broken.is_empty() && self.findings.iter().all(|finding| finding.met);
        let met = if met { exit::MET } else { exit::NOT_MET };
        let codes = self.error.iter().chain(&self.not_undone).map(RunError::exit_code);
        codes.fold(met, exit::worse)
    }

    /// Returns the verdict.
    pub fn verdict(&self) -> RunVerdict {
        match (&self.error, self.exit_code()) {
            (Some(RunError::Interrupted | RunError::StoppedOnThePage), _) => RunVerdict::Interrupted,
            (Some(_), _) => RunVerdict::Failed,
            (None, exit::MET) => RunVerdict::Met,
            (None, _) => RunVerdict::NotMet,
        }
    }
}

/// Plays `scenario` against `target` until its end or `stop`, and reports the progress to `audience`.
///
/// Takes at most as long as the scenario's schedule and waits, plus a bounded time for each answer of the target. To stop
/// it, cancel `stop`: if the future is dropped, the order service puts everything back six seconds later.
pub async fn play(
    scenario: &Scenario,
    target: &Target,
    options: &Options,
    audience: &mut (dyn FnMut(Progress) + Send),
    stop: &CancellationToken,
) -> Played {
    let seed = options.seed.or(scenario.document.seed).unwrap_or_else(new_seed);
    let new_id = || cut(&Uuid::new_v4().simple().to_string(), 6);
    let mut played = Played {
        run: options.run_id.clone().unwrap_or_else(new_id),
        seed,
        orders: 0,
        events: RunCounts::default(),
        findings: Vec::new(),
        floods: Vec::new(),
        versions_before: None,
        versions_after: None,
        broken: Vec::new(),
        error: None,
        failed_at: None,
        not_undone: None,
    };
    let room = Arc::new(Outbox::default());
    let (tell, mut told) = Teller::new(room.clone());
    let mut playing = Box::pin(play_with(scenario, target, options, &mut played, (tell, room), stop));
    loop {
        tokio::select! {
            biased;
            Some(progress) = told.recv() => audience(progress),
            () = &mut playing => break,
        }
    }
    drop(playing);
    while let Ok(progress) = told.try_recv() {
        audience(progress);
    }
    played
}

/// Returns a seed that is short enough to be typed.
fn new_seed() -> u64 {
    u64::from(Uuid::new_v4().as_fields().0 >> 12)
}

async fn play_with(
    scenario: &Scenario,
    target: &Target,
    options: &Options,
    played: &mut Played,
    (tell, room): (Teller, Arc<Outbox>),
    stop: &CancellationToken,
) {
    let opened = async {
        let client = Client::new(target.clone())?;
        let new = NewRun::new(&played.run, scenario, played.seed, options.alongside);
        let lease = Lease::acquire(&client, new, room, stop).await?;
        Ok((client, lease))
    };
    let (client, lease) = tokio::select! {
        opened = opened => match opened {
            Ok(opened) => opened,
            Err(error) => return played.error = Some(error),
        },
        () = stop.cancelled() => return played.error = Some(RunError::Interrupted),
    };
    played.error = on_stage(scenario, &client, &lease, options, played, &tell, stop).await.err();
    if matches!(played.error, Some(RunError::Interrupted)) && lease.is_stopped_by_the_room() {
        played.error = Some(RunError::StoppedOnThePage);
        tell.noted("stopped on the page; the order service puts back what the run changed".to_owned()).await;
    }
    if played.versions_before.is_some() && !stop.is_cancelled() {
        played.versions_after = Some(versions::ask(&client).await);
    }
    let failure = played.error.as_ref().map(|error| cut(&error.to_string(), Run::DETAIL_MAX_CHARS));
    let ended = lease.end(played.verdict(), failure).await;
    match ended {
        Ok(undone) => {
            for text in undone {
                tell.noted(text).await;
            }
        }
        Err(reason) => played.not_undone = Some(RunError::NotUndone { reason: Box::new(reason) }),
    }
}

/// Plays the steps with the event stream open, and collects broken promises on the way.
async fn on_stage(
    scenario: &Scenario,
    client: &Client,
    lease: &Lease,
    options: &Options,
    played: &mut Played,
    tell: &Teller,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let plan = scenario.plan();
    let all = flat(&plan);
    if let Some(planned) = all.iter().find(|planned| lease.is_alongside() && changes(&planned.step.action)) {
        let step = planned.step.action.to_string();
        return Err(RunError::NotAlongside { step, place: planned.step.place.clone() });
    }
    let expectations =
        all.iter().filter_map(|planned| Some((planned.number, planned.expectation()?, planned.repetition)));
    let observer = Observer::new(&played.run, expectations, scenario.document.always.as_ref());
    let (watched, _) = watch::channel(Watched::new(observer));
    let stream = unless(stop, client.events(None)).await??;
    let _events =
        AbortOnDropHandle::new(tokio::spawn(events::follow(client.clone(), stream, watched.clone())));
    let mut stage = Stage {
        scenario,
        client,
        lease,
        run: &played.run,
        seed: Seed(played.seed),
        watched: &watched,
        tell,
        stop,
        labels: HashMap::new(),
        findings: &mut played.findings,
        floods: &mut played.floods,
        asks: &options.asks,
        asked: Vec::new(),
        total: all.len(),
        step: &mut played.failed_at,
    };
    let steps = async {
        let (fit, versions) = futures::join!(stage.wait_until_fit(), versions::ask(client));
        played.versions_before = Some(versions);
        fit?;
        // The rebalances before the first step are not the run's.
        unless(stop, state::until_quiet(client, &watched)).await??;
        unless(stop, state::look(client, &watched)).await??;
        let _states = AbortOnDropHandle::new(tokio::spawn(state::follow(client.clone(), watched.clone())));
        stage.play(&plan).await?;
        stage.wait_for_outcomes().await
    };
    let went = tokio::select! {
        went = steps => went,
        error = lease.lost() => Err(error),
        () = keep_promises(&watched, tell) => Ok(()),
    };
    // Also after an error or a stop: the room has guessed, and wants to know.
    stage.reveal().await;
    watched.send_modify(|watched| watched.observer.tick(watched.clock()));
    // Each promise with its first breach, which was told before, and with how often it was broken.
    played.broken = watched.borrow().observer.breaches().iter().map(ToString::to_string).collect();
    played.orders = watched.borrow().observer.orders();
    played.events = watched.borrow().observer.counts();
    // The last ones may have come since the last tick.
    tell.tell(Progress::Counted(played.events)).await;
    went
}

/// Tells each promise that is broken, within a second, and the events so far.
async fn keep_promises(watched: &watch::Sender<Watched>, tell: &Teller) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = RunCounts::default();
    loop {
        tick.tick().await;
        let (mut breaches, mut events) = (Vec::new(), RunCounts::default());
        watched.send_if_modified(|watched| {
            watched.observer.tick(watched.clock());
            breaches = watched.observer.take_breaches();
            events = watched.observer.counts();
            false
        });
        if events != told {
            told = events;
            tell.tell(Progress::Counted(events)).await;
        }
        for breach in breaches {
            tell.tell(Progress::Broken(breach.to_string())).await;
        }
    }
}

/// Returns whether a step changes the dojo, which a run alongside another must not.
fn changes(action: &Action) -> bool {
    matches!(
        action,
        Action::Settings(_) | Action::Rule(_) | Action::Instance(_) | Action::Redrive(Redrive::All)
    )
}

async fn unless<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Result<T, RunError> {
    tokio::select! {
        done = work => Ok(done),
        () = stop.cancelled() => Err(RunError::Interrupted),
    }
}

/// Returns a step in words, short enough to be reported. `${n}` stays, because it differs from order to order.
fn in_words(planned: &Planned<'_>, run: &str) -> String {
    let words = planned.step.to_string().replace("${run}", run);
    cut(&words.replace("${i}", &planned.repetition.to_string()), Run::TEXT_MAX_CHARS)
}

impl Stage<'_> {
    async fn play(&mut self, plan: &[Planned<'_>]) -> Result<(), RunError> {
        if let (Asks::Nobody(because), 1..) = (self.asks, self.scenario.questions()) {
            self.tell.noted(format!("the questions are skipped, because {because}")).await;
        }
        if let Some(change) = &self.scenario.document.settings {
            if self.lease.is_alongside() {
                self.settings_are(change).await?;
                self.tell.noted(format!("the settings are as this run needs them: {change}")).await;
            } else {
                let applied = self.settings(change).await?;
                self.tell.noted(format!("settings for this run: {change}: {applied}")).await;
            }
        }
        self.play_steps(plan).await
    }

    /// Waits for the outcome of every order, if the scenario promises one. An order that has none in time breaks the promise,
    /// and isn't waited for any more.
    async fn wait_for_outcomes(&self) -> Result<(), RunError> {
        loop {
            let awaited = self.watched.borrow().observer.awaited();
            if awaited == 0 {
                return Ok(());
            }
            self.tell.moved(0, State::Waiting(format!("waiting for the outcome of {awaited} orders")));
            self.unless_stopped(sleep(TICK)).await?;
            if let Some(error) = &self.watched.borrow().ended {
                return Err(error.clone());
            }
        }
    }

    /// Plays steps one after another.
    pub(crate) async fn play_steps(&mut self, plan: &[Planned<'_>]) -> Result<(), RunError> {
        for planned in plan {
            if self.stop.is_cancelled() {
                return Err(RunError::Interrupted);
            }
            *self.step = Some(planned.step.place.clone());
            if matches!(planned.step.action, Action::Say(_) | Action::Ask(_)) {
                self.step(planned).await?;
                continue;
            }
            let step = self.described(planned);
            self.tell.tell(Progress::Began(step.clone())).await;
            let result = self.step(planned).await?;
            self.tell.tell(Progress::Ended { step, result }).await;
        }
        Ok(())
    }

    fn described(&self, planned: &Planned<'_>) -> Step {
        let extent = match &planned.step.action {
            Action::Pause(lasts) => Extent::Lasts(*lasts),
            Action::Flood(flood) => {
                flood.schedule().map_or(Extent::Answer, |schedule| Extent::Orders(schedule.orders()))
            }
            Action::Expect(expectation) => Extent::Within(expectation.within),
            _ => Extent::Answer,
        };
        let text = in_words(planned, self.run);
        Step { number: planned.number + 1, of: self.total, text, extent }
    }
}
