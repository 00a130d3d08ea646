//! The numbers of this process in Prometheus' text format. The process hands in how they are written.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use std::{fmt, sync::Arc};

/// The content type of the text format
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/#basic-info>).
pub(crate) const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes the metrics of this process; by default, none.
#[derive(Clone)]
pub struct Metrics(Arc<dyn Fn() -> String + Send + Sync>);

impl Metrics {
    /// Answers with what `render` writes, which must not block.
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
