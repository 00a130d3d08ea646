//! `GET /openapi.json`: the API, described for machines (OpenAPI 3.1). The document comes from the routes themselves: what a
//! handler's `#[utoipa::path]` says, and the types that it reads and answers.

use axum::{
    Extension,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::OpenApi;

/// What the document says of the API as a whole.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Kafka Dojo",
        description = "The order service of the Kafka Dojo. Every refusal is a problem document (RFC 9457). An unknown path is \
                       answered 404; a path that doesn't know the request's method, 405 with the methods that it knows in \
                       `Allow`. What travels on Kafka is in `/asyncapi.json`."
    ),
    tags(
        (name = "orders", description = "Orders, and what happened to them."),
        (name = "dead letters", description = "Events that could not be delivered, and their way back."),
        (name = "dojo", description = "Settings, instances, rules, consumer groups and topics."),
        (name = "runs", description = "Scenarios that `dojo-run` plays, and what they change for as long as they play."),
        (name = "stream", description = "Everything that happens, as server-sent events."),
        (name = "page", description = "The page."),
        (name = "descriptions", description = "The API and what travels on Kafka, described for machines."),
        (name = "health", description = "Whether this process is alive and ready, and what it counts.")
    )
)]
pub(crate) struct About;

/// The documents, as they are sent.
#[derive(Clone)]
pub(crate) struct Documents {
    openapi: Bytes,
    pub(crate) asyncapi: Bytes,
}

impl Documents {
    pub(crate) fn new(openapi: &OpenApi, asyncapi: &Value) -> Self {
        Self { openapi: bytes(openapi), asyncapi: bytes(asyncapi) }
    }
}

fn bytes(document: &impl Serialize) -> Bytes {
    // The document is a tree of texts: this can't fail.
    serde_json::to_vec(document).unwrap_or_default().into()
}

/// Describes the API
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "descriptions",
    operation_id = "getOpenApi",
    responses((status = 200, description = "This document.", body = Object))
)]
pub(crate) async fn openapi(Extension(documents): Extension<Documents>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], documents.openapi).into_response()
}
