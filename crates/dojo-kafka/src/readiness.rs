//! Whether a service can do all of its work now, and what prevents it: the answer of `/readyz`.

use crate::{Connectivity, Producer, Progress};
use dojo_contract::InstanceState;
use parking_lot::Mutex;
use std::sync::Arc;

/// Something that prevents a service from working: its subject, and the reason for a person.
pub type Cause = (&'static str, String);

type Look = dyn Fn() -> Vec<Cause> + Send + Sync;

/// A service's readiness. The caller of `run` creates it and asks it; the service fills it in. Cheap to clone; all clones
/// share one state.
#[derive(Clone, Default)]
pub struct Readiness {
    look: Arc<Mutex<Option<Arc<Look>>>>,
}

impl Readiness {
    /// Sets the function that returns what prevents the service from working: nothing when it is ready. The function must
    /// not wait.
    pub fn is(&self, look: impl Fn() -> Vec<Cause> + Send + Sync + 'static) {
        *self.look.lock() = Some(Arc::new(look));
    }

    /// Sets the readiness of a member of `group`: it is ready when Kafka answers and the group has given it a share of the
    /// partitions with which it can work, or when the settings want it stopped.
    pub fn is_of_member(&self, group: &'static str, producer: &Producer, progress: &Progress) {
        let (connectivity, progress) = (producer.connectivity(), progress.clone());
        self.is(move || {
            let mut causes = Vec::new();
            let connectivity = connectivity.borrow().clone();
            if connectivity != Connectivity::Up {
                causes.push(("kafka", connectivity.to_string()));
            }
            if let Some(why) = progress.limitation() {
                causes.push(("group", why));
            } else if !progress.is_assigned() && progress.phase() != InstanceState::Stopped {
                let why = format!("the group {group} hasn't given this instance its share of the partitions");
                causes.push(("group", why));
            }
            causes
        });
    }

    /// Returns what prevents the service from working now; nothing when it is ready.
    pub fn causes(&self) -> Vec<Cause> {
        let look = self.look.lock().clone();
        look.map_or_else(|| vec![("start", "the service is still starting".to_owned())], |look| look())
    }
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Readiness").field(&self.causes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_starting_until_it_sets_its_readiness() {
        let readiness = Readiness::default();
        assert_eq!(readiness.causes()[0].0, "start");
        let service = readiness.clone();
        service.is(|| vec![("kafka", "away".to_owned())]);
        assert_eq!(readiness.causes(), [("kafka", "away".to_owned())]);
        service.is(Vec::new);
        assert!(readiness.causes().is_empty());
    }
}
