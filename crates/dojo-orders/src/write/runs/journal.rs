//! Writes runs to `dojo-runs`, and keeps their leases.
//!
//! Every write of a run begins with its last record and is visible in the read model before the next one begins, so that no
//! write loses what another one has noted. A renewal is kept in memory alone: the run's record names the order service to
//! which the runner reports, and only that service counts the seconds of silence.

use crate::{
    log::stable_offsets::StableOffsets,
    read_models::{
        ReadModels,
        runs::{PARTITION, Runs},
    },
    write::{
        ANSWER_WITHIN, WriteError,
        runs::{
            body::NewRun,
            changes,
            guess::NewGuess,
            report::{RunEnd, RunEvent},
        },
    },
};
use chrono::Utc;
use dojo_contract::{Run, RunChange, RunQuestion, RunState, time, topic};
use dojo_kafka::{Outgoing, Producer};
use parking_lot::Mutex as Lock;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::{
    sync::{Mutex, MutexGuard, oneshot},
    time::{Instant, timeout_at},
};

/// Runs that may play beside the lease's.
const MAX_ALONGSIDE: usize = 20;

/// Writes the runs.
pub(crate) struct RunJournal {
    producer: Producer,
    models: Arc<ReadModels>,
    offsets: Arc<StableOffsets>,
    /// Id of this order service.
    own_id: String,
    /// Writes are made one after the other. Has the offset of this service's last record.
    turn: Mutex<Option<i64>>,
    leases: Lock<Leases>,
    /// The guesses that wait for a turn. Each request has one, so there are at most as many as connections.
    guesses: Lock<Vec<WaitingGuess>>,
}

/// A guess that waits to be written.
struct WaitingGuess {
    run: String,
    question: u32,
    guess: NewGuess,
    answer: oneshot::Sender<Result<Arc<Run>, WriteError>>,
}

/// What only this service knows of the running runs.
#[derive(Default)]
struct Leases {
    /// When each runner reported last.
    heard: BTreeMap<String, Instant>,
    /// The runs whose changes are being put back.
    ending: BTreeSet<String>,
}

impl RunJournal {
    pub(crate) fn new(
        producer: Producer,
        models: Arc<ReadModels>,
        offsets: Arc<StableOffsets>,
        own_id: String,
    ) -> Self {
        Self {
            producer,
            models,
            offsets,
            own_id,
            turn: Mutex::default(),
            leases: Lock::default(),
            guesses: Lock::default(),
        }
    }

