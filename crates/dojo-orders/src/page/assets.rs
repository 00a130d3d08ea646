//! `GET /assets/…`: the page's scripts and style, built into the program. A browser asks each time whether its copy is
//! still current, and mostly it is. A browser that takes gzip gets them compressed.

use crate::page::gzip::{self, takes_gzip};
use axum::{
    extract::{Path, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use dojo_http::{NotFound, Problem};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::LazyLock,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static str,
}

const ASSETS: &[Asset] = &[
    script("api.js", include_str!("../../assets/api.js")),
    script("app.js", include_str!("../../assets/app.js")),
    script("audit_view.js", include_str!("../../assets/audit_view.js")),
    script("banner.js", include_str!("../../assets/banner.js")),
    script("board.js", include_str!("../../assets/board.js")),
    script("board_columns.js", include_str!("../../assets/board_columns.js")),
    script("board_groups.js", include_str!("../../assets/board_groups.js")),
    script("board_lanes.js", include_str!("../../assets/board_lanes.js")),
    script("board_model.js", include_str!("../../assets/board_model.js")),
    script("board_motion.js", include_str!("../../assets/board_motion.js")),
    script("board_start.js", include_str!("../../assets/board_start.js")),
    script("board_who.js", include_str!("../../assets/board_who.js")),
    script("by_hand.js", include_str!("../../assets/by_hand.js")),
    script("cursor.js", include_str!("../../assets/cursor.js")),
    script("dom.js", include_str!("../../assets/dom.js")),
    script("edit.js", include_str!("../../assets/edit.js")),
    script("fraud_view.js", include_str!("../../assets/fraud_view.js")),
    script("instances.js", include_str!("../../assets/instances.js")),
    script("journey.js", include_str!("../../assets/journey.js")),
    script("lists.js", include_str!("../../assets/lists.js")),
    script("live_events.js", include_str!("../../assets/live_events.js")),
    script("order_filter.js", include_str!("../../assets/order_filter.js")),
    script("place_order.js", include_str!("../../assets/place_order.js")),
    script("projector.js", include_str!("../../assets/projector.js")),
    script("rebalances.js", include_str!("../../assets/rebalances.js")),
    script("questions.js", include_str!("../../assets/questions.js")),
    script("records.js", include_str!("../../assets/records.js")),
    script("redrive.js", include_str!("../../assets/redrive.js")),
    script("rows.js", include_str!("../../assets/rows.js")),
    script("rule_editor.js", include_str!("../../assets/rule_editor.js")),
    script("rules.js", include_str!("../../assets/rules.js")),
    script("run.js", include_str!("../../assets/run.js")),
    script("scenarios.js", include_str!("../../assets/scenarios.js")),
    script("settings.js", include_str!("../../assets/settings.js")),
    script("spam.js", include_str!("../../assets/spam.js")),
    script("stream.js", include_str!("../../assets/stream.js")),
    script("stream_worker.js", include_str!("../../assets/stream_worker.js")),
    script("terms.js", include_str!("../../assets/terms.js")),
    script("topics.js", include_str!("../../assets/topics.js")),
    script("views.js", include_str!("../../assets/views.js")),
    Asset {
        name: "style.css",
        media_type: "text/css; charset=utf-8",
        content: include_str!("../../assets/style.css"),
    },
    Asset { name: "icon.svg", media_type: "image/svg+xml", content: include_str!("../../assets/icon.svg") },
];

const fn script(name: &'static str, content: &'static str) -> Asset {
    Asset { name, media_type: "text/javascript; charset=utf-8", content }
}

/// The names of the assets.
struct AssetName;

impl ToSchema for AssetName {}
impl PartialSchema for AssetName {
    fn schema() -> RefOr<Schema> {
        let names = ASSETS.iter().map(|asset| asset.name);
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
    }
}

/// Every script of the page.
#[cfg(test)]
pub(crate) fn scripts() -> impl Iterator<Item = (&'static str, &'static str)> {
    let scripts = ASSETS.iter().filter(|asset| asset.media_type.starts_with("text/javascript"));
    scripts.map(|asset| (asset.name, asset.content))
}

/// Returns a script, the style or the icon of the page
#[utoipa::path(
    get,
    path = "/assets/{name}",
    tag = "page",
    operation_id = "getAsset",
    params(
        ("name" = inline(AssetName), Path, description = "The file."),
        ("If-None-Match" = Option<String>, Header, nullable = false, description = "The `ETag` of a copy that the client has.")
    ),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/javascript; charset=utf-8"), (String = "text/css; charset=utf-8"), (String = "image/svg+xml")
        ), headers(("ETag" = String, description = "The version of the file."))),
        (status = 304, description = "The client's copy is current.",
            headers(("ETag" = String, description = "The version of the file."))),
        NotFound
    )
)]
pub(crate) async fn asset(
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let found = ASSETS.iter().enumerate().find(|(_, asset)| asset.name == name);
    let (index, asset) = found.ok_or_else(|| Problem::not_found("there is no such asset"))?;
    let tag = tag(asset.content);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let caching = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if known.is_some_and(|tags| tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let media_type = [(header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type))];
    if !takes_gzip(&headers) {
        return Ok((caching, gzip::VARIES, media_type, asset.content).into_response());
    }
    // Compressed once, when the first browser asks.
    static COMPRESSED: LazyLock<Vec<Bytes>> =
        LazyLock::new(|| ASSETS.iter().map(|asset| gzip::compressed(asset.content, gzip::BEST)).collect());
    let content = COMPRESSED.get(index).cloned().unwrap_or_default();
    Ok((caching, gzip::VARIES, media_type, gzip::ENCODING, content).into_response())
}

fn tag(content: &str) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
