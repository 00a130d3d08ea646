//! `/orders`: create, list, look at, change, delete.

use crate::{
    api::{links::link_next, write_problem::ProblemOf as _},
    app::App,
};
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use dojo_contract::{NewOrder, Order, OrderChange};
use dojo_http::{Invalid, JsonBody, NoQuery, NotFound, Problem, Query, Unavailable, WholeNumber, number};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;
use uuid::Uuid;

/// Orders on one page of the list where `limit` doesn't say.
const LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
type Limit = WholeNumber<1, { MAX_LIMIT as i64 }, { LIMIT as i64 }>;
const MAX_KEY_LEN: usize = 255;
/// Says on the list how many orders are older than those that the service keeps.
const OLDER_ORDERS: HeaderName = HeaderName::from_static("older-orders");

const LOOK_AT: &str = "GET /orders shows what the log holds. A request with an Idempotency-Key can be repeated without being \
                       done twice";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// How many orders the page has at most.
    #[param(value_type = Option<Limit>, inline)]
    limit: Option<String>,
    /// The id of an order: the page has those that are older.
    #[param(value_type = Option<Uuid>)]
    after: Option<String>,
}

/// Creates an order
///
/// The order is on Kafka, and the list shows it, before the answer comes. If the answer says that the outcome is unknown, the
/// list shows later whether the order was created.
#[utoipa::path(
    post,
    path = "/orders",
    tag = "orders",
    operation_id = "createOrder",
    params((
        "Idempotency-Key" = Option<String>, Header, nullable = false, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
        description = "The request can be repeated with this key without creating a second order."
    )),
    request_body = NewOrder,
    responses(
        (status = 201, description = "The order as it was created, now or by an earlier request with the same key. The latter may be deleted by now.",
            body = Order, headers(("Location" = String, description = "The path of the order."))),
        Invalid, Unavailable
    )
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    _: NoQuery,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let order = app.orders.create(&body, idempotency_key(&headers)?).await.problem(LOOK_AT)?;
    let location = [(header::LOCATION, format!("/orders/{}", order.id))];
    Ok((StatusCode::CREATED, location, Json(order)).into_response())
}

/// Lists the orders, the newest first
#[utoipa::path(
    get,
    path = "/orders",
    tag = "orders",
    operation_id = "listOrders",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of the list.", body = [Order], headers(
            ("Link" = String, description = "The path of the next page, as `<…>; rel=\"next\"`; absent on the last page."),
            ("Older-Orders" = u64, description = "Orders that are older than those that the service keeps.")
        )),
        Invalid, Unavailable
    )
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Query(ListQuery { limit, after }): Query<ListQuery>,
) -> Result<Response, Problem> {
    let limit = number("limit", limit.as_deref(), 1..=MAX_LIMIT)?.unwrap_or(LIMIT);
    let after_id = after.as_deref().map(|after| after.parse::<Uuid>().map_err(|_| no_such_place(after)));
    let after_id = after_id.transpose()?;
    refuse_unless_read(&app)?;
    let (page, older) = {
        let orders = app.models.orders();
        (orders.page(limit, after_id), orders.older())
    };
    let page = page.ok_or_else(|| no_such_place(after.as_deref().unwrap_or_default()))?;
    let orders: Vec<_> = page.orders.iter().map(|order| &**order).collect();
    let mut response = Json(orders).into_response();
    response.headers_mut().insert(OLDER_ORDERS, HeaderValue::from(older));
    if let Some(next) = page.next {
        link_next(&mut response, &format!("/orders?limit={limit}&after={next}"));
    }
    Ok(response)
}

