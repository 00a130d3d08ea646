//! The dojo's own headers on `orders` and `orders-dlq`, all of them UTF-8 strings.

/// The scenario run that wrote the record by hand.
pub const RUN: &str = "dojo-run";

/// On `orders`: how often this record was re-produced after a failed delivery (`1`, `2`); absent on originals.
/// Overwritten, never appended.
pub const RETRY_COUNT: &str = "retryCount";

/// On `orders`: how often the record came back from the dead-letter topic; a redrive takes [`RETRY_COUNT`] away.
pub const REDRIVE_COUNT: &str = "redriveCount";

/// On `orders`: the offset on `orders-dlq` of the dead letter that was redriven. Its retries keep it.
pub const DLQ_OFFSET: &str = "dojo-dlq-offset";
/// On `orders`: when the record was redriven (milliseconds since 1970). Its timestamp is the event's.
pub const REDRIVEN_AT: &str = "dojo-redriven-at";

/// On `orders-dlq`: the topic, partition, offset and timestamp (milliseconds since 1970) of the record that failed.
pub const ORIGINAL_TOPIC: &str = "dojo-original-topic";
/// See [`ORIGINAL_TOPIC`].
pub const ORIGINAL_PARTITION: &str = "dojo-original-partition";
/// See [`ORIGINAL_TOPIC`].
pub const ORIGINAL_OFFSET: &str = "dojo-original-offset";
/// See [`ORIGINAL_TOPIC`].
pub const ORIGINAL_TIMESTAMP: &str = "dojo-original-timestamp";
/// On `orders-dlq`: why it failed, for a person.
pub const ERROR: &str = "dojo-error";
/// On `orders-dlq`: the instance that gave up.
pub const INSTANCE: &str = "dojo-instance";
/// On `orders-dlq`: the version of the rule that decided.
pub const RULE_VERSION: &str = "dojo-rule-version";

/// Headers in the order they stand on the record; a key may repeat, a value may be null or not UTF-8.
pub type Headers = Vec<(String, Option<Vec<u8>>)>;

/// Returns the number in the last header called `name`: 0 if no header has that name, `None` if its value isn't a number.
///
/// The last one counts because Kafka's own clients treat it as the current one (`Headers.lastHeader`).
pub fn count(headers: &Headers, name: &str) -> Option<u32> {
    match headers.iter().rev().find(|(key, _)| key == name) {
        None => Some(0),
        Some((_, value)) => std::str::from_utf8(value.as_deref()?).ok()?.parse().ok(),
    }
}

/// Returns the number in the last header called `name`; `None` if there is no such header or its value isn't a number.
pub fn number(headers: &Headers, name: &str) -> Option<i64> {
    let (_, value) = headers.iter().rev().find(|(key, _)| key == name)?;
    std::str::from_utf8(value.as_deref()?).ok()?.parse().ok()
}

/// Returns whether the record is new: it has neither a retry count nor a redrive count.
pub fn is_original(headers: &Headers) -> bool {
    !has(headers, RETRY_COUNT) && !has(headers, REDRIVE_COUNT)
}

/// Returns whether a header is called `name`.
pub fn has(headers: &Headers, name: &str) -> bool {
    headers.iter().any(|(key, _)| key == name)
}

/// Sets `name` to `value` in place of every header of that name; all others stay as they are.
pub fn set(headers: &mut Headers, name: &str, value: impl Into<String>) {
    headers.retain(|(key, _)| key != name);
    headers.push((name.to_owned(), Some(value.into().into_bytes())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_overwritten_never_appended() {
        let mut headers: Headers = vec![("trace".into(), Some(b"x".to_vec()))];
        assert_eq!((count(&headers, RETRY_COUNT), is_original(&headers)), (Some(0), true));
        set(&mut headers, RETRY_COUNT, "1");
        set(&mut headers, RETRY_COUNT, "2");
        assert_eq!((count(&headers, RETRY_COUNT), is_original(&headers)), (Some(2), false));
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn a_count_that_is_not_a_number_is_not_zero() {
        let headers: Headers = vec![(RETRY_COUNT.into(), Some(vec![0xff])), ("other".into(), None)];
        assert_eq!(count(&headers, RETRY_COUNT), None);
        assert_eq!((number(&headers, RETRY_COUNT), number(&headers, "other")), (None, None));
    }

    #[test]
    fn the_last_header_of_a_name_counts() {
        let headers: Headers =
            vec![(DLQ_OFFSET.into(), Some(b"5".to_vec())), (DLQ_OFFSET.into(), Some(b"7".to_vec()))];
        assert_eq!((number(&headers, DLQ_OFFSET), number(&headers, RETRY_COUNT)), (Some(7), None));
    }
}
