//! Waits until every instance runs or is stopped on purpose, by what the order service shows of the topic `dojo-status`.

use crate::{http, plan::Planned};
use std::time::Duration;
use tokio::sync::watch;

/// How long to wait before asking again.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Waits until the order service at `authority` is ready and reports that all `wanted` instances run, or are stopped as the
/// settings ask. The caller bounds the wait.
pub(crate) async fn all_run(authority: &str, wanted: &watch::Receiver<Vec<Planned>>) {
    loop {
        if let Some(settled) = settled(authority).await
            && wanted.borrow().iter().all(|(_, id)| settled.contains(id))
        {
            return;
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// Returns the ids of the instances that are in the state that is asked of them; `None` while the order service isn't ready.
async fn settled(authority: &str) -> Option<Vec<String>> {
    let (status, _) = http::get(authority, "/readyz").await.ok()?;
    if !status.is_success() {
        return None;
    }
    let (_, instances) = http::get(authority, "/instances").await.ok()?;
    let instances: Vec<serde_json::Value> = serde_json::from_slice(&instances).ok()?;
    let settled = instances.iter().filter(|instance| instance["state"] == instance["desired"]);
    Some(settled.filter_map(|instance| Some(instance["instanceId"].as_str()?.to_owned())).collect())
}
