//! `/orders`: create, list, look at, change, delete.

use crate::{app::App, body::JsonBody, mutations::no_such_order, problem::Problem, query::Params, request};
use axum::{
    Json,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::sync::Arc;
use uuid::Uuid;

/// Orders on one page of the list: without `limit`, and at most.
const LIMIT: usize = 100;
const MOST: usize = 1_000;
const MAX_KEY_LEN: usize = 255;

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let asked = request::new_order(&body).map_err(Problem::invalid)?;
    let order = app.mutations.create(asked, key).await?;
    let location = [(header::LOCATION, format!("/orders/{}", order.id))];
    Ok((StatusCode::CREATED, location, Json(order)).into_response())
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::of(query);
    let limit = params.number("limit", 1..=MOST)?.unwrap_or(LIMIT);
    let after = match params.get("after") {
        None => None,
        Some(id) => Some(id.parse::<Uuid>().map_err(|_| no_such_place(id))?),
    };
    refuse_unless_read(&app)?;
    let page = app.model.orders().page(limit, after);
    let page = page.ok_or_else(|| no_such_place(&after.map(|id| id.to_string()).unwrap_or_default()))?;
    let orders: Vec<_> = page.orders.iter().map(|order| &**order).collect();
    let mut response = Json(orders).into_response();
    if let Some(next) = page.next {
        link_next(&mut response, &format!("/orders?limit={limit}&after={next}"));
    }
    Ok(response)
}

pub(crate) async fn get(State(app): State<Arc<App>>, id: OrderPath) -> Result<Response, Problem> {
    let id = order_id(id)?;
    refuse_unless_read(&app)?;
    let order = app.model.orders().get(id).ok_or_else(|| no_such_order(&id.to_string()))?;
    Ok(Json(&*order).into_response())
}

pub(crate) async fn change(
    State(app): State<Arc<App>>,
    id: OrderPath,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let order = app.mutations.change(order_id(id)?, body).await?;
    Ok(Json(order).into_response())
}

pub(crate) async fn delete(State(app): State<Arc<App>>, id: OrderPath) -> Result<StatusCode, Problem> {
    app.mutations.delete(order_id(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An order id as it came.
pub(crate) type OrderPath = Result<Path<String>, PathRejection>;

fn order_id(path: OrderPath) -> Result<Uuid, Problem> {
    // What is no id names no order.
    let Path(id) = path.map_err(|_| no_such_order("of that name"))?;
    id.parse().map_err(|_| no_such_order(&id.chars().take(MAX_KEY_LEN).collect::<String>()))
}

fn no_such_place(after: &str) -> Problem {
    let shown: String = after.chars().take(MAX_KEY_LEN).collect();
    Problem::invalid_field(
        "after",
        format!("is {shown:?}: give the id of an order, such as the last of a page"),
    )
}

/// A list that is still being read would show orders as missing.
fn refuse_unless_read(app: &App) -> Result<(), Problem> {
    if app.model.is_caught_up() {
        return Ok(());
    }
    Err(Problem::unavailable("the orders are still being read from Kafka"))
}

/// `Link: <…>; rel="next"` (RFC 8288).
pub(crate) fn link_next(response: &mut Response, next: &str) {
    if let Ok(link) = HeaderValue::try_from(format!("<{next}>; rel=\"next\"")) {
        response.headers_mut().insert(header::LINK, link);
    }
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
