//! Messages of the YAML parser in our words, and what to do about them.

/// Returns what a message of the parser means, and what to do about it.
pub(super) fn explain(message: &str) -> (String, Option<&'static str>) {
    match EXPLAINED.iter().find(|(theirs, ..)| message.contains(theirs)) {
        Some((_, Some(ours), help)) => ((*ours).to_owned(), Some(help)),
        Some((_, None, help)) => (format!("this isn't YAML: {message}"), Some(help)),
        None => (format!("this isn't YAML: {message}"), None),
    }
}

/// What to do about a `${` that YAML takes for the start of a mapping.
pub(super) const QUOTE_VARIABLES: &str = "between braces, quote a variable: `\"${name}\"`";

/// A part of the parser's message, words that are clearer where they are, and what to do.
const EXPLAINED: &[(&str, Option<&str>, &str)] = &[
    ("unknown anchor", Some("this alias has no anchor"), "put `&` and its name before a value further up"),
    ("tab", None, "indent with spaces, not with tabs"),
    ("mapping values", None, "quote text that has a `:` in it, or correct the indentation"),
    ("unexpected character: ``'", None, "quote text that begins with a backtick"),
    ("unexpected character: `@'", None, "quote text that begins with `@`"),
    ("unexpected character: `%'", None, "quote text that begins with `%`"),
    ("recursion limit", Some("the values are nested too deep"), "a scenario needs only a few levels"),
    ("unexpected end of stream", None, "close the quote or the bracket that is open"),
    ("unexpected eof", None, "close the quote or the bracket that is open"),
    (
        "did not find expected",
        None,
        "check the text before this position for a missing bracket, quote or comma, or a wrong indentation",
    ),
    (
        "simple key expect",
        Some("this isn't YAML: this line has no `:`"),
        "write `name: value`, or indent the line further if it belongs to the text above",
    ),
    ("invalid indentation", None, "put the line exactly below the one that it belongs to"),
];
