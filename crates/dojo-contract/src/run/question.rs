//! A question that a run asks the room, and how the room has guessed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A question for the room. Each guesser guesses once, as long as it is open.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct RunQuestion {
    /// Its number, from 1.
    #[schema(minimum = 1)]
    pub number: u32,
    /// The question.
    #[schema(max_length = 300)]
    pub text: String,
    /// The answers to choose from; absent: the answer is a number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, min_items = 2, max_items = 6)]
    pub choices: Vec<String>,
    /// Whether the room may guess.
    pub open: bool,
    /// How often each answer was guessed, the first guess first.
    #[serde(default)]
    #[schema(required, max_items = 300)]
    pub guesses: Vec<RunGuess>,
    /// The guessers so far, as the first 12 hexadecimal digits of the SHA-256 of their ids. Empty once the question is closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, max_items = 300)]
    pub guessers: Vec<String>,
    /// The right answer, once it is revealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 500)]
    pub answer: Option<String>,
    /// What was typed at the runner's terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 100)]
    pub facilitator: Option<String>,
}

/// How often an answer was guessed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunGuess {
    /// The answer.
    pub guess: String,
    /// How often.
    #[schema(minimum = 1)]
    pub count: u32,
}

impl RunQuestion {
    /// The longest text, in characters.
    pub const TEXT_MAX_CHARS: usize = 300;
    /// The longest choice, in characters; also the longest answer that is typed.
    pub const CHOICE_MAX_CHARS: usize = 100;
    /// The longest number that is guessed, in characters.
    pub const NUMBER_MAX_CHARS: usize = 20;
    /// Fewest choices.
    pub const MIN_CHOICES: usize = 2;
    /// Most choices.
    pub const MAX_CHOICES: usize = 6;
    /// Most guesses.
    pub const MAX_GUESSES: u32 = 300;

    /// Returns the number of guesses.
    pub fn guessed(&self) -> u32 {
        self.guesses.iter().map(|guess| guess.count).sum()
    }

    /// Ends the guessing. Who has guessed isn't needed any more.
    pub fn close(&mut self) {
        self.open = false;
        self.guessers.clear();
    }

    /// Counts a guess.
    pub fn count(&mut self, guess: String) {
        match self.guesses.iter_mut().find(|counted| counted.guess == guess) {
            Some(counted) => counted.count = counted.count.saturating_add(1),
            None => self.guesses.push(RunGuess { guess, count: 1 }),
        }
    }
}
