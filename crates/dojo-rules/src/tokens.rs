//! The tokens of a source, for mistakes that rhai's parser reports far from where they were made: a brace that stays open,
//! and the names that a misspelled variable may be meant to be. And for a limit that keeps the parser quick.

use crate::{
    error::{Mistake, RuleErrorKind},
    sandbox::MAX_DECLARATIONS,
    traps,
};
use rhai::{Engine, Position, Token};

/// The tokens of a source, up to the first one that isn't valid.
pub(crate) struct Tokens(Vec<(Token, Position)>);

impl Tokens {
    pub fn of(engine: &Engine, source: &str) -> Self {
        let inputs = [source];
        let (tokens, control) = engine.lex(&inputs);
        let mut list = Vec::new();
        // For each text with `${…}` that is open: how many braces are open within its code.
        let mut texts: Vec<usize> = Vec::new();
        for (token, position) in tokens {
            match &token {
                Token::EOF | Token::LexError(_) => break,
                Token::InterpolatedString(_) => texts.push(0),
                Token::LeftBrace | Token::MapStart => {
                    texts.last_mut().into_iter().for_each(|open| *open += 1)
                }
                Token::RightBrace => {
                    if let Some(open) = texts.last_mut() {
                        *open = open.saturating_sub(1);
                        if *open == 0 {
                            texts.pop();
                            // What follows the code is text again; if it has more code, it is pushed anew.
                            control.borrow_mut().is_within_text = true;
                        }
                    }
                }
                _ => {}
            }
            list.push((token, position));
        }
        Self(list)
    }

    /// Refuses a source that the parser would take too long for.
    pub fn check_declarations(&self) -> Result<(), Mistake> {
        let mut declarations = self.0.iter().filter(|(token, _)| matches!(token, Token::Let | Token::Const));
        let Some(&(_, position)) = declarations.nth(MAX_DECLARATIONS) else { return Ok(()) };
        let message = format!("more than {MAX_DECLARATIONS} `let` and `const`");
        Err(Mistake::new(RuleErrorKind::Limit, position, message).mend(
            "give a variable a new value with `name = value;`, or put the values into an array or a map",
        ))
    }

    /// Returns the first bracket that has no partner. Of several open braces the indentation tells which one it is.
    pub fn unbalanced(&self, source: &str) -> Option<Mistake> {
        let lines: Vec<&str> = source.split('\n').collect();
        let indent = |position: Position| {
            let line = lines.get(position.line()?.checked_sub(1)?)?;
            Some(line.len() - line.trim_start().len())
        };
        let starts_its_line =
            |position: Position| indent(position) == position.position().map(|column| column - 1);
        let open_mistake = |(sign, position): (&str, Position), end: &str| {
            Mistake::new(RuleErrorKind::Syntax, position, format!("this `{sign}` stays open"))
                .mend(format!("write the `{end}` that closes it"))
        };
        let mut open: Vec<(&str, &str, Position)> = Vec::new();
        let mut suspect = None;
        for (token, position) in &self.0 {
            let (begin, end) = match token {
                Token::LeftBrace => ("{", "}"),
                Token::MapStart => ("#{", "}"),
                Token::LeftParen => ("(", ")"),
                Token::LeftBracket => ("[", "]"),
                Token::RightBrace | Token::RightParen | Token::RightBracket => {
                    let sign = match token {
                        Token::RightBrace => "}",
                        Token::RightParen => ")",
                        _ => "]",
                    };
                    match open.pop() {
                        None => {
                            return Some(
                                Mistake::new(
                                    RuleErrorKind::Syntax,
                                    *position,
                                    format!("this `{sign}` closes nothing"),
                                )
                                .mend("remove it, or write what it closes"),
                            );
                        }
                        Some((begin, end, at)) if end != sign => return Some(open_mistake((begin, at), end)),
                        Some((begin, end, at)) => {
                            let outdented = starts_its_line(*position) && indent(*position) < indent(at);
                            if outdented && suspect.is_none() {
                                suspect = Some((begin, end, at));
                            }
                        }
                    }
                    continue;
                }
                _ => continue,
            };
            open.push((begin, end, *position));
        }
        let (begin, end, at) = open.pop().map(|last| suspect.unwrap_or(last))?;
        Some(open_mistake((begin, at), end))
    }

