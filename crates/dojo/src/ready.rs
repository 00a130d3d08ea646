//! Waits until every instance runs, by what the order service shows of the topic `dojo-status`.

use crate::http;
use std::time::Duration;

/// How long to wait before asking again.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Waits until the order service at `authority` is ready and reports that all `instances` run. The caller bounds the wait.
pub(crate) async fn all_run(authority: &str, instances: &[String]) {
    while !running(authority).await.is_some_and(|running| instances.iter().all(|id| running.contains(id))) {
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// Returns the ids of the running instances; `None` while the order service isn't ready.
async fn running(authority: &str) -> Option<Vec<String>> {
    let (status, _) = http::get(authority, "/readyz").await.ok()?;
    if !status.is_success() {
        return None;
    }
    let (_, instances) = http::get(authority, "/instances").await.ok()?;
    let instances: Vec<serde_json::Value> = serde_json::from_slice(&instances).ok()?;
    let running = instances.iter().filter(|instance| instance["state"] == "running");
    Some(running.filter_map(|instance| Some(instance["instanceId"].as_str()?.to_owned())).collect())
}
