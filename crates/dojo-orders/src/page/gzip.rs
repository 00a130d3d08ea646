//! Compresses the page and its assets for a browser that takes gzip.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use std::io::Write as _;

/// For what is compressed once.
pub(super) const BEST: Compression = Compression::best();
/// For what is compressed each time.
pub(super) const FAST: Compression = Compression::fast();

pub(super) const ENCODING: [(HeaderName, HeaderValue); 1] =
    [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
/// A cache must not give one browser's copy to another that takes no gzip.
pub(super) const VARIES: [(HeaderName, HeaderValue); 1] =
    [(header::VARY, HeaderValue::from_static("accept-encoding"))];

/// Whether a client takes gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let named = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|names| names.to_str().ok());
    named.flat_map(|names| names.split(',')).any(is_gzip)
}

/// Whether an item of `Accept-Encoding` is gzip, and not refused with a weight of zero.
fn is_gzip(item: &str) -> bool {
    let mut parts = item.split(';').map(str::trim);
    let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
    let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse::<f32>().ok());
    is_named && weight.is_none_or(|weight| weight > 0.0)
}

/// Compresses a text.
pub(super) fn compressed(text: &str, how: Compression) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), how);
    // Writing into memory doesn't fail.
    let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    written.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_name_it_and_do_not_refuse_it() {
        for (named, takes) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("x-gzip", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(named))]);
            assert_eq!(takes_gzip(&headers), takes, "{named}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
