//! The topics: which there are, and what each is made of.
//!
//! A topic is looked up by its name or, in newer requests, by an id that a topic of the same name created later does not share.
//! Topics are read on every request and changed hardly ever, hence the read-write lock; a topic itself never changes, so
//! whoever has looked one up goes on without the lock. (More partitions or other configs would be a new `Topic` around the same
//! partitions, in the old one's place.)

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};

use kafka_protocol::ResponseError;
use uuid::Uuid;

use crate::lock::{read, write};
use crate::partition::Partition;
use crate::refusal::Refusal;
use crate::topic_config::TopicSettings;

/// The longest name a topic may have; it would be a folder's name on a broker with a disk.
const MAX_NAME: usize = 249;

/// A topic as it was created.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) settings: TopicSettings,
    pub(crate) partitions: Vec<Arc<Partition>>,
}

impl Topic {
    /// The partition with this number.
    pub(crate) fn partition(&self, index: i32) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(index).ok()?)
    }
}

/// All topics of the broker.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    index: RwLock<Index>,
}

#[derive(Debug, Default)]
struct Index {
    by_name: BTreeMap<String, Arc<Topic>>,
    names: HashMap<Uuid, String>,
}

impl Topics {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        read(&self.index).by_name.get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: &Uuid) -> Option<Arc<Topic>> {
        let index = read(&self.index);
        index.by_name.get(index.names.get(id)?).cloned()
    }

    /// All topics, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        read(&self.index).by_name.values().cloned().collect()
    }

    pub(crate) fn has_partition(&self, topic: &str, partition: i32) -> bool {
        self.get(topic).is_some_and(|topic| topic.partition(partition).is_some())
    }

    /// Says why no topic of this name can be created, where that is so.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION` or `TOPIC_ALREADY_EXISTS`.
    pub(crate) fn check_new_name(&self, name: &str) -> Result<(), Refusal> {
        check_free(&read(&self.index), name)
    }

    /// Creates a topic whose partitions may take `max_bytes` of memory each.
    ///
    /// # Errors
    /// As [`Topics::check_new_name`].
    pub(crate) fn create(
        &self,
        name: &str,
        partitions: usize,
        settings: TopicSettings,
        max_bytes: usize,
    ) -> Result<Arc<Topic>, Refusal> {
        let mut index = write(&self.index);
        check_free(&index, name)?;
        let topic = Arc::new(Topic {
            name: name.to_owned(),
            id: Uuid::new_v4(),
            settings,
            partitions: (0..partitions).map(|_| Arc::new(Partition::new(max_bytes))).collect(),
        });
        index.names.insert(topic.id, name.to_owned());
        index.by_name.insert(name.to_owned(), topic.clone());
        Ok(topic)
    }

    /// Deletes a topic and wakes whoever waits for its partitions. `None`: there was none.
    pub(crate) fn delete(&self, name: &str) -> Option<Arc<Topic>> {
        let topic = {
            let mut index = write(&self.index);
            let topic = index.by_name.remove(name)?;
            index.names.remove(&topic.id);
            topic
        };
        for partition in &topic.partitions {
            partition.wake();
        }
        Some(topic)
    }
}

fn check_free(index: &Index, name: &str) -> Result<(), Refusal> {
    check_name(name)?;
    if index.by_name.contains_key(name) {
        return Err(Refusal::new(
            ResponseError::TopicAlreadyExists,
            format!("Topic '{name}' already exists."),
        ));
    }
    // Metrics names turn dots into underscores, so two such topics could not be told apart there.
    let blurred = |name: &str| name.replace('.', "_");
    if let Some(other) = index.by_name.keys().find(|other| blurred(other) == blurred(name)) {
        return Err(Refusal::new(
            ResponseError::InvalidTopicException,
            format!("Topic '{name}' collides with existing topic: {other}"),
        ));
    }
    Ok(())
}

/// Says why a topic cannot have this name, where that is so.
///
/// # Errors
/// `INVALID_TOPIC_EXCEPTION`.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::new(ResponseError::InvalidTopicException, message));
    if name.is_empty() {
        return invalid("Topic name is invalid: the empty string is not allowed".into());
    }
    if name == "." || name == ".." {
        return invalid(format!("Topic name is invalid: '{name}' is not allowed"));
    }
    if name.len() > MAX_NAME {
        return invalid(format!(
            "Topic name is invalid: the length of '{name}' is longer than the max allowed length {MAX_NAME}"
        ));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return invalid(format!(
            "Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(topics: &Topics, name: &str) -> Result<Arc<Topic>, Refusal> {
        topics.create(name, 1, TopicSettings::default(), 1 << 20)
    }

    #[test]
    fn a_topic_is_found_by_name_and_by_id_until_it_is_deleted() {
        let topics = Topics::default();
        let topic = create(&topics, "orders").unwrap();
        assert_eq!(topics.by_id(&topic.id).unwrap().name, "orders");
        assert!(topics.has_partition("orders", 0));
        assert!(!topics.has_partition("orders", 1) && !topics.has_partition("orders", -1));
        assert!(topics.delete("orders").is_some());
        assert!(topics.get("orders").is_none() && topics.by_id(&topic.id).is_none());
        assert!(topics.delete("orders").is_none());
        assert_ne!(create(&topics, "orders").unwrap().id, topic.id);
    }

    #[test]
    fn names_that_kafka_refuses_are_refused() {
        let topics = Topics::default();
        create(&topics, "a.b").unwrap();
        let error = |name: &str| create(&topics, name).unwrap_err().error;
        for name in ["", ".", "..", "a b", "a/b", "größe", &"x".repeat(250), "a_b"] {
            assert_eq!(error(name), ResponseError::InvalidTopicException, "{name}");
        }
        assert_eq!(error("a.b"), ResponseError::TopicAlreadyExists);
        create(&topics, &"x".repeat(249)).unwrap();
    }
}
