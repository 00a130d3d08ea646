//! Names of customers and items: one spelling for each, and something to see.
//!
//! Unicode can write `é` as one character or as two. Both look the same, so both have to be the same customer: names are
//! normalized to [NFC](https://www.unicode.org/reports/tr15/).

use crate::schema::text;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark, is_nfc};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// The longest name of a customer or an item, in characters after normalization.
pub const NAME_MAX_CHARS: usize = 100;

/// Describes the name of a customer or an item.
pub(crate) struct Name;

impl ToSchema for Name {}
impl PartialSchema for Name {
    fn schema() -> RefOr<Schema> {
        let description = "The name of a customer or an item: trimmed and in NFC. It has a visible character, and no control character.";
        text().min_length(Some(1)).max_length(Some(NAME_MAX_CHARS)).description(Some(description)).into()
    }
}

/// Returns the one spelling of `name`: trimmed and in NFC.
pub fn normalize_name(name: &str) -> String {
    let name = name.trim();
    if is_nfc(name) { name.to_owned() } else { name.nfc().collect() }
}

/// Returns the one spelling of `name`, or what is wrong with it.
pub(crate) fn normalized(name: &str) -> Result<String, String> {
    let name = normalize_name(name);
    let chars = name.chars().count();
    if chars == 0 {
        return Err(format!("is empty: give 1 to {NAME_MAX_CHARS} characters"));
    }
    if chars > NAME_MAX_CHARS {
        return Err(format!("has {chars} characters: give 1 to {NAME_MAX_CHARS}"));
    }
    if let Some(control) = name.chars().find(|c| is_control(*c)) {
        return Err(format!("has the control character U+{:04X}: leave it out", u32::from(control)));
    }
    if !name.chars().any(is_visible) {
        return Err("has no visible character: give at least one letter, digit or sign".to_owned());
    }
    Ok(name)
}

/// Whether `c` moves the cursor or breaks the line where a name is printed.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether `c` shows something by itself: it isn't white space, a mark on another character, the empty Braille pattern, or
/// one of the characters that Unicode has fonts leave out.
///
/// Source of the ranges: the property `Default_Ignorable_Code_Point` of
/// <https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt>.
fn is_visible(c: char) -> bool {
    let is_left_out = matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    !(is_left_out || c == '\u{2800}' || c.is_whitespace() || is_combining_mark(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_without_anything_to_see_is_refused() {
        for name in ["\u{200b}", "\u{200b}\u{feff}", "\u{3164}", "\u{2800}", "\u{301}", "\u{ad}\u{a0}\u{ad}"]
        {
            let message = normalized(name).unwrap_err();
            assert!(message.contains("no visible character"), "{name:?}: {message}");
        }
        assert!(normalized(" \u{a0}").unwrap_err().starts_with("is empty"));
        // A family of emoji is joined by invisible characters.
        for name in ["👩\u{200d}👧", "हिन्दी", "a\u{200b}", "0", "?"] {
            assert_eq!(normalized(name).as_deref(), Ok(name));
        }
    }

    #[test]
    fn a_control_character_is_refused_by_its_number() {
        for (name, control) in
            [("a\0b", "U+0000"), ("\u{1b}[2J", "U+001B"), ("a\nb", "U+000A"), ("a\u{2028}b", "U+2028")]
        {
            let message = normalized(name).unwrap_err();
            assert!(message.contains(control), "{name:?}: {message}");
        }
    }

    #[test]
    fn a_name_is_measured_after_normalization() {
        assert_eq!(normalized(&"e\u{301}".repeat(100)), Ok("é".repeat(100)));
        assert!(normalized(&"é".repeat(101)).unwrap_err().contains("101 characters"));
        // U+0958 becomes two characters in NFC.
        assert!(normalized(&"\u{958}".repeat(51)).unwrap_err().contains("102 characters"));
    }

    proptest! {
        #[test]
        fn a_normalized_name_stays_as_it_is(name in "\\PC{0,60}") {
            if let Ok(name) = normalized(&name) {
                prop_assert_eq!(normalized(&name), Ok(name));
            }
        }
    }
}
