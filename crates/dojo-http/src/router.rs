//! What every route needs: an answer to unknown paths and methods and to a panic, security headers, and a guard against
//! foreign web pages.

use crate::{
    Problem,
    allowed_hosts::{AllowedHosts, guard},
};
use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use std::{any::Any, sync::Arc};
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer};
use tracing::Instrument as _;

/// Everything comes from this server, nothing runs inline, and no other page may frame this one.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Completes `routes`. With `hosts`, requests to another host name, and changes that another web origin asks for, are
/// refused; without, everybody is answered, as probes and scrapers come under any name.
pub fn finish(routes: Router, hosts: Option<AllowedHosts>) -> Router {
    let mut router = routes
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(in_span));
    if let Some(hosts) = hosts {
        router = router.layer(from_fn_with_state(Arc::new(hosts), guard));
    }
    SECURITY_HEADERS.into_iter().fold(router, |router, (name, value)| {
        router.layer(SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value)))
    })
}

async fn no_such_path() -> Problem {
    Problem::not_found("there is nothing at this path")
}

/// The router adds the header `Allow`, because it knows the methods of each path.
async fn no_such_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = format!("{method} isn't possible here; the header Allow lists the methods that are");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response()
}

/// Names the request in what the log says of it.
async fn in_span(request: Request, next: Next) -> Response {
    let span = tracing::error_span!("request", method = %request.method(), path = request.uri().path());
    next.run(request).instrument(span).await
}

/// A defect in one handler is the answer to one request, not the end of a connection.
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    Problem::internal(format!("a handler panicked: {message}")).into_response()
}
