//! Which versions a run plays with: that of the order service, and those of the rules in force.

use crate::client::{Answer, Client, Request};
use dojo_contract::Service;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long an answer may take. A report without versions is better than a run that waits for them.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The versions of a dojo at one moment, as far as it tells them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versions {
    /// The version of the order service.
    pub order_service: Option<String>,
    /// The rules in force.
    pub rules: Vec<RuleVersion>,
}

/// A rule in force.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleVersion {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Asks for the versions. What isn't answered in time is left out.
pub(crate) async fn ask(client: &Client) -> Versions {
    let (status, rules) = (Request::to("GET /status"), Request::to("GET /rules"));
    let (status, rules) =
        futures::join!(client.ask_within(&status, ANSWER_WITHIN), client.ask_within(&rules, ANSWER_WITHIN));
    let rules = rules.ok().and_then(|rules| rules.json().ok()).unwrap_or_default();
    Versions { order_service: status.ok().as_ref().and_then(order_service), rules }
}

/// Returns the version of the live order services; of several versions, every one.
fn order_service(status: &Answer) -> Option<String> {
    #[derive(Deserialize)]
    struct Status {
        instances: Vec<Instance>,
    }
    #[derive(Deserialize)]
    struct Instance {
        service: Option<Service>,
        #[serde(default)]
        live: bool,
        version: Option<String>,
    }
    let instances = status.json::<Status>().ok()?.instances.into_iter();
    let orders = instances.filter(|one| one.live && one.service == Some(Service::Order));
    let mut versions: Vec<_> = orders.filter_map(|one| one.version).collect();
    versions.sort();
    versions.dedup();
    (!versions.is_empty()).then(|| versions.join(", "))
}
