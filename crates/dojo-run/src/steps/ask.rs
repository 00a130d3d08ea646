//! The step `ask`: asks the room, waits until the terminal has answered, the question is closed on the page, or time is up,
//! and keeps the answer for the end of the run.

use super::Stage;
use crate::{
    RunError,
    keyboard::Asks,
    progress::Progress,
    question::{Closed, Question, Revealed, Why},
};
use dojo_scenario::{Placeholders, Planned, document::Ask};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep_until},
};

impl Stage<'_> {
    /// Asks a question, unless nobody can be asked.
    pub(super) async fn ask(
        &mut self,
        planned: &Planned<'_>,
        ask: &Ask,
        of: Placeholders<'_>,
    ) -> Result<(), RunError> {
        let choices = ask.choices(of);
        // The texts of the choices differ in the file, but may be the same once their placeholders are filled.
        let is_there_twice = |choice: &&String| choices.iter().filter(|other| other == choice).count() > 1;
        if let Some(choice) = choices.iter().find(is_there_twice) {
            let (choice, place) = (choice.clone(), planned.step.place.clone());
            return Err(RunError::SameChoiceTwice { choice, place });
        }
        let mut lines = match self.asks {
            Asks::Nobody(_) => return Ok(()),
            Asks::Room => None,
            Asks::RoomAndTerminal(keyboard) => Some(keyboard.lines()),
        };
        let question = Question {
            number: planned.number + 1,
            text: ask.question.fill(of),
            choices,
            within: ask.within(),
            typed: lines.is_some(),
        };
        let number = question.number;
        self.tell.tell(Progress::Asked(question.clone())).await;
        let deadline = Instant::now() + ask.within();
        let why = loop {
            tokio::select! {
                () = self.stop.cancelled() => return Err(RunError::Interrupted),
                () = sleep_until(deadline) => break Why::TimeIsUp,
                () = self.lease.closed(number) => break Why::ClosedOnThePage,
                line = typed(&mut lines) => match line.as_deref().map(str::trim) {
                    None | Some("") => break Why::Passed,
                    Some(line) => match question.read(line) {
                        Ok(answer) => break Why::Typed(answer),
                        Err(what_to_type) => self.tell.noted(what_to_type).await,
                    },
                },
            }
        };
        let closed = Closed { number, why };
        self.asked.push(Revealed {
            number,
            text: question.text,
            answer: ask.answer.fill(of),
            because: ask.because.as_ref().map(|because| because.fill(of)),
            typed: closed.typed().map(str::to_owned),
            guesses: Vec::new(),
        });
        self.tell.tell(Progress::Closed(closed)).await;
        Ok(())
    }

    /// Reveals the answers to all questions that were closed. A run that is stopped doesn't wait for the last guesses.
    pub(crate) async fn reveal(&mut self) {
        if !self.asked.is_empty() && !self.stop.is_cancelled() {
            // Guesses came in until the order service closed the question.
            self.lease.reported().await;
        }
        for revealed in std::mem::take(&mut self.asked) {
            let guesses = self.lease.guesses(revealed.number);
            self.tell.tell(Progress::Revealed(Revealed { guesses, ..revealed })).await;
        }
    }
}

/// Returns the next line that is typed; `None` at the end of stdin. Waits for ever without a terminal.
async fn typed(lines: &mut Option<Receiver<String>>) -> Option<String> {
    let Some(lines) = lines else { return std::future::pending().await };
    loop {
        match lines.recv().await {
            Ok(line) => return Some(line),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}
