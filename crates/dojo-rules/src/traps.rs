//! Habits from other languages, and what to write in rhai.

/// A word or sign of other languages, and how to say it in a rule.
pub(crate) const TRAPS: &[(&[&str], &str)] = &[
    (&["elif", "elsif", "elseif"], "write `else if`"),
    (&["null", "nil", "None", "undefined", "NULL"], "write `()` for nothing"),
    (&["and"], "write `&&` for `and`"),
    (&["or"], "write `||` for `or`"),
    (&["not"], "write `!` for `not`"),
    (&["True"], "write `true`"),
    (&["False"], "write `false`"),
    (&["then", "end", "begin"], "put the statements of a block between `{` and `}`"),
    (&["def", "func", "function", "fun", "lambda"], "write `fn name(parameter) { … }` for a function"),
    (&["var", "int", "string", "float"], "write `let name = value;` for a variable"),
    (&["foreach"], "write `for x in list { … }`"),
    (&["==="], "write `==`"),
    (&["!==", "<>"], "write `!=`"),
    (&["++"], "write `x += 1`"),
    (&["--"], "write `x -= 1`"),
    (&[":="], "write `let name = value;`"),
    (&["eval", "import", "export"], "a rule is one file; write a function with `fn name(parameter) { … }`"),
    (&["sleep"], "a rule can't wait; the setting deliveryMillis says how long a delivery takes"),
    (&["="], "write `==` to compare"),
    (&["?"], "write `if condition { one } else { other }`, which has a value"),
];

/// Returns how to write `word` in a rule, if it is a word of other languages.
pub(crate) fn mend(word: &str) -> Option<&'static str> {
    TRAPS.iter().find(|(words, _)| words.contains(&word)).map(|&(_, mend)| mend)
}

/// Returns the name in `known` that `word` is probably meant to be.
pub(crate) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|&(distance, name)| name != word && distance <= (word.chars().count() / 3).max(1))
        .min()
        .map(|(_, name)| name)
}
