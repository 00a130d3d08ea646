//! Links between the pages of a list.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};

/// Adds `Link: <…>; rel="next"` (RFC 8288).
pub(crate) fn link_next(response: &mut Response, next: &str) {
    if let Ok(link) = HeaderValue::try_from(format!("<{next}>; rel=\"next\"")) {
        response.headers_mut().insert(header::LINK, link);
    }
}
