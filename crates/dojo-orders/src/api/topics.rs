//! `GET /topics`: which topics there are, with their partitions, configurations and consumer groups. While Kafka is away the
//! refusal has the last answer as `lastKnown`, with its age.

use crate::{app::App, log::topics::list::TopicList};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use chrono::Utc;
use dojo_http::{NoQuery, Problem, Unavailable};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

const WITHIN: Duration = Duration::from_secs(8);

/// An earlier answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LastKnown<'a> {
    age_millis: i64,
    #[serde(flatten)]
    list: &'a TopicList,
}

/// Lists this dojo's topics
///
/// With their partitions and offsets, the configurations that decide what they keep, and the consumer groups that read them.
/// Without a prefix (`KAFKA_PREFIX`) these are all topics of the cluster but Kafka's own. While Kafka is away, the 503 has the
/// members of the last answer in `lastKnown`, and its age in `lastKnown.ageMillis`.
#[utoipa::path(
    get,
    path = "/topics",
    tag = "dojo",
    operation_id = "listTopics",
    responses((status = 200, description = "The topics.", body = TopicList), Unavailable)
)]
pub(crate) async fn list(State(app): State<Arc<App>>, _: NoQuery) -> Result<Response, Problem> {
    let read = async {
        app.refuse_while_away()?;
        let read = async {
            let _reader = app.topic_readers.acquire().await;
            app.topics.list().await
        };
        let in_time = timeout(WITHIN, read).await;
        let in_time = in_time.map_err(|_| Problem::unavailable("Kafka didn't list its topics in time"))?;
        in_time.map_err(|error| Problem::unavailable(error.to_string()))
    };
    match read.await {
        Ok(list) => Ok(Json(&*list).into_response()),
        Err(problem) => Err(match app.topics.last() {
            None => problem,
            Some(list) => {
                let age_millis = (Utc::now() - list.as_of).num_milliseconds().max(0);
                problem.with_member("lastKnown", &LastKnown { age_millis, list: &list })
            }
        }),
    }
}
