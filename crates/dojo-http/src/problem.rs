//! A refusal as the response it becomes: `application/problem+json` (RFC 9457) with a list of the fields that are wrong.
//! Internals go to the log, never to the client.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Why a request failed, for the client.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    errors: Vec<FieldError>,
    header: Option<(HeaderName, &'static str)>,
    member: Option<Box<(&'static str, Value)>>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize, ToSchema)]
struct FieldError {
    /// The field, parameter, header or part that it is about; empty for the whole body.
    field: String,
    /// What is wrong, and what would be accepted.
    message: String,
}

/// A problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    kind: &'a str,
    /// The name of the status.
    title: &'a str,
    /// The status of the response.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, in a sentence for a person.
    detail: &'a str,
    /// What is wrong with each part of the request.
    errors: &'a [FieldError],
    #[serde(flatten)]
    #[schema(ignore)]
    member: Option<BTreeMap<&'static str, &'a Value>>,
}

impl Problem {
    pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

    /// Creates a problem with a status and a sentence for the client.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new(), header: None, member: None }
    }

    /// 400: the server can't make sense of the request.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 422: the request was understood, and these fields of it are wrong. Each is a field's name and what is wrong with
    /// it; an empty name means the whole body.
    pub fn invalid(fields: impl IntoIterator<Item = (String, String)>) -> Self {
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "").with_errors(fields);
        let detail = match problem.errors.as_slice() {
            [only] if only.field.is_empty() => only.message.clone(),
            [only] => format!("{} {}", only.field, only.message),
            several => format!("{} fields are wrong", several.len()),
        };
        Self { detail, ..problem }
    }

    /// 422 about one field.
    pub fn invalid_field(field: &str, message: impl Into<String>) -> Self {
        Self::invalid([(field.to_owned(), message.into())])
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 503: not now, but soon.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with_header(header::RETRY_AFTER, "1")
    }

    /// 500: a defect of the service. `what` goes to the log.
    pub fn internal(what: impl std::fmt::Display) -> Self {
        tracing::error!("a request failed: {what}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the service failed; see its log")
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn with_header(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// Adds a member of the problem's own to the document, which RFC 9457 calls an extension.
    #[must_use]
    pub fn with_member(self, name: &'static str, value: &impl Serialize) -> Self {
        Self { member: serde_json::to_value(value).ok().map(|value| Box::new((name, value))), ..self }
    }

    /// Lists several causes, each with the field or part that it is about.
    #[must_use]
    pub fn with_errors(self, errors: impl IntoIterator<Item = (String, String)>) -> Self {
        let errors = errors.into_iter().map(|(field, message)| FieldError { field, message }).collect();
        Self { errors, ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
            member: self.member.as_deref().map(|(name, value)| BTreeMap::from([(*name, value)])),
        };
        // Texts and a number: this can't fail, and an empty body would still have its status.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Self::MEDIA_TYPE));
        headers.extend(self.header.map(|(name, value)| (name, HeaderValue::from_static(value))));
        response
    }
}
