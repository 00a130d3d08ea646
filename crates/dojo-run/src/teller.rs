//! Tells how a run goes: the caller, who shows it, and the room, which reads it on the page.

use crate::{
    progress::{Progress, State},
    reports::Outbox,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Messages that wait to be shown. More than that hold up the run until they were shown.
const UNSHOWN: usize = 64;

/// Tells the caller and the room how the run goes.
#[derive(Debug)]
pub(crate) struct Teller {
    caller: mpsc::Sender<Progress>,
    room: Arc<Outbox>,
}

impl Teller {
    /// Returns a teller, and what it tells the caller.
    pub fn new(room: Arc<Outbox>) -> (Self, mpsc::Receiver<Progress>) {
        let (caller, told) = mpsc::channel(UNSHOWN);
        (Self { caller, room }, told)
    }

    /// Shows the state of the step with this number, unless other messages still wait.
    pub fn moved(&self, number: usize, state: State) {
        let progress = Progress::Moved { number, state };
        self.room.report(&progress);
        let _ = self.caller.try_send(progress);
    }

    /// Shows the room how much of the time of a step has passed. The caller sees that on its own clock.
    pub fn passed(&self, number: usize, passed: Duration) {
        self.room.report(&Progress::Moved { number, state: State::Passed(passed) });
    }

    /// Shows a text to the room.
    pub async fn said(&self, text: String) {
        self.tell(Progress::Said(text)).await;
    }

    /// Notes something that isn't a failure.
    pub async fn noted(&self, text: String) {
        self.tell(Progress::Noted(text)).await;
    }

    /// Sends progress to the caller and the room.
    pub async fn tell(&self, progress: Progress) {
        self.room.report(&progress);
        // Fails only if the caller has gone.
        let _ = self.caller.send(progress).await;
    }
}
