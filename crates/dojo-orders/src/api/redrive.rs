//! `POST /dlq/redrive` with `{"offsets": [1, 2]}` or `{"all": true}`: sends dead letters back to `orders`.
//!
//! The answer has each letter in `redriven`, with its place on `orders`, or in `refused`, with the reason; of `all`, those that
//! were redriven before are in neither. `left` is how many more there were no time or room for, at most: ask again.
//! After the answer `GET /dlq` shows the redrives.

use crate::{
    api::write_problem::ProblemOf as _,
    app::App,
    write::redrive::{Redrove, Refused},
};
use axum::{Json, extract::State};
use dojo_http::{JsonBody, NoQuery, Problem};
use dojo_kafka::Delivered;
use serde_json::{Value, json};
use std::sync::Arc;

const LOOK_AT: &str = "GET /dlq shows which dead letters were redriven; ask again for the rest";

pub(crate) async fn redrive(
    State(app): State<Arc<App>>,
    _: NoQuery,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Problem> {
    let Redrove { redriven, refused, left } = app.redrives.redrive(&body).await.problem(LOOK_AT)?;
    let sent = |(offset, Delivered { partition, offset: at }): (i64, Delivered)| json!({"offset": offset, "to": {"partition": partition, "offset": at}});
    let redriven: Vec<_> = redriven.into_iter().map(sent).collect();
    let refuse = |Refused { offset, reason }: Refused| json!({"offset": offset, "reason": reason});
    let refused: Vec<_> = refused.into_iter().map(refuse).collect();
    Ok(Json(json!({"redriven": redriven, "refused": refused, "left": left})))
}
