//! The one form of a timestamp on the wire: RFC 3339, UTC, milliseconds, `2026-01-31T09:30:00.000Z`.
//!
//! Milliseconds because that is what a Kafka record carries; an event's `timestamp` and its record's are equal.

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeZone, Utc};
use serde::{Deserialize, Deserializer, Serializer};

/// The wire form of `t`; finer digits than milliseconds are cut off.
pub fn format(t: DateTime<Utc>) -> String {
    t.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `t` without what the wire form cannot carry.
pub fn to_millis(t: DateTime<Utc>) -> DateTime<Utc> {
    t.trunc_subsecs(3)
}

/// A Kafka record's timestamp (milliseconds since 1970) as a time; `None` outside chrono's range, which a hostile
/// record can be.
pub fn from_kafka(millis: i64) -> Option<DateTime<Utc>> {
    Utc.timestamp_millis_opt(millis).single()
}

/// For `#[serde(with = "time")]`: writes the wire form.
pub fn serialize<S: Serializer>(t: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*t))
}

/// For `#[serde(with = "time")]`: reads any RFC 3339 time, in any zone, and keeps milliseconds.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    DateTime::<Utc>::deserialize(deserializer).map(to_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finer_digits_are_cut_and_zones_become_utc() {
        let t: DateTime<Utc> = "2026-01-31T10:30:00.123987+01:00".parse().unwrap();
        assert_eq!(format(t), "2026-01-31T09:30:00.123Z");
    }

    #[test]
    fn a_timestamp_no_calendar_has_is_none() {
        assert_eq!(from_kafka(i64::MAX), None);
        assert_eq!(from_kafka(0).map(format).as_deref(), Some("1970-01-01T00:00:00.000Z"));
    }
}
