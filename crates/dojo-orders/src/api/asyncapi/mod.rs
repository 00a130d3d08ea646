//! `GET /asyncapi.json`: what travels on Kafka and on the event stream, described for machines (AsyncAPI 3.0).
//!
//! The topics and their configuration are the contract's, and so are the schemas of the events, from the types that read and
//! write them. Written down here are only the sentences, and which service sends and receives what.

mod operations;
mod parts;
mod stream;
mod topics;

use crate::api::openapi::Documents;
use axum::{
    Extension,
    http::header,
    response::{IntoResponse, Response},
};
use parts::Schemas;
use serde_json::{Value, json};

/// Describes what travels on Kafka and on the event stream
#[utoipa::path(
    get,
    path = "/asyncapi.json",
    tag = "descriptions",
    operation_id = "getAsyncApi",
    responses((status = 200, description = "The document: AsyncAPI 3.0.", body = Object))
)]
pub(crate) async fn asyncapi(Extension(documents): Extension<Documents>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], documents.asyncapi).into_response()
}

/// Returns the document of a dojo whose clients first connect to `brokers`.
pub(super) fn document(brokers: &str) -> Value {
    let mut schemas = Schemas::default();
    let mut channels = topics::channels(&mut schemas);
    channels.insert(stream::CHANNEL.to_owned(), stream::channel(&mut schemas));
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Kafka Dojo",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What travels on Kafka in the Kafka Dojo, and its event stream. Values are JSON, times are RFC 3339 in \
                UTC with milliseconds, and readers ignore fields that they don't know. On a cluster that several dojos share, \
                `KAFKA_PREFIX` comes before the name of every topic and group. The HTTP API is in `/openapi.json`.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {"host": brokers, "protocol": "kafka", "description": "The Kafka that this dojo uses."},
            "http": {
                "host": "{host}",
                "protocol": "http",
                "description": "The order service.",
                "variables": {"host": {"default": "localhost:3001", "description": "Where it is served."}},
            },
        },
        "channels": channels,
        "operations": operations::operations(),
        "components": {"schemas": schemas.all()},
    })
}
