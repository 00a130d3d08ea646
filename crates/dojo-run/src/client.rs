//! A client of the order service's HTTP API: the part that a scenario needs. Every request has a time limit.

use crate::{RunError, Target};
use dojo_contract::{NewOrder, Order};
use futures::StreamExt;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header, redirect};
use serde::Deserialize;
use serde_json::Value;
use std::{error::Error, time::Duration};
use uuid::Uuid;

/// The longest wait for an answer. The order service itself gives up earlier, with an error.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// How long a connection is kept without a request. The order service closes it after a minute; a POST at that moment
/// would fail.
const IDLE: Duration = Duration::from_secs(30);
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long an open connection may be silent before it counts as broken. The event stream has heartbeats more often.
const SILENCE: Duration = Duration::from_secs(45);
/// The largest answer that is read. A dojo's answers to these requests are far smaller.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
const MAX_PROBLEM_CHARS: usize = 500;

const POST_ORDERS: &str = "POST /orders";
const GET_SETTINGS: &str = "GET /settings";
const PATCH_SETTINGS: &str = "PATCH /settings";
const GET_EVENTS: &str = "GET /events";

/// A client of one dojo. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    target: Target,
}

impl Client {
    /// A client of the dojo at `target`.
    pub fn new(target: Target) -> Result<Self, RunError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(SILENCE)
            .pool_idle_timeout(IDLE)
            // A proxy from the environment would be used for `localhost`, too.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|e| RunError::Away { target: target.to_string(), reason: root_cause(&e) })?;
        Ok(Self { http, target })
    }

    /// Places an order, and returns its id once Kafka has acknowledged it.
    pub async fn place(&self, order: &NewOrder) -> Result<Uuid, RunError> {
        let request = self.http.post(self.target.url("/orders")).json(order);
        let (status, body) = self.answer(POST_ORDERS, request).await?;
        if status != StatusCode::CREATED {
            return Err(refused(POST_ORDERS, status, &body));
        }
        let order: Order = read(POST_ORDERS, &body)?;
        Ok(order.id)
    }

    /// Returns the answer of `GET /settings`.
    pub async fn settings(&self) -> Result<Value, RunError> {
        let (status, body) = self.answer(GET_SETTINGS, self.http.get(self.target.url("/settings"))).await?;
        if status != StatusCode::OK {
            return Err(refused(GET_SETTINGS, status, &body));
        }
        read(GET_SETTINGS, &body)
    }

    /// Changes settings. Returns the instances that haven't applied the change yet, if there are any.
    pub async fn change_settings(&self, patch: &Value) -> Result<Option<String>, RunError> {
        let request = self.http.request(Method::PATCH, self.target.url("/settings")).json(patch);
        let (status, body) = self.answer(PATCH_SETTINGS, request).await?;
        match status {
            StatusCode::OK => Ok(None),
            StatusCode::ACCEPTED => Ok(Some(waiting_for(&body))),
            _ => Err(refused(PATCH_SETTINGS, status, &body)),
        }
    }

    /// Returns the address at which settings are changed.
    pub fn settings_url(&self) -> String {
        self.target.url("/settings").to_string()
    }

    /// Opens the event stream after the event with the id `last`, or from now.
    pub async fn events(&self, last: Option<&str>) -> Result<Response, RunError> {
        let mut request =
            self.http.get(self.target.url("/events")).header(header::ACCEPT, "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        // The request's own timeout would end the stream as well.
        let response = tokio::time::timeout(ANSWER_WITHIN, request.send())
            .await
            .map_err(|_| RunError::TimedOut { request: GET_EVENTS, after: ANSWER_WITHIN })?
            .map_err(|e| self.broken(GET_EVENTS, &e))?;
        if response.status() != StatusCode::OK {
            let status = response.status();
            let body = tokio::time::timeout(ANSWER_WITHIN, self.body(GET_EVENTS, response))
                .await
                .map_err(|_| RunError::TimedOut { request: GET_EVENTS, after: ANSWER_WITHIN })??;
            return Err(refused(GET_EVENTS, status, &body));
        }
        let kind =
            response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        if !kind.starts_with("text/event-stream") {
            let reason = format!("content type `{}`", shortened(kind));
            return Err(RunError::NotADojo { request: GET_EVENTS, reason });
        }
        Ok(response)
    }

    async fn answer(
        &self,
        name: &'static str,
        request: RequestBuilder,
    ) -> Result<(StatusCode, Vec<u8>), RunError> {
        let response = request.timeout(ANSWER_WITHIN).send().await.map_err(|e| self.broken(name, &e))?;
        let status = response.status();
        Ok((status, self.body(name, response).await?))
    }

    async fn body(&self, name: &'static str, response: Response) -> Result<Vec<u8>, RunError> {
        let mut body = Vec::new();
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            body.extend_from_slice(&piece.map_err(|e| self.broken(name, &e))?);
            if body.len() > MAX_ANSWER_BYTES {
                let reason = format!("longer than {MAX_ANSWER_BYTES} bytes");
                return Err(RunError::NotADojo { request: name, reason });
            }
        }
        Ok(body)
    }

    fn broken(&self, request: &'static str, error: &reqwest::Error) -> RunError {
        let reason = root_cause(error);
        if error.is_connect() {
            RunError::Away { target: self.target.to_string(), reason }
        } else if error.is_timeout() {
            RunError::TimedOut { request, after: ANSWER_WITHIN }
        } else {
            RunError::BrokeOff { request, reason }
        }
    }
}

