//! `GET /orders/{id}/journey`: every record about an order, in the order in which it happened ([`crate::journey`]).
//!
//! Reading has ten seconds. If they don't suffice, the answer has the steps that were found so far, `complete` is false, and
//! `next` is the path that goes on where reading stopped. The answers together have each step once; each answer has an order
//! of its own.
//!
//! An answer has at most 1,000 steps, the first 100 and the newest 900, and `omitted` counts those between them.

use crate::{
    api::orders::{OrderPath, order_id},
    app::App,
    event_stream::cursor::Cursor,
    journey::{JourneyError, steps::Step},
};
use axum::{Json, extract::State};
use dojo_http::{Invalid, NotFound, Problem, Query, Unavailable};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct JourneyQuery {
    /// The cursor in the `next` of an earlier answer: goes on where that one stopped.
    after: Option<String>,
}

/// What happened to an order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Journey {
    order_id: Uuid,
    /// Whether everything was read in time.
    complete: bool,
    /// Steps between the first 100 and the newest 900 that are left out.
    omitted: usize,
    /// The path that goes on where reading stopped; null if everything was read.
    #[schema(format = "uri-reference", required)]
    next: Option<String>,
    steps: Vec<Step>,
}

/// Returns every record about an order, in the order in which it happened
///
/// Reads the log for up to ten seconds, and joins no consumer group.
#[utoipa::path(
    get,
    path = "/orders/{id}/journey",
    tag = "orders",
    operation_id = "getJourney",
    params(("id" = Uuid, Path, description = "The order."), JourneyQuery),
    responses((status = 200, description = "The steps that were found.", body = Journey), NotFound, Invalid, Unavailable)
)]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    id: OrderPath,
    Query(JourneyQuery { after }): Query<JourneyQuery>,
) -> Result<Json<Journey>, Problem> {
    let order_id = order_id(id)?;
    let after = after.map(|after| after.parse::<Cursor>().map_err(|_| invalid_cursor())).transpose()?;
    app.refuse_while_away()?;
    let journey = app.journeys.read(order_id, after.as_ref()).await.map_err(|error| match error {
        JourneyError::OtherLog => Problem::invalid_field("after", error.to_string()),
        _ => Problem::unavailable(error.to_string()),
    })?;
    // A reading that went on may find no more.
    if journey.steps.is_empty() && journey.next.is_none() && after.is_none() {
        return Err(Problem::not_found(format!("no record on the log is about an order {order_id}")));
    }
    Ok(Json(Journey {
        order_id,
        complete: journey.next.is_none(),
        omitted: journey.omitted,
        next: journey.next.map(|cursor| format!("/orders/{order_id}/journey?after={cursor}")),
        steps: journey.steps,
    }))
}

fn invalid_cursor() -> Problem {
    Problem::invalid_field(
        "after",
        "isn't a cursor of a journey: give the `next` of an earlier answer as it was received",
    )
}
