//! A JSON body: of the right type, bounded in size and time, and without a member that appears twice.

use crate::{Problem, duplicate_members::duplicate_member};
use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use http_body_util::LengthLimitError;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// An order has a few hundred bytes; this leaves room for every client's habits.
const MAX_BYTES: usize = 64 * 1024;
const WITHIN: Duration = Duration::from_secs(10);
/// How much of a member's name a refusal repeats.
const MAX_SHOWN_CHARS: usize = 100;

/// The JSON of a request's body, of up to `MOST` bytes.
#[derive(Debug)]
pub struct JsonBody<const MOST: usize = MAX_BYTES>(pub Value);

impl<S: Sync, const MOST: usize> FromRequest<S> for JsonBody<MOST> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !request.headers().get(header::CONTENT_TYPE).is_some_and(is_json) {
            let detail = "the body's type is not JSON: send `Content-Type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
                .with_header(header::ACCEPT, "application/json"));
        }
        let bytes = read(request, MOST).await?;
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| Problem::bad_request(format!("the body is not JSON: {error}")))?;
        if let Some(member) = duplicate_member(&bytes) {
            let member: String = member.chars().take(MAX_SHOWN_CHARS).collect();
            let error = (member.clone(), "appears twice: send it once".to_owned());
            let detail = format!("the body has `{member}` twice: send it once");
            return Err(Problem::bad_request(detail).with_errors([error]));
        }
        Ok(Self(value))
    }
}

async fn read(request: Request, most: usize) -> Result<Bytes, Problem> {
    // A client that announces more, and waits for `100 Continue`, need not send it.
    if content_length(request.headers()).is_some_and(|length| length > most as u64) {
        return Err(too_large(most));
    }
    match timeout(WITHIN, to_bytes(request.into_body(), most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => match error.into_inner() {
            error if error.is::<LengthLimitError>() => Err(too_large(most)),
            error => Err(Problem::bad_request(format!("the body is incomplete: {error}"))),
        },
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive within 10 s")),
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(most: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {most} bytes"))
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
    fn json_and_types_built_on_it_are_accepted() {
        for (value, is_accepted) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("text/plain", false),
            ("application/jsonp", false),
            ("text/x+json", false),
            ("", false),
        ] {
            assert_eq!(is_json(&HeaderValue::from_static(value)), is_accepted, "{value}");
        }
    }
}
