//! What this process counts, for Prometheus. The service counts; how that is written down is handed in by whoever runs it.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use std::{fmt, sync::Arc};

/// The content type of the text format, as Prometheus names it
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/#basic-info>).
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes the metrics of this process in Prometheus' text format; by default, none.
#[derive(Clone)]
pub struct Metrics(Arc<dyn Fn() -> String + Send + Sync>);

impl Metrics {
    /// Whatever `render` writes. It must not wait.
    pub fn new(render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(render))
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(String::new)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl IntoResponse for &Metrics {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, TEXT_FORMAT)], (self.0)()).into_response()
    }
}
