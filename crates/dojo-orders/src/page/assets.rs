//! `GET /assets/…`: the page's scripts and style, built into the program. A browser asks each time whether its copy is
//! still current, and mostly it is.

use axum::{
    extract::{Path, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use dojo_http::Problem;
use std::hash::{DefaultHasher, Hash, Hasher};

struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static str,
}

const ASSETS: [Asset; 4] = [
    Asset {
        name: "app.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_str!("../../assets/app.js"),
    },
    Asset {
        name: "edit.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_str!("../../assets/edit.js"),
    },
    Asset {
        name: "style.css",
        media_type: "text/css; charset=utf-8",
        content: include_str!("../../assets/style.css"),
    },
    Asset { name: "icon.svg", media_type: "image/svg+xml", content: include_str!("../../assets/icon.svg") },
];

pub(crate) async fn asset(
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    let asset = asset.ok_or_else(|| Problem::not_found("there is no such asset"))?;
    let tag = tag(asset.content);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let caching = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if known.is_some_and(|tags| tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let media_type = [(header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type))];
    Ok((caching, media_type, asset.content).into_response())
}

fn tag(content: &str) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
