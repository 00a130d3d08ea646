//! `GET /rebalances`: the newest 200 rebalances of the dojo's consumer groups since this service started, newest first
//! ([`crate::rebalances`]). `event: rebalance` on `GET /events` shows each of them as it happens.

use crate::{
    app::App,
    rebalances::rebalance::{Rebalance, time_or_null},
};
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use dojo_http::NoQuery;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The newest rebalances.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RebalanceList {
    /// When this service looked at the groups first: what happened before isn't known. Null until Kafka has answered.
    #[serde(serialize_with = "time_or_null")]
    #[schema(required)]
    since: Option<DateTime<Utc>>,
    /// When Kafka last answered. While Kafka is away, the list is of that time.
    #[serde(serialize_with = "time_or_null")]
    #[schema(required)]
    looked_at: Option<DateTime<Utc>>,
    /// The rebalances, newest first, at most 200.
    rebalances: Vec<Rebalance>,
}

/// Returns the newest rebalances of the dojo's consumer groups
///
/// They are kept in memory since this service started.
#[utoipa::path(
    get,
    path = "/rebalances",
    tag = "dojo",
    operation_id = "listRebalances",
    responses((status = 200, description = "The rebalances.", body = RebalanceList))
)]
pub(crate) async fn list(State(app): State<Arc<App>>, _: NoQuery) -> Json<RebalanceList> {
    let log = &app.models.rebalances;
    let looks = log.looks();
    Json(RebalanceList {
        since: looks.map(|looks| looks.first),
        looked_at: looks.map(|looks| looks.last),
        rebalances: log.newest_first(),
    })
}
