//! Timestamps on the wire: RFC 3339, UTC, milliseconds, as in `2026-01-31T09:30:00.000Z`.
//!
//! Milliseconds, because a Kafka record's timestamp has them: an event's `timestamp` and its record's are equal.

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeZone, Utc};
use serde::{Deserialize, Deserializer, Serializer};

/// Returns the wire form of `t`; digits finer than milliseconds are cut off.
pub fn format(t: DateTime<Utc>) -> String {
    t.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Cuts off the digits of `t` that are finer than milliseconds.
pub fn to_millis(t: DateTime<Utc>) -> DateTime<Utc> {
    t.trunc_subsecs(3)
}

/// Returns the time of a Kafka record's timestamp (milliseconds since 1970); `None` outside chrono's range, which a hostile
/// record can have.
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

/// For `#[serde(with = "time::optional")]` on an optional time.
pub mod optional {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the wire form, or null.
    pub fn serialize<S: Serializer>(t: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
        match t {
            Some(t) => super::serialize(t, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads any RFC 3339 time, or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        Option::<DateTime<Utc>>::deserialize(deserializer).map(|t| t.map(super::to_millis))
    }
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
    fn a_timestamp_outside_the_calendar_has_no_time() {
        assert_eq!(from_kafka(i64::MAX), None);
        assert_eq!(from_kafka(0).map(format).as_deref(), Some("1970-01-01T00:00:00.000Z"));
    }
}
