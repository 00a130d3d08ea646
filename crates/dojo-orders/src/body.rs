//! Reading a JSON body: of the right type, not too large, within a time.

use crate::problem::Problem;
use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
    http::{HeaderValue, StatusCode, header},
};
use serde_json::Value;
use std::time::Duration;

/// An order has a few hundred bytes; this leaves room for every client's habits.
const MOST_BYTES: usize = 64 * 1024;
const WITHIN: Duration = Duration::from_secs(10);

/// The JSON of a request, whatever it says.
#[derive(Debug)]
pub(crate) struct JsonBody(pub(crate) Value);

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !request.headers().get(header::CONTENT_TYPE).is_some_and(is_json) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body's type is not JSON: send `Content-Type: application/json`",
            )
            .with_header(header::ACCEPT, "application/json"));
        }
        // Said before it is read, where the client says how much it is.
        let announced =
            request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: u64| length > MOST_BYTES as u64) {
            return Err(too_large());
        }
        let bytes = tokio::time::timeout(WITHIN, to_bytes(request.into_body(), MOST_BYTES))
            .await
            .map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive within 10 s"))?
            .map_err(|error| match error.into_inner().to_string() {
                text if text.contains("length limit") => too_large(),
                text => {
                    Problem::new(StatusCode::BAD_REQUEST, format!("the body did not arrive whole: {text}"))
                }
            })?;
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))
        })?;
        Ok(Self(value))
    }
}

fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {MOST_BYTES} bytes"))
}

/// `application/json`, and every type built on it, such as `application/merge-patch+json`.
fn is_json(value: &HeaderValue) -> bool {
    let Ok(value) = value.to_str() else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_its_kin_are_taken() {
        for (value, taken) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("text/plain", false),
            ("application/jsonp", false),
            ("text/x+json", false),
            ("", false),
        ] {
            assert_eq!(is_json(&HeaderValue::from_static(value)), taken, "{value}");
        }
    }
}
