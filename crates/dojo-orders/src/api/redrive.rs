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
use dojo_http::{Invalid, JsonBody, NoQuery, Problem, Unavailable};
use dojo_kafka::Delivered;
use serde::Serialize;
use std::sync::Arc;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, ObjectBuilder, OneOfBuilder, RefOr, Schema,
        schema::{AdditionalProperties, Type},
    },
};

const LOOK_AT: &str = "GET /dlq shows which dead letters were redriven; ask again for the rest";

/// What became of each dead letter.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedriveAnswer {
    redriven: Vec<RedrivenLetter>,
    refused: Vec<RefusedLetter>,
    /// How many more dead letters there were no time or room for, at most: ask again for them.
    left: usize,
}

/// A dead letter that went back to `orders`.
#[derive(Serialize, ToSchema)]
struct RedrivenLetter {
    /// Its offset on `orders-dlq`.
    offset: i64,
    to: RedrivenTo,
}

/// Where the record of a redriven dead letter stands on `orders`.
#[derive(Serialize, ToSchema)]
struct RedrivenTo {
    partition: i32,
    offset: i64,
}

/// A dead letter that stays where it is.
#[derive(Serialize, ToSchema)]
struct RefusedLetter {
    /// Its offset on `orders-dlq`.
    offset: i64,
    /// Why it stays, for a person.
    reason: String,
}

/// Which dead letters to send back.
pub(crate) struct RedriveRequest;

impl ToSchema for RedriveRequest {}
impl PartialSchema for RedriveRequest {
    fn schema() -> RefOr<Schema> {
        let offset = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(i64::MAX));
        let offsets = ArrayBuilder::new().items(offset).min_items(Some(1));
        let offsets = offsets.description(Some("Offsets on `orders-dlq`."));
        let all = ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true]));
        let all = all.description(Some("Every dead letter that wasn't redriven before."));
        OneOfBuilder::new().item(only("offsets", offsets)).item(only("all", all)).into()
    }
}

/// An object with this one member.
fn only(name: &str, member: impl Into<RefOr<Schema>>) -> ObjectBuilder {
    let object = ObjectBuilder::new().schema_type(Type::Object).property(name, member).required(name);
    object.additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

/// Sends dead letters back to `orders`
#[utoipa::path(
    post,
    path = "/dlq/redrive",
    tag = "dead letters",
    operation_id = "redriveDeadLetters",
    request_body = RedriveRequest,
    responses((status = 200, description = "What became of each.", body = RedriveAnswer), Invalid, Unavailable)
)]
pub(crate) async fn redrive(
    State(app): State<Arc<App>>,
    _: NoQuery,
    JsonBody(body): JsonBody,
) -> Result<Json<RedriveAnswer>, Problem> {
    let Redrove { redriven, refused, left } = app.redrives.redrive(&body).await.problem(LOOK_AT)?;
    let sent = |(offset, Delivered { partition, offset: at })| RedrivenLetter {
        offset,
        to: RedrivenTo { partition, offset: at },
    };
    let refuse = |Refused { offset, reason }| RefusedLetter { offset, reason };
    Ok(Json(RedriveAnswer {
        redriven: redriven.into_iter().map(sent).collect(),
        refused: refused.into_iter().map(refuse).collect(),
        left,
    }))
}
