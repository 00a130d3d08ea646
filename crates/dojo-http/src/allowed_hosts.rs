//! Refuses requests that a foreign web page may have sent.
//!
//! - A request whose `Host` isn't one of the server's names is refused. Otherwise a page whose own name was made to point
//!   here (DNS rebinding) would count as a page of this server.
//! - A change that a page of another origin asks for is refused, by `Origin` and by `Sec-Fetch-Site`
//!   (<https://www.w3.org/TR/fetch-metadata/>). Clients that aren't browsers send neither.
//!
//! Ports in `Host` are not compared with the listener's: a container's port is published under another number, and an
//! attacker's page can't choose the name. A proxy may send its own idea of `Host` (nginx sends the upstream's by default);
//! then the page's origin differs from `Host`, and is accepted if its name was configured.

use crate::Problem;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{collections::BTreeSet, fmt, net::IpAddr, str::FromStr, sync::Arc};

/// A host name, or with a leading `*.` every name below one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    /// In lower case, without port.
    name: String,
    is_wildcard: bool,
}

/// A text that isn't a host name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidHostPattern(String);

impl fmt::Display for InvalidHostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        write!(f, "`{text}` isn't a host name: ")?;
        match text.as_str() {
            "*" => f.write_str("allowing every name would let any web page in; list the names, or `*.example.org` for all below one"),
            _ if text.contains("://") || text.contains('/') => {
                f.write_str("give the name alone, without scheme and path, such as `dojo.example.org`")
            }
            _ => f.write_str("give a name such as `dojo.example.org`, or `*.example.org` for all names below one"),
        }
    }
}

impl std::error::Error for InvalidHostPattern {}

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    /// A port is accepted and ignored. An empty text, such as the value of an unset variable, matches nothing.
    fn from_str(text: &str) -> Result<Self, InvalidHostPattern> {
        let host = host(text.trim());
        let (name, is_wildcard) = host.strip_prefix("*.").map_or((host.as_str(), false), |name| (name, true));
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let is_address = address(name).is_some();
        let is_name = name.is_empty() || name.split('.').all(is_label);
        if is_wildcard && (is_address || name.is_empty()) || !(is_name || is_address) {
            return Err(InvalidHostPattern(text.to_owned()));
        }
        Ok(Self { name: name.to_owned(), is_wildcard })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_wildcard { "*." } else { "" }, self.name)
    }
}

impl HostPattern {
    fn matches(&self, host: &str) -> bool {
        if !self.is_wildcard {
            return host == self.name;
        }
        host.strip_suffix(self.name.as_str()).is_some_and(|below| below.len() > 1 && below.ends_with('.'))
    }
}

/// The names under which this server answers.
#[derive(Debug)]
pub struct AllowedHosts {
    own: BTreeSet<String>,
    configured: Vec<HostPattern>,
    /// The server listens on every address of the machine: each of them is a name, and no address can be rebound.
    is_any_address: bool,
}

impl AllowedHosts {
    /// Allows the address that the server is bound to, the names of the loopback, and what is configured.
    pub fn new(bound: IpAddr, configured: Vec<HostPattern>) -> Self {
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let own = loopback.into_iter().chain([in_url(bound)]).collect();
        Self { own, configured, is_any_address: bound.is_unspecified() }
    }

    fn include(&self, authority: &str) -> bool {
        let host = host(authority);
        let is_address = || self.is_any_address && address(&host).is_some();
        self.own.contains(&host) || self.is_configured(&host) || is_address()
    }

    fn is_configured(&self, host: &str) -> bool {
        self.configured.iter().any(|pattern| pattern.matches(host))
    }

    /// Whether a page of `origin` may change something on the server that the request calls `authority`.
    fn is_own_origin(&self, origin: &str, authority: &str) -> bool {
        let Some((scheme, of_page)) = origin.split_once("://") else { return false };
        let default_port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return false,
        };
        let without_default = |authority: &str| {
            let authority = authority.to_ascii_lowercase();
            authority.strip_suffix(default_port).map(str::to_owned).unwrap_or(authority)
        };
        // A proxy has changed `Host` if it names another host than the page's. A page at another port of the same host is
        // another page.
        let is_behind_proxy = || host(of_page) != host(authority) && self.is_configured(&host(of_page));
        without_default(of_page) == without_default(authority) || is_behind_proxy()
    }
}

/// Returns the host of `host:port`: a name in lower case without a trailing dot, or an address as [`in_url`] writes it.
fn host(authority: &str) -> String {
    let host = without_port(authority).to_ascii_lowercase();
    match address(&host) {
        Some(address) => in_url(address),
        None => host.strip_suffix('.').map(str::to_owned).unwrap_or(host),
    }
}