/// Returns the innermost error, which has the reason ("connection refused").
pub(crate) fn root_cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn read<T: for<'de> Deserialize<'de>>(request: &'static str, body: &[u8]) -> Result<T, RunError> {
    serde_json::from_slice(body)
        .map_err(|e| RunError::NotADojo { request, reason: shortened(&e.to_string()) })
}

/// The readable part of an `application/problem+json` (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    errors: Vec<dojo_contract::FieldError>,
}

/// Returns the instances that a 202 names, or the text of a 202 in another form.
fn waiting_for(body: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Accepted {
        waiting_for: Vec<String>,
    }
    match serde_json::from_slice(body) {
        Ok(Accepted { waiting_for }) => shortened(&waiting_for.join(", ")),
        Err(_) => shortened(&String::from_utf8_lossy(body)),
    }
}

fn refused(request: &'static str, status: StatusCode, body: &[u8]) -> RunError {
    let problem = match serde_json::from_slice::<Problem>(body) {
        Ok(Problem { title, detail, errors })
            if title.is_some() || detail.is_some() || !errors.is_empty() =>
        {
            let errors = errors.into_iter().map(|e| format!("`{}` {}", e.field, e.message));
            title.into_iter().chain(detail).chain(errors).collect::<Vec<_>>().join("; ")
        }
        _ => String::from_utf8_lossy(body).into_owned(),
    };
    let problem = if problem.trim().is_empty() { "(no explanation)".to_owned() } else { shortened(&problem) };
    RunError::Refused { request, status: status.as_u16(), problem }
}

/// Cuts a text to one line that is safe for a terminal.
fn shortened(text: &str) -> String {
    let mut line: String =
        text.trim().chars().take(MAX_PROBLEM_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.trim().chars().nth(MAX_PROBLEM_CHARS).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_quotes_the_server() {
        let body = br#"{"title":"invalid order","errors":[{"field":"price","message":"is -1"}]}"#;
        let RunError::Refused { problem, .. } = refused(POST_ORDERS, StatusCode::UNPROCESSABLE_ENTITY, body)
        else {
            panic!("not refused")
        };
        assert_eq!(problem, "invalid order; `price` is -1");
    }

    #[test]
    fn a_hostile_refusal_is_one_short_line() {
        let body = "\u{1b}[2J\n".repeat(1_000);
        let text = refused(POST_ORDERS, StatusCode::BAD_GATEWAY, body.as_bytes()).to_string();
        assert!(text.len() < 700 && !text.contains(['\u{1b}', '\n']), "{text}");
    }
}
