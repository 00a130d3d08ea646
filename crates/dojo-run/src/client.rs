//! A client of the order service's HTTP API: the part that a scenario needs. Every request has a time limit.

use crate::{RunError, Target};
use futures::StreamExt;
use reqwest::{Method, Response, StatusCode, header, redirect};
use serde::Deserialize;
use serde_json::Value;
use std::{error::Error, time::Duration};
use tokio::time::{Instant, sleep};

/// The longest wait for an answer. The order service itself gives up earlier, with an error.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// How long a connection is kept without a request. The order service closes it after a minute; a POST at that moment
/// would fail.
pub(crate) const IDLE: Duration = Duration::from_secs(30);
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long an open connection may be silent before it counts as broken. The event stream has heartbeats more often.
const SILENCE: Duration = Duration::from_secs(45);
/// The largest answer that is read. A dojo's answers to these requests are far smaller.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
const MAX_PROBLEM_CHARS: usize = 500;

const GET_EVENTS: &str = "GET /events";
/// How long a request that may be repeated is repeated while the dojo doesn't answer: longer than an order service takes to
/// restart.
const PATIENCE: Duration = Duration::from_secs(20);
const AGAIN_EVERY: Duration = Duration::from_millis(250);

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method and route, for messages: `POST /orders`.
    pub name: &'static str,
    /// The method.
    pub method: Method,
    /// The path, with its query.
    pub path: String,
    /// The body, if there is one.
    pub body: Option<Value>,
    /// Headers beside those of every request.
    pub headers: Vec<(&'static str, String)>,
}

impl Request {
    /// A request to a route without parameters, such as `GET /settings`.
    pub fn to(name: &'static str) -> Self {
        let (method, path) = name.split_once(' ').unwrap_or(("GET", name));
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        Self { name, method, path: path.to_owned(), body: None, headers: Vec::new() }
    }

    /// Returns the request with this path, for a route that has parameters.
    pub fn at(self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self }
    }

    /// Returns the request with a JSON body.
    pub fn json(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Returns the request with one more header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    request: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The header `ETag`.
    pub etag: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer to `request`, which is named as in [`Request::name`].
    pub(crate) fn new(request: &'static str, status: u16, body: Vec<u8>) -> Self {
        Self { request, status, etag: None, body }
    }

    /// Returns the answer if it has one of these statuses.
    ///
    /// # Errors
    /// What the answer says instead.
    pub fn with(self, statuses: &[u16]) -> Result<Self, RunError> {
        if statuses.contains(&self.status) { Ok(self) } else { Err(self.refusal()) }
    }

    /// Returns the answer as an error that quotes it.
    pub fn refusal(&self) -> RunError {
        refused(self.request, self.status, &self.body)
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// The body isn't what a dojo answers.
    pub fn json<T: for<'de> Deserialize<'de>>(&self) -> Result<T, RunError> {
        serde_json::from_slice(&self.body)
            .map_err(|e| RunError::NotADojo { request: self.request, reason: shortened(&e.to_string()) })
    }

    /// Returns the instances that a 202 of `PATCH /settings` names; `None` if every instance has applied the change.
    pub fn waiting_for(&self) -> Option<String> {
        (self.status == StatusCode::ACCEPTED.as_u16()).then(|| waiting_for(&self.body))
    }
}

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

    /// Returns the dojo's address.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Sends a request. Returns its answer with any status.
    ///
    /// # Errors
    /// No answer came in time.
    pub async fn ask(&self, request: &Request) -> Result<Answer, RunError> {
        self.ask_within(request, ANSWER_WITHIN).await
    }

    /// Sends a request. Returns its answer with any status.
    ///
    /// # Errors
    /// No answer came within this time.
    pub async fn ask_within(&self, request: &Request, within: Duration) -> Result<Answer, RunError> {
        let mut builder = self.http.request(request.method.clone(), self.target.url(&request.path));
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let response = builder.timeout(within).send().await.map_err(|e| self.broken(request.name, &e))?;
        let status = response.status().as_u16();
        let etag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let body = self.body(request.name, response).await?;
        Ok(Answer { request: request.name, status, etag, body })
    }

    /// Sends a request, and repeats it while the dojo doesn't answer or is unavailable (503): an order service that restarts is
    /// back in seconds. Not for a request that would then add two things, such as `POST /instances` or a record by hand.
    ///
    /// # Errors
    /// The last failure, after [`PATIENCE`].
    pub async fn ask_patiently(&self, request: &Request) -> Result<Answer, RunError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(request).await;
            let again = match &answer {
                Ok(answer) => answer.status == StatusCode::SERVICE_UNAVAILABLE.as_u16(),
                Err(error) => !matches!(error, RunError::NotADojo { .. }),
            };
            if !again || Instant::now() + AGAIN_EVERY > deadline {
                return answer;
            }
            sleep(AGAIN_EVERY).await;
        }
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
            return Err(refused(GET_EVENTS, status.as_u16(), &body));
        }
        let kind =
            response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        if !kind.starts_with("text/event-stream") {
            let reason = format!("content type `{}`", shortened(kind));
            return Err(RunError::NotADojo { request: GET_EVENTS, reason });
        }
        Ok(response)
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

fn refused(request: &'static str, status: u16, body: &[u8]) -> RunError {
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
    RunError::Refused { request, status, problem }
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
        let RunError::Refused { problem, .. } = refused("POST /orders", 422, body) else {
            panic!("not refused")
        };
        assert_eq!(problem, "invalid order; `price` is -1");
    }

    #[test]
    fn a_hostile_refusal_is_one_short_line() {
        let body = "\u{1b}[2J\n".repeat(1_000);
        let text = refused("POST /orders", 502, body.as_bytes()).to_string();
        assert!(text.len() < 700 && !text.contains(['\u{1b}', '\n']), "{text}");
    }
}
