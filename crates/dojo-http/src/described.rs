//! How OpenAPI describes refusals: a type for each status that a route names in its `responses(…)`, and the statuses that any
//! route can answer before its handler runs.

use crate::problem::{Document, Problem};
use std::collections::BTreeMap;
use utoipa::{
    IntoResponses, PartialSchema as _, ToSchema as _,
    openapi::{
        Components, Content, Header, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder,
        path::Operation,
        schema::{Object, Type},
    },
};

/// A refusal with this status, for the `responses(…)` of a route.
#[derive(Debug)]
pub struct Refused<const STATUS: u16>;

/// 404: there is no such resource.
pub type NotFound = Refused<404>;
/// 409: the resource doesn't allow it, or not now.
pub type Conflict = Refused<409>;
/// 422: fields, parameters or headers have wrong values.
pub type Invalid = Refused<422>;
/// 503: temporarily unavailable.
pub type Unavailable = Refused<503>;

/// The statuses with a description of their own. [`describe_refusals`] adds them to the document's components.
const REFUSALS: [(u16, &str); 12] = [
    (
        400,
        "The request doesn't make sense: a query parameter is unknown or given twice, `Host` is missing, or the body isn't JSON.",
    ),
    (
        403,
        "The request comes from a page of another web origin, names a host that isn't this server's, or changes what can't be changed here.",
    ),
    (404, "There is no such resource."),
    (408, "The body didn't arrive in time."),
    (409, "The resource doesn't allow it, or not now; `detail` says why."),
    (410, "The resource is over; `detail` says since when and why."),
    (412, "The resource isn't the one that `If-Match` names; `ETag` names the present one."),
    (413, "The body is too large."),
    (415, "The body's type isn't JSON."),
    (422, "A field, parameter or header has a wrong value; `errors` names each."),
    (428, "`If-Match` is missing."),
    (503, "Temporarily unavailable; retry after `Retry-After` seconds. `detail` says why."),
];
/// What the guard, and the readers of queries, answer on every route.
const EVERYWHERE: [u16; 2] = [400, 403];
/// What [`JsonBody`](crate::JsonBody) answers besides.
const WITH_A_BODY: [u16; 3] = [408, 413, 415];

impl<const STATUS: u16> IntoResponses for Refused<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [(STATUS.to_string(), reference(STATUS))].into()
    }
}

/// Adds to each operation what is answered before its handler, and to the components what describes the refusals.
pub fn describe_refusals(document: &mut OpenApi) {
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        let with_a_body = operation.request_body.is_some();
        let statuses = EVERYWHERE.into_iter().chain(WITH_A_BODY.into_iter().filter(|_| with_a_body));
        for status in statuses {
            operation.responses.responses.entry(status.to_string()).or_insert_with(|| reference(status));
        }
    }
    let components = document.components.get_or_insert_with(Components::new);
    let mut schemas = Vec::new();
    Document::schemas(&mut schemas);
    components.schemas.extend(schemas);
    components.schemas.insert(Document::name().into_owned(), Document::schema());
    for (status, description) in REFUSALS {
        components.responses.insert(name(status), response(status, description).into());
    }
}

/// Returns the operations of one path.
fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = path;
    [get, put, post, delete, patch].into_iter().flatten()
}

fn response(status: u16, description: &str) -> Response {
    let document = Content::new(Some(Ref::from_schema_name(Document::name())));
    let response = ResponseBuilder::new().description(description).content(Problem::MEDIA_TYPE, document);
    let (name, kind, of_header) = match status {
        415 => ("Accept", Type::String, "The type that is accepted."),
        503 => ("Retry-After", Type::Integer, "Seconds after which the request may be repeated."),
        _ => return response.build(),
    };
    let mut header = Header::new(Object::with_type(kind));
    header.description = Some(of_header.to_owned());
    response.header(name, header).build()
}

fn reference(status: u16) -> RefOr<Response> {
    Ref::from_response_name(name(status)).into()
}

fn name(status: u16) -> String {
    axum::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Refused")
        .replace(' ', "")
}