/// Reads an IP address. One of version 6 may stand in brackets, as it does in a URL.
fn address(host: &str) -> Option<IpAddr> {
    let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match in_brackets {
        Some(address) => address.parse().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

/// Writes an address as a URL has it.
fn in_url(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(':') => {
            // An IPv6 address has colons of its own; in a URL it stands in brackets.
            if host.contains(':') && !host.ends_with(']') { authority } else { host }
        }
        _ => authority,
    }
}

/// Middleware: refuses requests that foreign web pages may have sent.
pub(crate) async fn guard(State(hosts): State<Arc<AllowedHosts>>, request: Request, next: Next) -> Response {
    match check(&hosts, request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(hosts: &AllowedHosts, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let authority = authority(uri, headers)?;
    let forbidden = |detail: String| Err(Problem::new(StatusCode::FORBIDDEN, detail));
    if !hosts.include(authority) {
        return forbidden(format!(
            "{:?} isn't one of this server's names; to allow it, add it to ALLOWED_HOSTS (--allowed-hosts)",
            without_port(authority)
        ));
    }
    if method.is_safe() {
        return Ok(());
    }
    for site in headers.get_all("sec-fetch-site") {
        if site != "same-origin" && site != "none" {
            return forbidden("refused: the request comes from a page of another site".to_owned());
        }
    }
    for origin in headers.get_all(header::ORIGIN) {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        if !hosts.is_own_origin(&origin, authority) {
            return forbidden(format!(
                "refused: the request comes from the page {origin:?}, and was sent to {authority:?}; if that page is this \
                 server's own behind a proxy, name its host in ALLOWED_HOSTS (--allowed-hosts)"
            ));
        }
    }
    Ok(())
}

/// The one name that the request was sent to (RFC 9112, section 3.2).
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, Problem> {
    if let Some(authority) = uri.authority() {
        return Ok(authority.as_str());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(host)), None) if !host.is_empty() => Ok(host),
        _ => Err(Problem::bad_request("the request needs exactly one `Host`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn status(bound: &str, method: Method, headers: &[(&'static str, &'static str)]) -> u16 {
        let configured = ["dojo.example:80", "order", "*.app.github.dev"].map(|name| name.parse().unwrap());
        let hosts = AllowedHosts::new(bound.parse().unwrap(), configured.into());
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        check(&hosts, &method, &Uri::from_static("/orders"), &headers)
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
            ("fuzzy-goggles-3001.app.github.dev", 200),
            ("app.github.dev", 403),
            ("evil-app.github.dev", 403),
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
            ("origin", "file://localhost:3001", 403),
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

    #[test]
    fn the_default_port_of_a_scheme_need_not_be_named() {
        for (host, origin, expected) in [
            ("dojo.example:443", "https://dojo.example", 200),
            ("order", "http://order:80", 200),
            ("localhost:443", "https://localhost", 200),
            ("localhost:443", "http://localhost", 403),
            ("localhost", "https://localhost:80", 403),
        ] {
            let headers = [("host", host), ("origin", origin)];
            assert_eq!(status("127.0.0.1", Method::POST, &headers), expected, "{host} {origin}");
        }
    }

    #[test]
    fn behind_a_proxy_that_changes_the_host_a_configured_name_is_an_own_origin() {
        for (origin, expected) in [
            ("https://dojo.example", 200),
            ("https://x-3001.app.github.dev", 200),
            ("https://dojo.evil.example", 403),
        ] {
            let headers = [("host", "127.0.0.1:3001"), ("origin", origin)];
            assert_eq!(status("127.0.0.1", Method::PUT, &headers), expected, "{origin}");
        }
        let other_port = [("host", "dojo.example:3001"), ("origin", "http://dojo.example:8080")];
        assert_eq!(status("127.0.0.1", Method::PUT, &other_port), 403, "another page of the same host");
    }

    #[test]
    fn what_cannot_match_is_not_a_host_pattern() {
        for text in ["*", "*.", "https://x/", "x/", "a..b", "*.*.x", "x y", "[::1", "[10.0.0.1]", "*.::1"] {
            let error = text.parse::<HostPattern>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` isn't a host name: ")), "{error}");
        }
        for text in ["Dojo.Example:8080", "10.0.0.1", "::1", "[::1]:80", "*.app.github.dev", "my_host"] {
            assert!(text.parse::<HostPattern>().is_ok(), "{text}");
        }
        let loopback: HostPattern = "0:0:0:0:0:0:0:1".parse().unwrap();
        assert!(loopback.matches(&host("[::1]:80")));
        assert!(!"".parse::<HostPattern>().unwrap().matches("x"), "an unset variable");
    }
}
