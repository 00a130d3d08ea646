//! `/topics/{topic}/records`: looks at a page of records, or writes one by hand ([`crate::log::topics::records`],
//! [`crate::write::records`]).

use crate::{
    api::{links::link_next, write_problem::ProblemOf as _},
    app::App,
    log::topics::{
        look::{Look, Place, Positions},
        reading::LookError,
        records::RecordsPage,
    },
};
use axum::{
    Json,
    extract::{FromRequest as _, Path, Request, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use dojo_http::{Invalid, JsonBody, NoQuery, NotFound, Problem, Query, Unavailable, number};
use dojo_kafka::Isolation;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

/// Records of a page where `limit` doesn't say.
const LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;
/// How long a request may wait until it has its turn, and how long it may read.
const TURN_WITHIN: Duration = Duration::from_secs(2);
/// A record's value can have 2 MiB, and its base64 a third more.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// The parameters that say where to begin.
const PLACES: [&str; 4] = ["offset", "timestamp", "before", "from"];
/// How much of a name or a parameter a refusal repeats.
const SHOWN_CHARS: usize = 40;

const LOOK_AT: &str = "GET /topics/{topic}/records shows whether the record is on the log";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RecordsQuery {
    /// The only partition to look at.
    #[param(value_type = Option<i32>, minimum = 0)]
    partition: Option<String>,
    /// The offset to begin at; needs `partition`.
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Option<String>,
    /// The time to begin at (RFC 3339): reads from the first record of each partition with this timestamp or a later one.
    #[param(format = DateTime)]
    timestamp: Option<String>,
    /// A place in the `next` of an earlier answer: reads older records than those, newest first.
    before: Option<String>,
    /// A place in the `next` of an earlier answer: reads from there on.
    from: Option<String>,
    /// Only records with this key, such as an order id: from the start of the log on, oldest first.
    key: Option<String>,
    /// The most records of the answer. With 1, and a `partition`, the record is shown in whole.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 500, default = 50)]
    limit: Option<String>,
    /// `read_committed` shows what the dojo's consumers get; `read_uncommitted` shows also the records of open and aborted
    /// transactions, says of each record what it is, and names the offsets without a record.
    #[param(value_type = Option<IsolationName>, inline)]
    isolation: Option<String>,
}

/// Which records a reader sees.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes a parameter, which is read as a text")]
enum IsolationName {
    ReadCommitted,
    ReadUncommitted,
}

/// Looks at a topic's records
///
/// Joins no consumer group and commits nothing. Without a place: the newest records, newest first. From `offset`, `timestamp`,
/// `from` or with `key`: oldest first. Partitions are merged by timestamp; the order of a partition never changes. A later page
/// of a search can have older records of another partition. A page may have fewer records than `limit`, or none, where the log has few: `next`, and `Link` with `rel="next"`, go on. It is bounded
/// by 500 records, 8 KiB of each, and 5 s.
#[utoipa::path(
    get,
    path = "/topics/{topic}/records",
    tag = "dojo",
    operation_id = "listRecords",
    params(("topic" = String, Path, description = "The topic, without this dojo's prefix."), RecordsQuery),
    responses(
        (status = 200, description = "A page of records.", body = RecordsPage, headers(("Link" = String, description = "The next page."))),
        NotFound,
        Invalid,
        Unavailable,
    )
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    topic: Result<Path<String>, PathRejection>,
    Query(query): Query<RecordsQuery>,
) -> Result<Response, Problem> {
    let look = look(topic_name(topic)?, query)?;
    app.refuse_while_away()?;
    let turn = timeout(TURN_WITHIN, app.topic_readers.acquire()).await;
    let Ok(Ok(_reader)) = turn else {
        return Err(Problem::unavailable("other requests are reading the log: try again"));
    };
    let page = app.records.read(&look).await.map_err(problem)?;
    let mut response = Json(&page).into_response();
    if let Some(next) = &page.next {
        link_next(&mut response, next);
    }
    Ok(response)
}

fn look(topic: String, query: RecordsQuery) -> Result<Look, Problem> {
    let RecordsQuery { partition, offset, timestamp, before, from, key, limit, isolation } = query;
    let places = [&offset, &timestamp, &before, &from].map(Option::is_some);
    let mut given = PLACES.into_iter().zip(places).filter(|(_, is_given)| *is_given).map(|(name, _)| name);
    if let (Some(first), Some(second)) = (given.next(), given.next()) {
        return Err(Problem::invalid_field(
            second,
            format!("can't be combined with {first}: give only one of offset, timestamp, before and from"),
        ));
    }
    if partition.is_some() && (before.is_some() || from.is_some()) {
        return Err(Problem::invalid_field(
            "partition",
            "is part of the place in `before` or `from`: leave it out",
        ));
    }
    if before.is_some() && key.is_some() {
        return Err(Problem::invalid_field(
            "before",
            "can't be searched for a key: records are searched from old to new",
        ));
    }
    let partition = number("partition", partition.as_deref(), 0..=i32::MAX)?;
    let offset = number("offset", offset.as_deref(), 0..=i64::MAX)?;
    if offset.is_some() && partition.is_none() {
        return Err(Problem::invalid_field("offset", "needs a partition: give `partition`, too"));
    }
    let isolation = match isolation.as_deref() {
        None | Some("read_committed") => Isolation::ReadCommitted,
        Some("read_uncommitted") => Isolation::ReadUncommitted,
        Some(other) => {
            let message = format!("is {:?}: give read_committed or read_uncommitted", cut(other));
            return Err(Problem::invalid_field("isolation", message));
        }
    };
    let place = match (offset, timestamp, before, from) {
        (Some(offset), ..) => Place::Offset(offset),
        (_, Some(timestamp), ..) => Place::Time(time(&timestamp)?),
        (_, _, Some(before), _) => Place::Before(positions("before", &before)?),
        (.., Some(from)) => Place::From(positions("from", &from)?),
        _ => Place::Newest,
    };
    let limit = number("limit", limit.as_deref(), 1..=MAX_LIMIT)?.unwrap_or(LIMIT);
    Ok(Look { topic, partition, place, isolation, limit, key })
}

fn time(text: &str) -> Result<DateTime<Utc>, Problem> {
    text.parse().map_err(|_| {
        let message = format!("is {:?}: give a time such as 2026-01-31T09:30:00Z", cut(text));
        Problem::invalid_field("timestamp", message)
    })
}

fn positions(name: &str, text: &str) -> Result<Positions, Problem> {
    text.parse().map_err(|_| {
        let message =
            format!("is {:?}: give the place of an earlier answer's `next` as it was received", cut(text));
        Problem::invalid_field(name, message)
    })
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

fn problem(error: LookError) -> Problem {
    match error {
        LookError::NoSuchTopic(_) => Problem::not_found(error.to_string()),
        LookError::NoSuchPartition { .. } => Problem::invalid_field("partition", error.to_string()),
        LookError::TooManyPartitions { .. } => Problem::invalid_field("partition", error.to_string()),
        LookError::OutOfRange { .. } => Problem::invalid_field("offset", error.to_string()),
        LookError::NotInTime(_) | LookError::Kafka(_) => Problem::unavailable(error.to_string()),
    }
}

fn topic_name(topic: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    topic.map(|Path(topic)| topic).map_err(|_| Problem::not_found("there is no topic of that name"))
}

/// A record to write. A key, a value and a header's value are a text, `{"base64": "…"}` for other bytes, or null.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, whose mistakes `write/record_body.rs` names one by one")]
pub(crate) struct RecordToWrite {
    /// The partition; without one, the key decides.
    #[schema(minimum = 0)]
    partition: Option<i32>,
    key: Option<BytesToWrite>,
    /// In order; a name may repeat.
    #[schema(max_items = 100)]
    headers: Option<Vec<HeaderToWrite>>,
    /// Null makes a tombstone.
    #[schema(required = true)]
    value: Option<BytesToWrite>,
}

/// A header of a record to write.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a part of a body")]
struct HeaderToWrite {
    name: String,
    value: Option<BytesToWrite>,
}

/// Bytes: a text, or base64.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes a part of a body")]
enum BytesToWrite {
    Text(String),
    Base64 { base64: String },
}

/// Where a record stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct Written {
    topic: String,
    partition: i32,
    offset: i64,
}

/// Writes a record by hand
///
/// To `orders`, `audit` or `orders-dlq`, whatever it holds: what a consumer can't read is a poison record. Its timestamp is the
/// time of the request. Answers once Kafka has acknowledged it.
#[utoipa::path(
    post,
    path = "/topics/{topic}/records",
    tag = "dojo",
    operation_id = "writeRecord",
    params(("topic" = String, Path, description = "orders, audit or orders-dlq.")),
    request_body = RecordToWrite,
    responses((status = 201, description = "The record's place.", body = Written), NotFound, Invalid, Unavailable)
)]
pub(crate) async fn write(
    State(app): State<Arc<App>>,
    topic: Result<Path<String>, PathRejection>,
    _: NoQuery,
    request: Request,
) -> Result<Response, Problem> {
    let topic = topic_name(topic)?;
    app.by_hand.refuse_topic(&topic).problem(LOOK_AT)?;
    // A body can be large. It is read when it has its turn.
    let Ok(_place) = app.records_by_hand.try_acquire() else {
        return Err(Problem::unavailable("too many records by hand are under way: try again"));
    };
    let JsonBody(body) = JsonBody::<MAX_BODY_BYTES>::from_request(request, &()).await?;
    let written = app.by_hand.write(&topic, &body).await.problem(LOOK_AT)?;
    let location =
        format!("/topics/{topic}/records?partition={}&offset={}&limit=1", written.partition, written.offset);
    let written = Written { topic, partition: written.partition, offset: written.offset };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(written)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn look_of(query: &[(&str, &str)]) -> Result<Look, String> {
        let query: BTreeMap<_, _> = query.iter().copied().collect();
        let query = serde_json::from_value(serde_json::to_value(query).unwrap()).unwrap();
        look("orders".to_owned(), query).map_err(|problem| format!("{problem:?}"))
    }

    #[test]
    fn a_look_has_one_place_to_begin_at() {
        let newest = look_of(&[]).unwrap();
        assert_eq!(
            (newest.place, newest.limit, newest.isolation),
            (Place::Newest, LIMIT, Isolation::ReadCommitted)
        );
        let offset = look_of(&[("partition", "1"), ("offset", "7")]).unwrap();
        assert_eq!((offset.partition, offset.place), (Some(1), Place::Offset(7)));
        for (query, said) in [
            (&[("offset", "7")][..], "give `partition`, too"),
            (&[("timestamp", "now")], "2026-01-31T09:30:00Z"),
            (&[("timestamp", "2026-01-31T09:30:00Z"), ("from", "0:1")], "give only one of"),
            (&[("before", "x")], "as it was received"),
            (&[("before", "0:1"), ("key", "k")], "from old to new"),
            (&[("before", "0:1"), ("partition", "0")], "leave it out"),
            (&[("isolation", "none")], "read_uncommitted"),
            (&[("limit", "501")], "from 1 to 500"),
            (&[("partition", "-1")], "from 0"),
        ] {
            let refused = look_of(query).unwrap_err();
            assert!(refused.contains(said), "{query:?}: {refused}");
        }
    }
}
