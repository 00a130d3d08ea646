//! `GET /dlq`: what could not be delivered, newest first, read from the log whenever it is asked for, so that a restart
//! of this service forgets nothing. Each looks as it does on `GET /events`, and has its `redrives`, oldest first: when it was
//! sent back to `orders`, to which partition and offset, and the outcome, null until there is one.

use crate::{
    api::links::link_next,
    app::App,
    event_stream::{data::EventData, frame},
    log::{
        dead_letters::{Found, PARTITION},
        decode::why_unreadable,
        stream_topic::StreamTopic,
    },
    read_models::redrives::{Redrive, Redrives},
};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use dojo_contract::{DlqEvent, topic};
use dojo_http::{Invalid, Problem, Query, Unavailable, WholeNumber, number};
use dojo_kafka::Error;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

const LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 200;
type Limit = WholeNumber<1, MAX_LIMIT, LIMIT>;
/// A dead letter can have 2 MiB; then a page has fewer.
const MAX_BYTES: usize = 8 * 1024 * 1024;
const WITHIN: Duration = Duration::from_secs(5);

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// How many dead letters the page has at most. It has fewer if they are large.
    #[param(value_type = Option<Limit>, inline)]
    limit: Option<String>,
    /// An offset on `orders-dlq`: the page has those before it.
    #[param(value_type = Option<i64>, minimum = 0)]
    before: Option<String>,
}

// Only a description: the JSON of a letter stays as it stands on the topic.
/// A dead letter, and its redrives.
#[derive(Serialize, ToSchema)]
struct DeadLetter {
    #[serde(flatten)]
    letter: EventData<DlqEvent>,
    /// When it was sent back to `orders`, the oldest redrive first.
    redrives: Vec<Redrive>,
}

/// Lists the dead letters, the newest first
///
/// They are read from the log for each request.
#[utoipa::path(
    get,
    path = "/dlq",
    tag = "dead letters",
    operation_id = "listDeadLetters",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of the list.", body = [DeadLetter], headers(
            ("Link" = String, description = "The path of the next page, as `<…>; rel=\"next\"`; absent on the last page.")
        )),
        Invalid, Unavailable
    )
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Query(ListQuery { limit, before }): Query<ListQuery>,
) -> Result<Response, Problem> {
    let limit = number("limit", limit.as_deref(), 1..=MAX_LIMIT)?.unwrap_or(LIMIT);
    let before = number("before", before.as_deref(), 0..=i64::MAX)?.unwrap_or(i64::MAX);
    app.refuse_while_away()?;
    let read = async {
        let _reader = app.log_readers.acquire().await;
        let marks = app.producer.watermarks(topic::ORDERS_DLQ).await?;
        let (low, high) = marks.get(&PARTITION).copied().unwrap_or_default();
        let end = before.clamp(low, high);
        let start = (end - limit).max(low);
        Ok::<_, Error>((
            low,
            start,
            if start < end { read(&app, start, end).await? } else { Some(VecDeque::new()) },
        ))
    };
    let (low, start, letters) = match timeout(WITHIN, read).await {
        Ok(Ok((low, start, Some(letters)))) => (low, start, letters),
        Ok(Ok((_, _, None))) | Err(_) => {
            return Err(Problem::unavailable("the dead letters could not be read from Kafka in time"));
        }
        Ok(Err(error)) => return Err(Problem::unavailable(error.to_string())),
    };
    let oldest = letters.back().map_or(start, |(offset, _)| *offset);
    let page: Vec<_> = {
        let redrives = app.models.redrives();
        letters.into_iter().filter_map(|letter| with_redrives(&redrives, letter)).collect()
    };
    let mut response = Json(page).into_response();
    if oldest > low {
        link_next(&mut response, &format!("/dlq?limit={limit}&before={oldest}"));
    }
    Ok(response)
}

/// A dead letter's offset and its JSON.
type Letter = (i64, String);

fn with_redrives(redrives: &Redrives, (offset, data): Letter) -> Option<Box<RawValue>> {
    let redrives = serde_json::to_string(&redrives.of(offset).collect::<Vec<_>>()).ok()?;
    RawValue::from_string(frame::with_member(&data, "redrives", &redrives)).ok()
}

/// The dead letters from `start` to `end`, exclusively, newest first; without the oldest where they are too large.
/// `None` when the service ends meanwhile.
async fn read(app: &App, start: i64, end: i64) -> Result<Option<VecDeque<Letter>>, Error> {
    let mut reading = app.dead_letters.read(start..end, |_| true)?;
    let mut page = Page::default();
    while let Some(found) = reading.next().await {
        match found {
            Found::Letter(letter) => {
                let record = letter.record();
                let unreadable = why_unreadable(StreamTopic::DeadLetters, &record);
                page.push(letter.offset, frame::data(&record, unreadable.as_deref()));
            }
            Found::Gap(_) => {}
            Found::End => return Ok(Some(page.letters)),
        }
    }
    Ok(None)
}

#[derive(Default)]
struct Page {
    letters: VecDeque<Letter>,
    bytes: usize,
}

impl Page {
    fn push(&mut self, offset: i64, data: String) {
        self.bytes += data.len();
        self.letters.push_front((offset, data));
        while self.bytes > MAX_BYTES && self.letters.len() > 1 {
            self.bytes -= self.letters.pop_back().map_or(0, |(_, data)| data.len());
        }
    }
}