/// Returns an order
#[utoipa::path(
    get,
    path = "/orders/{id}",
    tag = "orders",
    operation_id = "getOrder",
    params(("id" = Uuid, Path, description = "The order.")),
    responses((status = 200, description = "The order.", body = Order), NotFound, Unavailable)
)]
pub(crate) async fn get(State(app): State<Arc<App>>, _: NoQuery, id: OrderPath) -> Result<Response, Problem> {
    let id = order_id(id)?;
    refuse_unless_read(&app)?;
    let order = app.models.orders().get(id).map_err(|missing| Problem::not_found(missing.to_string()))?;
    Ok(Json(&*order).into_response())
}

/// Changes an order
///
/// Fields that aren't given stay as they are. `id` and `createdAt` may be given as they are, but not changed. The change is on
/// Kafka, and the list shows it, before the answer comes.
#[utoipa::path(
    put,
    path = "/orders/{id}",
    tag = "orders",
    operation_id = "changeOrder",
    params(("id" = Uuid, Path, description = "The order.")),
    request_body = OrderChange,
    responses((status = 200, description = "The changed order.", body = Order), NotFound, Invalid, Unavailable)
)]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    _: NoQuery,
    id: OrderPath,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let order = app.orders.change(order_id(id)?, body).await.problem(LOOK_AT)?;
    Ok(Json(order).into_response())
}

/// Deletes an order
///
/// The event is on Kafka, and the order is off the list, before the answer comes.
#[utoipa::path(
    delete,
    path = "/orders/{id}",
    tag = "orders",
    operation_id = "deleteOrder",
    params(("id" = Uuid, Path, description = "The order.")),
    responses((status = 204, description = "The order is deleted."), NotFound, Unavailable)
)]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    _: NoQuery,
    id: OrderPath,
) -> Result<StatusCode, Problem> {
    app.orders.delete(order_id(id)?).await.problem(LOOK_AT)?;
    Ok(StatusCode::NO_CONTENT)
}

/// An order id as it came.
pub(crate) type OrderPath = Result<Path<String>, PathRejection>;

/// A text that isn't an id names no order: 404.
pub(crate) fn order_id(path: OrderPath) -> Result<Uuid, Problem> {
    let Path(id) = path.map_err(|_| Problem::not_found("there is no order with that id"))?;
    id.parse().map_err(|_| {
        let shown: String = id.chars().take(MAX_KEY_LEN).collect();
        Problem::not_found(format!("there is no order {shown}"))
    })
}

fn no_such_place(after: &str) -> Problem {
    let shown: String = after.chars().take(MAX_KEY_LEN).collect();
    Problem::invalid_field(
        "after",
        format!(
            "is {shown:?}: give the id of an order that is still listed, such as the last of a page, or start again without `after`"
        ),
    )
}

/// A list that is still being read would show orders as missing.
fn refuse_unless_read(app: &App) -> Result<(), Problem> {
    if app.models.is_caught_up() {
        return Ok(());
    }
    Err(Problem::unavailable("the orders are still being read from Kafka"))
}

/// The key under which this request may be repeated
/// (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>).
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let wrong = || {
        let message = format!("give one key of 1 to {MAX_KEY_LEN} visible ASCII characters, such as a UUID");
        Problem::invalid_field("Idempotency-Key", message)
    };
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => {
            let visible = |b: u8| b.is_ascii_graphic();
            let key = key.to_str().ok().filter(|key| key.bytes().all(visible)).ok_or_else(wrong)?;
            if (1..=MAX_KEY_LEN).contains(&key.len()) { Ok(Some(key.to_owned())) } else { Err(wrong()) }
        }
        (Some(_), Some(_)) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_visible_word() {
        let key = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("idempotency-key", HeaderValue::from_str(value).unwrap());
            }
            idempotency_key(&headers)
        };
        assert_eq!(key(&[]).unwrap(), None);
        assert_eq!(key(&["\"a-1\""]).unwrap().as_deref(), Some("\"a-1\""));
        let long = "x".repeat(256);
        for wrong in [&[""][..], &["a b"], &["a", "b"], &["ä"], &[&long]] {
            assert!(key(wrong).is_err(), "{wrong:?}");
        }
    }
}
