//! How a run goes, for those who watch it.

use tokio::sync::mpsc;

/// Messages that wait to be shown. More than that hold up the run until they were shown.
const UNSHOWN: usize = 64;

/// What a caller can show while a scenario plays.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// A step has begun.
    Began {
        /// The step's number, from 1.
        number: usize,
        /// The number of steps.
        of: usize,
        /// The step in words.
        step: String,
    },
    /// The state of a step, in place of its last one.
    Moved {
        /// The step's number, from 1; 0 before the first one and after the last one.
        number: usize,
        /// The state in words.
        state: String,
    },
    /// A step is done. Others may have begun and ended since it began.
    Ended {
        /// The step's number, from 1.
        number: usize,
        /// The number of steps.
        of: usize,
        /// The step in words.
        step: String,
        /// What came of it.
        result: String,
    },
    /// A text of the scenario for the room.
    Said(String),
    /// Something worth knowing that isn't a failure.
    Noted(String),
    /// A promise of `always:` is broken.
    Broken(String),
}

/// Tells the caller how the run goes.
#[derive(Debug)]
pub(crate) struct Teller(mpsc::Sender<Progress>);

impl Teller {
    /// Returns a teller, and what it tells.
    pub fn new() -> (Self, mpsc::Receiver<Progress>) {
        let (tell, told) = mpsc::channel(UNSHOWN);
        (Self(tell), told)
    }

    /// Shows the state of the step with this number, unless other messages still wait.
    pub fn moved(&self, number: usize, state: String) {
        let _ = self.0.try_send(Progress::Moved { number, state });
    }

    /// Shows a text to the room.
    pub async fn said(&self, text: String) {
        self.tell(Progress::Said(text)).await;
    }

    /// Shows something worth knowing.
    pub async fn noted(&self, text: String) {
        self.tell(Progress::Noted(text)).await;
    }

    /// Shows something.
    pub async fn tell(&self, progress: Progress) {
        // Fails only if the caller has gone.
        let _ = self.0.send(progress).await;
    }
}
