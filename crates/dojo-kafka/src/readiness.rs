//! Whether a service can do all of its work right now, and what keeps it from that: what `/readyz` says.

use crate::{Connectivity, Producer, Progress};
use std::sync::{Arc, Mutex, MutexGuard};

/// What keeps a service from its work: what it is about, and why, for a person.
pub type Cause = (&'static str, String);

type Look = dyn Fn() -> Vec<Cause> + Send + Sync;

/// A handle that whoever asks makes, and the service fills in when it runs. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Readiness {
    look: Arc<Mutex<Option<Arc<Look>>>>,
}

impl Readiness {
    /// From now on, `look` says what keeps the service from its work; nothing, when it is ready. It must not wait.
    pub fn is(&self, look: impl Fn() -> Vec<Cause> + Send + Sync + 'static) {
        *self.slot() = Some(Arc::new(look));
    }

    /// The readiness of a service that is a member of `group`: Kafka answers, and the group has given it its share of the
    /// partitions, with which it can work.
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
            } else if !progress.is_assigned() {
                let why =
                    format!("the group {group} has not given this instance its share of the partitions");
                causes.push(("group", why));
            }
            causes
        });
    }

    /// What keeps the service from its work now; empty when it is ready.
    pub fn causes(&self) -> Vec<Cause> {
        let look = self.slot().clone();
        look.map_or_else(|| vec![("start", "the service is still starting".to_owned())], |look| look())
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Look>>> {
        self.look.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
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
    fn a_service_is_starting_until_it_says_what_it_is() {
        let readiness = Readiness::default();
        assert_eq!(readiness.causes()[0].0, "start");
        let service = readiness.clone();
        service.is(|| vec![("kafka", "away".to_owned())]);
        assert_eq!(readiness.causes(), [("kafka", "away".to_owned())]);
        service.is(Vec::new);
        assert!(readiness.causes().is_empty());
    }
}
