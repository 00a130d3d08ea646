//! The comparison: finds differences that aren't listed, and listed ones that are gone.

use crate::{
    differences::{Difference, NOTHING},
    notes::Observation,
};
use std::fmt::Write as _;

/// A name under which the two brokers showed different things.
#[derive(Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    pub name: &'a str,
    pub apache: &'a str,
    pub embedded: &'a str,
}

/// Returns where the two lists differ, in the order of Apache Kafka's.
pub fn differing<'a>(apache: &'a [Observation], embedded: &'a [Observation]) -> Vec<Pair<'a>> {
    let seen = |list: &'a [Observation], name: &str| {
        list.iter().find(|observation| observation.name == name).map_or(NOTHING, |found| found.seen.as_str())
    };
    let only_embedded = embedded.iter().filter(|one| !apache.iter().any(|other| other.name == one.name));
    apache
        .iter()
        .chain(only_embedded)
        .map(|one| &*one.name)
        .map(|name| Pair { name, apache: seen(apache, name), embedded: seen(embedded, name) })
        .filter(|pair| pair.apache != pair.embedded)
        .collect()
}

/// Returns whether `text` matches `pattern`, in which `*` stands for any text.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| text.strip_prefix(start)) else { return false };
    let Some(end) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(end)
}

/// Returns what is wrong between a client's observations and its rows of the table; empty if nothing is.
pub fn judge(apache: &[Observation], embedded: &[Observation], listed: &[&Difference]) -> String {
    let pairs = differing(apache, embedded);
    let covers = |difference: &Difference, pair: &Pair<'_>, name: &str| {
        matches(name, pair.name)
            && matches(difference.apache, pair.apache)
            && matches(difference.embedded, pair.embedded)
    };
    let mut wrong = String::new();
    for list in [apache, embedded] {
        for (position, one) in list.iter().enumerate() {
            if list[..position].iter().any(|other| other.name == one.name) {
                let _ = writeln!(wrong, "two observations are called `{}`", one.name);
            }
        }
    }
    for pair in &pairs {
        let known =
            listed.iter().any(|difference| difference.what.iter().any(|name| covers(difference, pair, name)));
        if !known {
            let _ = writeln!(
                wrong,
                "not listed: {}\n  Apache Kafka: {}\n  embedded:     {}",
                pair.name, pair.apache, pair.embedded
            );
        }
    }
    for difference in listed {
        for name in difference.what {
            if !pairs.iter().any(|pair| covers(difference, pair, name)) {
                let _ = writeln!(
                    wrong,
                    "listed and no longer seen: {name}\n  Apache Kafka: {}\n  embedded:     {}",
                    difference.apache, difference.embedded
                );
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differences::DIFFERENCES;

    const LISTED: Difference = Difference {
        client: "raw",
        what: &["group: *"],
        apache: "code 0*",
        embedded: "closed",
        why: "it is not there",
    };

    fn seen(list: &[(&str, &str)]) -> Vec<Observation> {
        list.iter().map(|(name, seen)| Observation { name: (*name).into(), seen: (*seen).into() }).collect()
    }

    #[test]
    fn a_star_stands_for_anything_and_everything_else_for_itself() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "ab", false),
            ("*b*", "abc", true),
            ("ab*bc", "abc", false),
            ("a*b*c", "a-b-b-c", true),
            ("abc", "abc ", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn every_row_says_what_this_broker_does() {
        let anything: Vec<_> = DIFFERENCES.iter().filter(|row| row.embedded == "*").map(|r| r.what).collect();
        assert!(anything.is_empty(), "{anything:?}");
    }

    #[test]
    fn equal_observations_need_no_row() {
        let both = seen(&[("a", "1"), ("b", "2")]);
        assert_eq!(judge(&both, &both, &[]), "");
    }

    #[test]
    fn an_unlisted_difference_is_wrong_and_a_listed_one_is_not() {
        let (apache, embedded) = (seen(&[("group: new", "code 0, fine")]), seen(&[("group: new", "closed")]));
        assert_eq!(judge(&apache, &embedded, &[&LISTED]), "");
        assert!(judge(&apache, &embedded, &[]).starts_with("not listed: group: new"));
        let otherwise = seen(&[("group: new", "code 1")]);
        assert!(judge(&apache, &otherwise, &[&LISTED]).contains("not listed: group: new"));
    }

    #[test]
    fn a_listed_difference_that_is_gone_is_wrong() {
        let both = seen(&[("group: new", "code 0")]);
        assert!(judge(&both, &both, &[&LISTED]).starts_with("listed and no longer seen: group: *"));
    }

    #[test]
    fn what_only_one_broker_shows_is_a_difference() {
        let one = seen(&[("a", "1")]);
        let pair = |apache, embedded| Pair { name: "a", apache, embedded };
        assert_eq!(differing(&one, &[]), [pair("1", NOTHING)]);
        assert_eq!(differing(&[], &one), [pair(NOTHING, "1")]);
    }

    #[test]
    fn a_name_used_twice_is_wrong() {
        let twice = seen(&[("a", "1"), ("a", "1")]);
        assert!(judge(&twice, &twice, &[]).contains("two observations"));
    }
}