    /// Starts a run, which then holds the lease unless it plays alongside. A run that was started before is returned.
    pub(crate) async fn start(&self, new: NewRun) -> Result<Arc<Run>, WriteError> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let mut turn = self.turn(deadline).await?;
        self.read_to_the_end(deadline).await?;
        let NewRun { run_id, scenario, alongside, lesson, file, seed } = new;
        if let Some(run) = self.runs().get(&run_id) {
            if !run.is_running() || run.scenario != scenario || run.alongside != alongside {
                let message = format!("the run id {run_id} is taken by another run: choose another one");
                return Err(WriteError::Conflict(message));
            }
            self.refuse_without_lease(&run)?;
            self.hear(&run_id);
            return Ok(run);
        }
        match self.runs().holder() {
            Some(holder) if !alongside => return Err(WriteError::LeaseTaken(holder)),
            _ => {}
        }
        let running = self.runs().all().into_iter().filter(|run| run.alongside && run.is_running()).count();
        if alongside && running >= MAX_ALONGSIDE {
            let message = format!("{running} runs play alongside, which is the most: wait until one ends");
            return Err(WriteError::Conflict(message));
        }
        let (now, service) = (time::to_millis(Utc::now()), self.own_id.clone());
        let run = Run::starting(run_id, scenario, alongside, now, service);
        let run = Run { lesson, file, seed, ..run };
        self.hear(&run.run_id);
        self.write(&mut turn, &run.run_id, Some(&run), deadline).await?;
        let Some(started) = self.runs().get(&run.run_id) else {
            return Err(WriteError::OutcomeUnknown("the run isn't visible yet".to_owned()));
        };
        // Another order service may have written a run at the same time. The log decides whose is first.
        if let Err(taken) = self.refuse_without_lease(&started) {
            self.write(&mut turn, &run.run_id, None, deadline).await?;
            return Err(taken);
        }
        Ok(started)
    }

    /// Takes in what a runner reports, as one write, which renews its lease. The end of a run is for the undo.
    pub(crate) async fn report(&self, id: &str, events: Vec<RunEvent>) -> Result<Arc<Run>, WriteError> {
        let run = self.known(id)?;
        self.refuse_if_over(&run)?;
        self.hear(id);
        if self.is_own(&run) && events.iter().all(|event| *event == RunEvent::Renewed) {
            return Ok(run);
        }
        let apply = |run: &mut Run| {
            events.into_iter().for_each(|event| event.apply(run));
            Ok(())
        };
        self.update(id, apply).await
    }

    /// Counts a guess, in one write with all others that wait for their turn.
    pub(crate) async fn guess(
        self: &Arc<Self>,
        id: &str,
        question: u32,
        guess: NewGuess,
    ) -> Result<Arc<Run>, WriteError> {
        let run = self.known(id)?;
        self.refuse_if_over(&run)?;
        let (answer, mut answered) = oneshot::channel();
        {
            let mut guesses = self.guesses.lock();
            // Those whose write failed, or whose client has left.
            guesses.retain(|waiting| !waiting.answer.is_closed());
            guesses.push(WaitingGuess { run: id.to_owned(), question, guess, answer });
        }
        let (journal, id) = (Arc::clone(self), id.to_owned());
        // A task, because it writes the guesses of others, too, and this client may leave.
        let writing = tokio::spawn(async move { journal.write_guesses(&id).await });
        let lost = |_| WriteError::OutcomeUnknown("a write of several guesses failed".to_owned());
        match writing.await.map_err(|error| WriteError::Defect(error.to_string()))? {
            Ok(()) => answered.await.map_err(lost)?,
            // An earlier turn may have counted it.
            Err(error) => answered.try_recv().unwrap_or(Err(error)),
        }
    }

    /// Writes the guesses about a run that wait now. Those of them whose client has left are left out.
    async fn write_guesses(&self, id: &str) -> Result<(), WriteError> {
        let mut answers = Vec::new();
        let count = |run: &mut Run| {
            self.refuse_if_over(run)?;
            for waiting in self.guesses.lock().extract_if(.., |guess| guess.run == id) {
                if !waiting.answer.is_closed() {
                    answers.push((waiting.answer, waiting.guess.count(run, waiting.question)));
                }
            }
            Ok(())
        };
        let run = self.update(id, count).await?;
        for (answer, counted) in answers {
            // Fails only if the client has left.
            let _ = answer.send(counted.map(|()| Arc::clone(&run)));
        }
        Ok(())
    }

    /// Ends the guessing at a question, so that the run goes on.
    pub(crate) async fn close(&self, id: &str, number: u32) -> Result<Arc<Run>, WriteError> {
        let close = |run: &mut Run| {
            self.refuse_if_over(run)?;
            let question = run.question_mut(number);
            let unknown = || WriteError::NoSuchQuestion { run: id.to_owned(), number };
            question.ok_or_else(unknown).map(RunQuestion::close)
        };
        self.known(id)?;
        self.update(id, close).await
    }

    /// Asks the runner of a run to stop it.
    pub(crate) async fn stop(&self, id: &str) -> Result<Arc<Run>, WriteError> {
        let stop = |run: &mut Run| {
            self.refuse_if_over(run)?;
            run.stop_requested = true;
            Ok(())
        };
        self.known(id)?;
        self.update(id, stop).await
    }

    /// Notes what a run is about to change, and renews its lease. Returns once the note is on the log.
    pub(crate) async fn note(&self, id: &str, new: Vec<RunChange>) -> Result<(), WriteError> {
        let refused = |why: &str| {
            WriteError::Conflict(format!(
                "the run {id} {why}; without the header {}, the change belongs to no run",
                Run::HEADER
            ))
        };
        let run = self.runs().get(id).ok_or_else(|| match self.runs().is_caught_up() {
            true => refused("is unknown here: it hasn't started, or ended some time ago"),
            false => self.unknown(id),
        })?;
        if run.alongside {
            return Err(refused("plays alongside, and such a run changes nothing"));
        }
        let add = |run: &mut Run| {
            let is_ending = self.leases.lock().ending.contains(id);
            if is_ending || self.refuse_if_over(run).is_err() {
                return Err(refused("has no lease any more, so it changes nothing"));
            }
            for change in new {
                changes::add(&mut run.changes, change)
                    .map_err(|error| WriteError::Conflict(error.to_string()))?;
            }
            Ok(())
        };
        self.update(id, add).await?;
        self.hear(id);
        Ok(())
    }

    /// Marks a run as one whose changes are being put back; from then on it can change nothing more. Returns false if it was
    /// marked before, or is over.
    pub(crate) fn begin_end(&self, id: &str) -> bool {
        let is_running = self.runs().get(id).is_some_and(|run| run.is_running());
        is_running && self.leases.lock().ending.insert(id.to_owned())
    }

    /// Returns a run as it is once every change that was noted before is on the log.
    pub(crate) async fn settled(&self, id: &str) -> Result<Arc<Run>, WriteError> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let turn = self.turn(deadline).await?;
        self.last_of(id, &turn, deadline).await
    }

    /// Ends a run whose changes were put back; one that hasn't said how it ended is abandoned.
    pub(crate) async fn end(
        &self,
        id: &str,
        ended: Option<&RunEnd>,
        undone: &[String],
    ) -> Result<Arc<Run>, WriteError> {
        let end = |run: &mut Run| {
            run.state = if ended.is_some() { RunState::Ended } else { RunState::Abandoned };
            run.verdict = ended.map(|end| end.verdict);
            run.failure = ended.and_then(|end| end.failure.clone());
            run.ended_at = Some(time::to_millis(Utc::now()));
            run.undone = undone.to_vec();
            run.questions.iter_mut().for_each(RunQuestion::close);
            Ok(())
        };
        self.update(id, end).await
    }

    /// Removes a run that ended some time ago from the topic.
    pub(crate) async fn forget(&self, id: &str) -> Result<(), WriteError> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let mut turn = self.turn(deadline).await?;
        self.write(&mut turn, id, None, deadline).await
    }

    /// Notes that the runner of a run is there.
    pub(crate) fn hear(&self, id: &str) {
        self.leases.lock().heard.insert(id.to_owned(), Instant::now());
    }

    /// Returns when the runner of each of these runs reported last; one of which that isn't known reports now. Forgets the
    /// runs that aren't named.
    pub(crate) fn heard<'a>(&self, running: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, Instant> {
        let now = Instant::now();
        let mut leases = self.leases.lock();
        let heard = |id: &str| (id.to_owned(), leases.heard.get(id).copied().unwrap_or(now));
        let known: BTreeMap<_, _> = running.into_iter().map(heard).collect();
        leases.heard.clone_from(&known);
        leases.ending.retain(|id| known.contains_key(id));
        known
    }

    /// Whether `run` reports to this order service.
    pub(crate) fn is_own(&self, run: &Run) -> bool {
        run.order_service == self.own_id
    }

    fn runs(&self) -> &Runs {
        &self.models.runs
    }

    /// Returns the run with this id, as far as this service has read.
    fn known(&self, id: &str) -> Result<Arc<Run>, WriteError> {
        self.runs().get(id).ok_or_else(|| self.unknown(id))
    }

    fn unknown(&self, id: &str) -> WriteError {
        match self.runs().is_caught_up() {
            true => WriteError::NoSuchRun(id.to_owned()),
            false => WriteError::NotReady(UNREAD.to_owned()),
        }
    }

    fn refuse_if_over(&self, run: &Run) -> Result<(), WriteError> {
        if run.is_running() {
            self.refuse_without_lease(run)
        } else {
            Err(WriteError::RunIsOver(Box::new(run.clone())))
        }
    }

    fn refuse_without_lease(&self, run: &Run) -> Result<(), WriteError> {
        match self.runs().holder() {
            Some(holder) if !run.alongside && holder.run_id != run.run_id => {
                Err(WriteError::LeaseTaken(holder))
            }
            _ => Ok(()),
        }
    }

    /// Writes a run again, as `change` makes it.
    async fn update(
        &self,
        id: &str,
        change: impl FnOnce(&mut Run) -> Result<(), WriteError>,
    ) -> Result<Arc<Run>, WriteError> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let mut turn = self.turn(deadline).await?;
        let before = self.last_of(id, &turn, deadline).await?;
        let mut run = Run { order_service: self.own_id.clone(), ..Run::clone(&before) };
        change(&mut run)?;
        if run == *before {
            return Ok(before);
        }
        self.write(&mut turn, id, Some(&run), deadline).await?;
        Ok(Arc::new(run))
    }

    /// Waits for the turn to write.
    async fn turn(&self, deadline: Instant) -> Result<MutexGuard<'_, Option<i64>>, WriteError> {
        if self.producer.is_away() {
            return Err(WriteError::NotReady(self.producer.connectivity().borrow().to_string()));
        }
        if !self.runs().is_caught_up() {
            return Err(WriteError::NotReady(UNREAD.to_owned()));
        }
        timeout_at(deadline, self.turn.lock()).await.map_err(|_| WriteError::TooLate)
    }

    /// Returns a run as its last record on the log says.
    async fn last_of(&self, id: &str, own: &Option<i64>, deadline: Instant) -> Result<Arc<Run>, WriteError> {
        self.own_records_are_read(own, deadline).await?;
        let run = self.known(id)?;
        if self.is_own(&run) {
            return Ok(run);
        }
        // The other order service may have written to the run just now.
        self.read_to_the_end(deadline).await?;
        self.known(id)
    }

    async fn own_records_are_read(&self, last: &Option<i64>, deadline: Instant) -> Result<(), WriteError> {
        let Some(offset) = last else { return Ok(()) };
        let read = self.runs().applied.wait(PARTITION, *offset);
        timeout_at(deadline, read).await.map_err(|_| WriteError::NotReady(UNREAD.to_owned()))
    }

    /// Waits until everything that is on `dojo-runs` now was read.
    async fn read_to_the_end(&self, deadline: Instant) -> Result<(), WriteError> {
        let ends =
            timeout_at(deadline, self.offsets.ends(topic::RUNS)).await.map_err(|_| WriteError::TooLate)?;
        let end = ends.map_err(|error| WriteError::NotReady(error.to_string()))?.get(&PARTITION).copied();
        self.own_records_are_read(&end.map(|end| end - 1), deadline).await
    }

    /// Writes a record, and waits until the read model has it.
    async fn write(
        &self,
        last: &mut Option<i64>,
        id: &str,
        run: Option<&Run>,
        deadline: Instant,
    ) -> Result<(), WriteError> {
        let value = run.map(serde_json::to_vec).transpose().map_err(|e| WriteError::Defect(e.to_string()))?;
        let key = Some(id.as_bytes().to_vec());
        let record = Outgoing { topic: topic::RUNS, key, value, headers: Vec::new(), timestamp: None };
        let late = |_| WriteError::OutcomeUnknown("not done within 5 s".to_owned());
        let sent = timeout_at(deadline, self.producer.send(record)).await.map_err(late)?;
        let sent = sent.map_err(|error| WriteError::OutcomeUnknown(error.to_string()))?;
        *last = Some(sent.offset);
        let read = self.runs().applied.wait(PARTITION, sent.offset);
        timeout_at(deadline, read)
            .await
            .map_err(|_| WriteError::OutcomeUnknown("not read within 5 s".to_owned()))
    }
}

const UNREAD: &str = "the runs are still being read from Kafka";
