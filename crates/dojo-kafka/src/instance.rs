//! One process of a service, as the others know it on Kafka.

use chrono::{DateTime, Utc};
use dojo_contract::{InstanceStatus, Service, time};
use uuid::Uuid;

/// A running instance of a service. Its start tells it from every other process of the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id: the key of its reports on `dojo-status`, and `group.instance.id` where it is a static member.
    pub id: String,
    /// Its service.
    pub service: Service,
    /// Whether the id was given, so that its successor will have the same one.
    pub is_named: bool,
    /// When it started, in whole milliseconds.
    pub started_at: DateTime<Utc>,
}

impl Instance {
    /// This process as an instance of `service`. Without an `id`, it is called after its service and four random
    /// hexadecimal digits.
    pub fn start(service: Service, id: Option<String>) -> Self {
        let is_named = id.is_some();
        let random = || format!("{}-{:04x}", service.name(), Uuid::new_v4().as_u128() & 0xffff);
        let started_at = time::to_millis(Utc::now());
        Self { id: id.unwrap_or_else(random), service, is_named, started_at }
    }

    /// Whether `status` is the report of another process under the same id.
    pub(crate) fn is_rival(&self, status: &InstanceStatus) -> bool {
        status.instance_id == self.id
            && (status.pid, status.started_at) != (std::process::id(), self.started_at)
    }
}
