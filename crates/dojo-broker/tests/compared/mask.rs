//! Masks what must differ between two brokers that behave alike: ports, random ids, points in time.

/// Replaces the broker's `port`, UUIDs and milliseconds since 1970 in `text` by words.
pub fn mask(text: &str, port: u16) -> String {
    let port = port.to_string();
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    // A new word can begin where one ends, since ids are often joined to a name with `-`.
    let mut at_start = true;
    while let Some(first) = rest.chars().next() {
        if at_start {
            if let Some(after) = without_uuid(rest) {
                masked.push_str("UUID");
                rest = after;
                at_start = false;
                continue;
            }
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, after) = rest.split_at(digits);
            let alone = !after.starts_with(|c: char| c.is_ascii_alphanumeric());
            if alone && (number == port || digits == 13) {
                masked.push_str(if number == port { "PORT" } else { "TIME" });
                rest = after;
                at_start = false;
                continue;
            }
        }
        masked.push(first);
        at_start = !first.is_ascii_alphanumeric();
        rest = &rest[first.len_utf8()..];
    }
    masked
}

/// Returns what follows a UUID at the start of `text`.
fn without_uuid(text: &str) -> Option<&str> {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let mut rest = text;
    for (number, length) in GROUPS.into_iter().enumerate() {
        if number > 0 {
            rest = rest.strip_prefix('-')?;
        }
        let (group, after) = rest.split_at_checked(length)?;
        if !group.chars().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        rest = after;
    }
    // The nil UUID is a value and must not pass for an id.
    let nothing = text.starts_with("00000000-0000-0000-0000-000000000000");
    (!nothing && !rest.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some(rest)
}

#[test]
fn ports_ids_and_times_are_hidden_and_nothing_else() {
    let id = "consumer-1-0f8e2a4c-16b1-4b53-a9c5-1f2a3b4c5d6e";
    for (text, hidden) in [
        ("localhost:9092 (id: 1)", "localhost:PORT (id: 1)"),
        ("19092 90921 9092", "19092 90921 PORT"),
        (id, "consumer-1-UUID"),
        ("at 1700000000000, not 17000000000000", "at TIME, not 17000000000000"),
        ("00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"),
        ("-1 604800000", "-1 604800000"),
    ] {
        assert_eq!(mask(text, 9092), hidden);
    }
}