    /// Explains a missing `;`: it belongs behind the token before the error, which is often in an earlier line.
    pub fn missing_semicolon(&self, position: Position) -> Option<Mistake> {
        let (before, after) = self.0.split_at(self.0.partition_point(|(_, at)| *at < position));
        let (last, at) = before.last()?;
        if let (Token::IntegerConstant(_) | Token::DecimalConstant(_), Some((Token::Identifier(exponent), _))) =
            (last, after.first())
            && exponent
                .strip_prefix(['e', 'E'])
                .is_some_and(|digits| digits.chars().all(|c| c.is_ascii_digit()))
        {
            return Some(
                Mistake::new(RuleErrorKind::Syntax, *at, "a number has no exponent here")
                    .mend("write the number out: 1000 in place of 1e3"),
            );
        }
        let line = at.line()?;
        Some(
            Mistake::new(RuleErrorKind::Syntax, position, "the statement before this has no end")
                .mend(format!("write `;` at the end of the statement in line {line}")),
        )
    }

    /// Explains the word of another language at `position`, or directly before it.
    pub fn trap(&self, position: Position) -> Option<Mistake> {
        let index = self.0.partition_point(|(_, at)| *at < position);
        [Some(index), index.checked_sub(1), index.checked_sub(2)].into_iter().flatten().find_map(|index| {
            let (token, at) = self.0.get(index)?;
            let word = word(token)?;
            let mend = traps::mend(word)?;
            Some(Mistake::new(RuleErrorKind::Syntax, *at, format!("a rule has no `{word}`")).mend(mend))
        })
    }

    /// Returns the variables, constants and parameters that the source declares.
    pub fn declared(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let mut parameters = false;
        for pair in self.0.windows(2) {
            let [(before, _), (token, _)] = pair else { continue };
            match (before, token) {
                (Token::Fn, _) => parameters = true,
                (Token::RightParen, _) => parameters = false,
                (Token::Let | Token::Const | Token::For, Token::Identifier(name)) => names.push(&***name),
                (Token::LeftParen | Token::Comma, Token::Identifier(name)) if parameters => {
                    names.push(&***name)
                }
                _ => {}
            }
        }
        names
    }

    /// Explains that the variable `name`, which is used at `position`, isn't there.
    pub fn unknown_variable(&self, name: &str, position: Position, facts: &[&str]) -> Mistake {
        let declared = self.declared();
        let mistake = |message| Mistake::new(RuleErrorKind::Name, position, message);
        if facts.contains(&name) || declared.contains(&name) {
            return mistake(format!("`{name}` is not visible here")).mend(format!(
                "a function or closure sees only its parameters: pass `{name}` as an argument, write a `for` loop in place of the \
                 closure, or declare `const {name}` outside and write `global::{name}`"
            ));
        }
        let unknown = mistake(format!("there is no variable `{name}` here"));
        if let Some(mend) = traps::mend(name) {
            return unknown.mend(mend);
        }
        let meant = traps::closest(name, declared.into_iter().chain(facts.iter().copied()));
        match meant {
            Some(meant) => unknown.mend(format!("did you mean `{meant}`?")),
            None => {
                unknown.mend(format!("declare it with `let {name} = …;`, or use one of {}", facts.join(", ")))
            }
        }
    }
}

/// Returns the text of a token that may be a word or a sign of another language.
fn word(token: &Token) -> Option<&str> {
    match token {
        Token::Identifier(word) | Token::Reserved(word) => Some(word),
        _ => None,
    }
}
