//! Who may talk to this service: no foreign web page, whatever a browser lets it try.
//!
//! - A `Host` that is not this server's is refused: a page whose own name was made to point here (DNS rebinding) would
//!   otherwise count as this server's own page.
//! - A request that changes something and comes from another origin is refused, by `Origin` and by `Sec-Fetch-Site`
//!   (<https://www.w3.org/TR/fetch-metadata/>). Clients that are no browsers send neither.
//!
//! Ports are not compared in `Host`: a container's port is published under another number, and an attacker's page cannot
//! choose the name. And every response says what a browser may do with it.

use crate::problem::Problem;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

/// Everything comes from here, nothing runs inline, nobody frames the page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The names under which this server is reached.
#[derive(Debug)]
pub(crate) struct OwnNames {
    names: BTreeSet<String>,
    /// Bound to every address of the machine: then each of them is a name, and no address can be rebound.
    any_address: bool,
}

impl OwnNames {
    /// `bound` and the loopback names, and whatever is configured.
    pub(crate) fn new(bound: IpAddr, configured: &[String]) -> Self {
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let configured = configured.iter().map(|name| host_of(name.trim()).to_ascii_lowercase());
        let bound_name = match bound {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let names = loopback.into_iter().chain(configured).chain([bound_name]).collect();
        Self { names, any_address: bound.is_unspecified() }
    }

    fn include(&self, authority: &str) -> bool {
        let host = host_of(authority).to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let is_address = || host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        self.names.contains(host) || (self.any_address && is_address())
    }
}

/// `host:port` without the port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(':') => {
            // An IPv6 address has colons of its own; in a URL it stands in brackets.
            if host.contains(':') && !host.ends_with(']') { authority } else { host }
        }
        _ => authority,
    }
}

/// Middleware: refuses whom this service does not serve.
pub(crate) async fn guard(State(own): State<Arc<OwnNames>>, request: Request, next: Next) -> Response {
    match check(&own, request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Middleware: says on every response what a browser may do with it.
pub(crate) async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn check(own: &OwnNames, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let authority = authority(uri, headers)?;
    if !own.include(authority) {
        let detail = format!(
            "this server is not called {:?}; if it should be, name it in ALLOWED_HOSTS (--allowed-hosts)",
            host_of(authority)
        );
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    if method.is_safe() {
        return Ok(());
    }
    let foreign = |what: &str| {
        Err(Problem::new(StatusCode::FORBIDDEN, format!("refused, because the request comes from {what}")))
    };
    for site in headers.get_all("sec-fetch-site") {
        if site != "same-origin" && site != "none" {
            return foreign("a page of another site");
        }
    }
    for origin in headers.get_all(header::ORIGIN) {
        let own_origin = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")))
            .is_some_and(|origin| origin.eq_ignore_ascii_case(authority));
        if !own_origin {
            return foreign("a page of another origin");
        }
    }
    Ok(())
}

/// The one name the request was sent to (RFC 9112, section 3.2).
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, Problem> {
    if let Some(authority) = uri.authority() {
        return Ok(authority.as_str());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(host)), None) if !host.is_empty() => Ok(host),
        _ => Err(Problem::new(StatusCode::BAD_REQUEST, "the request needs exactly one `Host`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(bound: &str, method: Method, headers: &[(&'static str, &'static str)]) -> u16 {
        let own = OwnNames::new(bound.parse().unwrap(), &["dojo.example:80".to_owned(), "order".to_owned()]);
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        check(&own, &method, &Uri::from_static("/orders"), &headers)
            .map_or_else(|p| p.into_response().status().as_u16(), |()| 200)
    }

    #[test]
    fn only_the_servers_own_names_are_served() {
        for (host, expected) in [
            ("localhost:3001", 200),
            ("LOCALHOST", 200),
            ("localhost.:3001", 200),
            ("127.0.0.1:3001", 200),
            ("[::1]:3001", 200),
            ("dojo.example", 200),
            ("order:3001", 200),
            ("evil.example:3001", 403),
            ("localhost.evil.example", 403),
            ("192.168.0.7:3001", 403),
            ("", 400),
        ] {
            assert_eq!(status("127.0.0.1", Method::GET, &[("host", host)]), expected, "{host}");
        }
        assert_eq!(status("127.0.0.1", Method::GET, &[]), 400);
    }

    #[test]
    fn bound_to_every_address_each_of_them_is_a_name() {
        for (host, expected) in [("192.168.0.7:3001", 200), ("[fe80::1]:3001", 200), ("evil.example", 403)] {
            assert_eq!(status("0.0.0.0", Method::GET, &[("host", host)]), expected, "{host}");
        }
    }

    #[test]
    fn a_change_from_another_origin_is_refused_and_a_look_is_not() {
        for (name, value, expected) in [
            ("origin", "http://localhost:3001", 200),
            ("origin", "http://localhost:8080", 403),
            ("origin", "http://evil.example", 403),
            ("origin", "null", 403),
            ("sec-fetch-site", "same-origin", 200),
            ("sec-fetch-site", "none", 200),
            ("sec-fetch-site", "same-site", 403),
            ("sec-fetch-site", "cross-site", 403),
        ] {
            let headers = [("host", "localhost:3001"), (name, value)];
            assert_eq!(status("127.0.0.1", Method::POST, &headers), expected, "{name}: {value}");
            assert_eq!(status("127.0.0.1", Method::GET, &headers), 200, "{name}: {value}");
        }
    }
}
