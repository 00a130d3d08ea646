//! A question for the room: its text, how a typed answer is read, and how the answer is revealed at the end of the run. Pure.

use dojo_contract::RunGuess;
use dojo_scenario::scalar::decimal;
use std::{fmt, time::Duration};

/// A question for the room.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The number of its step, from 1.
    pub number: usize,
    /// The question.
    pub text: String,
    /// The answers to choose from; none if a number is asked for.
    pub choices: Vec<String>,
    /// How long the room may think.
    pub within: Duration,
    /// Whether the terminal may answer.
    pub typed: bool,
}

/// Why the run goes on after a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// This was typed in the terminal.
    Typed(String),
    /// The terminal gave no answer.
    Passed,
    /// The question was closed on the page.
    ClosedOnThePage,
    /// Time is up.
    TimeIsUp,
}

/// A question that is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The number of its step, from 1.
    pub number: usize,
    /// Why the run goes on.
    pub why: Why,
}

impl Closed {
    /// Returns the answer that was typed in the terminal, if there was one.
    pub fn typed(&self) -> Option<&str> {
        match &self.why {
            Why::Typed(answer) => Some(answer),
            _ => None,
        }
    }
}

/// Writes why the run goes on.
impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Typed(answer) => write!(f, "your answer: {answer}"),
            Why::Passed => f.write_str("no answer from the terminal"),
            Why::ClosedOnThePage => f.write_str("closed on the page"),
            Why::TimeIsUp => f.write_str("time is up"),
        }
    }
}

/// A question with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revealed {
    /// The number of its step, from 1.
    pub number: usize,
    /// The question.
    pub text: String,
    /// The right answer.
    pub answer: String,
    /// Why it is right.
    pub because: Option<String>,
    /// What was typed in the terminal.
    pub typed: Option<String>,
    /// How the room guessed.
    pub guesses: Vec<RunGuess>,
}

/// Writes the question with its answer, what the terminal said, and how the room guessed.
impl fmt::Display for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, answer, because, typed, guesses, .. } = self;
        write!(f, "{text} {answer}.")?;
        because.iter().try_for_each(|because| write!(f, " {}", because.trim()))?;
        if let Some(typed) = typed {
            let right = if is_same(typed, answer) { "right" } else { "wrong" };
            write!(f, " The terminal said {typed}: {right}.")?;
        }
        let all: u64 = guesses.iter().map(|guess| u64::from(guess.count)).sum();
        if all > 0 {
            let right = guesses.iter().filter(|guess| is_same(&guess.guess, answer));
            let right: u64 = right.map(|guess| u64::from(guess.count)).sum();
            let noun = if all == 1 { "guess" } else { "guesses" };
            let texts: Vec<_> = guesses.iter().map(|one| format!("{} × {}", one.count, one.guess)).collect();
            write!(f, " The room: {right} of {all} {noun} right ({}).", texts.join(", "))?;
        }
        Ok(())
    }
}

/// Returns whether two answers are the same text or the same number.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let number = |text: &str| decimal(text.trim());
    one.trim() == other.trim() || number(one).is_some_and(|one| Some(one) == number(other))
}

impl Question {
    /// Reads an answer that was typed: one of the choices, its letter, or a number.
    ///
    /// # Errors
    /// The text is neither a choice nor a number; the error says what to type.
    pub(crate) fn read(&self, typed: &str) -> Result<String, String> {
        let typed = typed.trim();
        if self.choices.is_empty() {
            let number = decimal(typed).map(|_| typed.to_owned());
            return number.ok_or_else(|| format!("`{typed}` is not a number; type one such as 7"));
        }
        let is_typed =
            |choice: &&String| is_same(choice, typed) || choice.to_lowercase() == typed.to_lowercase();
        let mut lettered = LETTERS.chars().zip(&self.choices);
        let by_letter = lettered.find(|(letter, _)| typed.eq_ignore_ascii_case(&letter.to_string()));
        let choice = self.choices.iter().find(is_typed).or(by_letter.map(|(_, choice)| choice));
        choice
            .cloned()
            .ok_or_else(|| format!("`{typed}` is not one of the choices; type one of {}", self.lettered()))
    }

    /// Returns the choices with their letters: `a) None  b) 7`.
    pub fn lettered(&self) -> String {
        let choices =
            LETTERS.chars().zip(&self.choices).map(|(letter, choice)| format!("{letter}) {choice}"));
        choices.collect::<Vec<_>>().join("  ")
    }
}

/// The letters of the choices, of which there are at most six.
const LETTERS: &str = "abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    fn question(choices: &[&str]) -> Question {
        Question {
            number: 1,
            text: "How many?".into(),
            choices: choices.iter().map(|&choice| choice.to_owned()).collect(),
            within: Duration::from_secs(60),
            typed: true,
        }
    }

    #[test]
    fn a_choice_is_typed_as_it_is_or_as_its_letter() {
        let question = question(&["None", "7", "12"]);
        for (typed, choice) in [("7", "7"), (" none ", "None"), ("a", "None"), ("C", "12"), ("7.0", "7")] {
            assert_eq!(question.read(typed).as_deref(), Ok(choice), "{typed}");
        }
        assert!(question.read("8").unwrap_err().contains("a) None  b) 7  c) 12"));
    }

    #[test]
    fn without_choices_a_number_is_typed() {
        assert_eq!(question(&[]).read(" 7 ").as_deref(), Ok("7"));
        assert!(question(&[]).read("seven").unwrap_err().contains("not a number"));
    }

    #[test]
    fn what_is_revealed_names_the_answer_the_terminal_and_the_room() {
        let guess = |guess: &str, count| RunGuess { guess: guess.into(), count };
        let revealed = Revealed {
            number: 1,
            text: "How many?".into(),
            answer: "7".into(),
            because: Some("Five are within the limit.".into()),
            typed: Some("12".into()),
            guesses: vec![guess("12", 2), guess("7.0", 1)],
        };
        assert_eq!(
            revealed.to_string(),
            "How many? 7. Five are within the limit. The terminal said 12: wrong. The room: 1 of 3 guesses right \
             (2 × 12, 1 × 7.0)."
        );
        let alone = Revealed { because: None, typed: None, guesses: Vec::new(), ..revealed };
        assert_eq!(alone.to_string(), "How many? 7.");
    }
}
