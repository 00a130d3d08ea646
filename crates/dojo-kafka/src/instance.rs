//! One process of a service, as the others see it on Kafka.

use chrono::{DateTime, Utc};
use dojo_contract::{InstanceStatus, Service, time};
use uuid::Uuid;

/// The name of an instance, as a flag gives it.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct InstanceName {
    /// Name of this instance in events, settings and /status. By default the order service is called order-1, and another
    /// service after its kind and four random hexadecimal digits
    #[arg(long, env = "INSTANCE_ID", value_name = "ID")]
    pub instance_id: Option<String>,
}

/// A running instance of a service. Its start time tells it from every other process with the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id: the key of its reports on `dojo-status`, and `group.instance.id` where it is a static member.
    pub id: String,
    /// Its service.
    pub service: Service,
    /// Whether the id was configured, so that its successor will have the same one.
    pub is_named: bool,
    /// When it started, in whole milliseconds.
    pub started_at: DateTime<Utc>,
}

impl Instance {
    /// Returns this process as an instance of `service`. Without an `id`, its id is its service's name and four random
    /// hexadecimal digits.
    pub fn start(service: Service, id: Option<String>) -> Self {
        let is_named = id.is_some();
        let random = || format!("{}-{:04x}", service.name(), Uuid::new_v4().as_u128() & 0xffff);
        let started_at = time::to_millis(Utc::now());
        Self { id: id.unwrap_or_else(random), service, is_named, started_at }
    }

    /// Returns whether `status` is the report of another process with the same id.
    pub(crate) fn is_rival(&self, status: &InstanceStatus) -> bool {
        status.instance_id == self.id
            && (status.pid, status.started_at) != (std::process::id(), self.started_at)
    }
}
