//! A guess: one a guesser, of the choices or a number, as long as the question is open. Pure.

use crate::write::WriteError;
use dojo_contract::{FieldError, Run, RunQuestion};
use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// How many bytes of a guesser's hash are kept.
const KEPT_BYTES: usize = 6;

/// What somebody guesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewGuess {
    pub(crate) guess: String,
    pub(crate) guesser: Uuid,
}

impl NewGuess {
    /// Counts the guess in the question with this number.
    ///
    /// # Errors
    /// The run has no such question, the question takes no guess, or not this one.
    pub(crate) fn count(&self, run: &mut Run, number: u32) -> Result<(), WriteError> {
        let id = run.run_id.clone();
        let question = run.question_mut(number).ok_or(WriteError::NoSuchQuestion { run: id, number })?;
        let refused = |why: String| Err(WriteError::Conflict(format!("the question {number} {why}")));
        if !question.open {
            return refused("is closed: the run has gone on".to_owned());
        }
        let guesser = hashed(self.guesser);
        if question.guessers.contains(&guesser) {
            return refused("has a guess of this guesser already: each guesser has one".to_owned());
        }
        if question.guessed() >= RunQuestion::MAX_GUESSES {
            return refused(format!("has {} guesses, which is the most", RunQuestion::MAX_GUESSES));
        }
        let guess = answer_to(question, &self.guess)
            .map_err(|message| WriteError::Invalid(vec![FieldError::new("guess", message)]))?;
        question.guessers.push(guesser);
        question.count(guess);
        Ok(())
    }
}

/// Returns a guess as it is counted: one of the choices, or a number without zeros at its end.
fn answer_to(question: &RunQuestion, guess: &str) -> Result<String, String> {
    let guess = guess.trim();
    if !question.choices.is_empty() {
        let choice = question.choices.iter().find(|choice| *choice == guess).cloned();
        return choice.ok_or_else(|| format!("isn't a choice: give one of {}", question.choices.join(", ")));
    }
    let most = RunQuestion::NUMBER_MAX_CHARS;
    // A decimal could also have underscores and an exponent.
    let is_plain = guess.len() <= most && guess.bytes().all(|b| b.is_ascii_digit() || b"-.".contains(&b));
    let number = guess.parse::<Decimal>().ok().filter(|_| is_plain);
    let number = number.map(|number| number.normalize().to_string());
    number.ok_or_else(|| format!("isn't a number: give one of at most {most} characters, such as 7 or 0.5"))
}

/// The record of a run is public, and the id is all that a browser needs to guess in another's place.
fn hashed(guesser: Uuid) -> String {
    let hash = Sha256::digest(guesser.hyphenated().to_string());
    hash.iter().take(KEPT_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use dojo_contract::RunGuess;

    fn run(choices: &[&str]) -> Run {
        let mut run = Run::starting("a-1".into(), "a".into(), false, DateTime::UNIX_EPOCH, "order-1".into());
        let choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
        run.ask(RunQuestion { number: 1, choices, open: true, ..RunQuestion::default() });
        run
    }

    fn guess(run: &mut Run, guesser: u128, guess: &str) -> Result<(), String> {
        let guess = NewGuess { guess: guess.to_owned(), guesser: Uuid::from_u128(guesser) };
        guess.count(run, 1).map_err(|error| match error {
            WriteError::Invalid(errors) => errors[0].message.clone(),
            error => error.to_string(),
        })
    }

    #[test]
    fn each_guesser_has_one_guess_and_equal_numbers_are_counted_together() {
        let mut run = run(&[]);
        for (guesser, number) in [(1, "7"), (2, " 7.0 "), (3, "-0.5")] {
            guess(&mut run, guesser, number).unwrap();
        }
        assert!(guess(&mut run, 1, "8").unwrap_err().contains("each guesser has one"));
        let count = |guess: &str, count| RunGuess { guess: guess.into(), count };
        assert_eq!(run.questions[0].guesses, [count("7", 2), count("-0.5", 1)]);
        let guessers = &run.questions[0].guessers;
        assert!(guessers.len() == 3 && guessers.iter().all(|guesser| guesser.len() == 12), "{guessers:?}");
    }

    #[test]
    fn a_guess_is_a_choice_or_a_number() {
        let mut chosen = run(&["None", "7"]);
        guess(&mut chosen, 1, "None").unwrap();
        assert!(guess(&mut chosen, 2, "8").unwrap_err().contains("give one of None, 7"));
        for wrong in ["seven", "", "1e3", "1_000", &"1".repeat(21), "NaN"] {
            assert!(guess(&mut run(&[]), 1, wrong).unwrap_err().contains("isn't a number"), "{wrong}");
        }
    }

    #[test]
    fn a_closed_question_takes_no_guess_and_an_open_one_at_most_300() {
        let mut run = run(&[]);
        for guesser in 0..300 {
            guess(&mut run, guesser, "7").unwrap();
        }
        assert!(guess(&mut run, 300, "7").unwrap_err().contains("300 guesses"));
        run.question_mut(1).unwrap().close();
        assert!(guess(&mut run, 301, "7").unwrap_err().contains("is closed"));
        assert!(run.questions[0].guessers.is_empty());
    }
}
