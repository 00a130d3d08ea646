//! The topics of the broker.
//!
//! A topic is found by its name or, in newer requests, by its id; a topic of the same name that is created
//! later has another id. Topics are read on every request and rarely changed, so they are behind a read-write
//! lock. A [`Topic`] itself never changes, so a request that has looked it up goes on without the lock. A
//! change of its partitions or configs puts a new [`Topic`] with the same partitions in its place, which the
//! next look-up finds.

use crate::{partition::Partition, refusal::Refusal, topic_config::TopicSettings};
use kafka_protocol::ResponseError;
use parking_lot::RwLock;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use uuid::Uuid;

/// The longest name of a topic; on a broker with a disk it is a folder's name.
const MAX_NAME: usize = 249;

/// A topic, until its next change.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) settings: TopicSettings,
    pub(crate) partitions: Vec<Arc<Partition>>,
    /// Whether the log has said that a partition is full. Shared by all versions of the topic.
    is_full_said: Arc<AtomicBool>,
}

impl Topic {
    /// Returns the partition with this number.
    pub(crate) fn partition(&self, index: i32) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// Returns true once, for the first time that a partition is full.
    pub(crate) fn is_first_to_be_full(&self) -> bool {
        !self.is_full_said.swap(true, Ordering::Relaxed)
    }

    /// Returns how many partitions have to be added to have `total`; at least one.
    ///
    /// # Errors
    /// `INVALID_PARTITIONS` if none has to be added.
    pub(crate) fn missing(&self, total: i32) -> Result<usize, Refusal> {
        let present = self.partitions.len();
        let refuse = |message: String| Err(Refusal::new(ResponseError::InvalidPartitions, message));
        match usize::try_from(total).ok().and_then(|total| total.checked_sub(present)) {
            Some(0) => refuse(format!("Topic already has {present} partition(s).")),
            Some(missing) => Ok(missing),
            None => refuse(format!(
                "The topic {} currently has {present} partition(s); {total} would not be an increase.",
                self.name
            )),
        }
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
        self.index.read().by_name.get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: &Uuid) -> Option<Arc<Topic>> {
        let index = self.index.read();
        index.by_name.get(index.names.get(id)?).cloned()
    }

    /// Returns all topics, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.index.read().by_name.values().cloned().collect()
    }

    pub(crate) fn has_partition(&self, topic: &str, partition: i32) -> bool {
        self.get(topic).is_some_and(|topic| topic.partition(partition).is_some())
    }

    /// Checks that a topic of this name can be created.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION` or `TOPIC_ALREADY_EXISTS`.
    pub(crate) fn check_new_name(&self, name: &str) -> Result<(), Refusal> {
        check_free(&self.index.read(), name)
    }

    /// Creates a topic whose partitions can take `max_bytes` of memory each.
    ///
    /// # Errors
    /// See [`Topics::check_new_name`].
    pub(crate) fn create(
        &self,
        name: &str,
        partitions: usize,
        settings: TopicSettings,
        max_bytes: usize,
    ) -> Result<Arc<Topic>, Refusal> {
        let mut index = self.index.write();
        check_free(&index, name)?;
        let new = |_| Arc::new(Partition::new(max_bytes, *settings.policy()));
        let partitions = (0..partitions).map(new).collect();
        let topic = Arc::new(Topic {
            name: name.to_owned(),
            id: Uuid::new_v4(),
            settings,
            partitions,
            is_full_said: Arc::default(),
        });
        index.names.insert(topic.id, name.to_owned());
        index.by_name.insert(name.to_owned(), topic.clone());
        Ok(topic)
    }

    /// Replaces the configs of a topic by what `change` makes of the present ones. Changes don't overlap, so
    /// if two clients each add to a list, both additions stay.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`, or the refusal of `change`; the topic then stays as it was.
    pub(crate) fn configure(
        &self,
        name: &str,
        change: impl FnOnce(&TopicSettings) -> Result<TopicSettings, Refusal>,
    ) -> Result<Arc<Topic>, Refusal> {
        self.replace(name, |topic| {
            let settings = change(&topic.settings)?;
            for partition in &topic.partitions {
                partition.configure(*settings.policy());
            }
            Ok(Topic {
                name: topic.name.clone(),
                id: topic.id,
                settings,
                partitions: topic.partitions.clone(),
                is_full_said: topic.is_full_said.clone(),
            })
        })
    }

    /// Adds partitions to a topic until it has `total`, each of which can take `max_bytes` of memory. Records
    /// stay where they are, so the next records of a key can go to another partition.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`, or `INVALID_PARTITIONS` if the topic has as many already or more.
    pub(crate) fn add_partitions(
        &self,
        name: &str,
        total: i32,
        max_bytes: usize,
    ) -> Result<Arc<Topic>, Refusal> {
        self.replace(name, |topic| {
            let new = |_| Arc::new(Partition::new(max_bytes, *topic.settings.policy()));
            let mut partitions = topic.partitions.clone();
            partitions.extend((0..topic.missing(total)?).map(new));
            Ok(Topic {
                name: topic.name.clone(),
                id: topic.id,
                settings: topic.settings.clone(),
                partitions,
                is_full_said: topic.is_full_said.clone(),
            })
        })
    }

    fn replace(
        &self,
        name: &str,
        change: impl FnOnce(&Topic) -> Result<Topic, Refusal>,
    ) -> Result<Arc<Topic>, Refusal> {
        let mut index = self.index.write();
        let topic = index.by_name.get_mut(name).ok_or_else(|| {
            Refusal::new(
                ResponseError::UnknownTopicOrPartition,
                "This server does not host this topic-partition.",
            )
        })?;
        *topic = Arc::new(change(topic)?);
        Ok(topic.clone())
    }

    /// Deletes a topic and wakes the fetches that wait for it. Returns `None` if there was no such topic.
    pub(crate) fn delete(&self, name: &str) -> Option<Arc<Topic>> {
        let topic = {
            let mut index = self.index.write();
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
    // Metrics turn dots into underscores, so two such topics would have the same name there.
    let blurred = |byte: u8| if byte == b'.' { b'_' } else { byte };
    let collides = |other: &&String| other.bytes().map(blurred).eq(name.bytes().map(blurred));
    if let Some(other) = index.by_name.keys().find(collides) {
        return Err(Refusal::new(
            ResponseError::InvalidTopicException,
            format!("Topic '{name}' collides with existing topic: {other}"),
        ));
    }
    Ok(())
}

/// Checks a topic's name.
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

    fn wide(topics: &Topics) -> usize {
        topics.get("orders").unwrap().settings.rules().max_bytes
    }

    #[test]
    fn changed_configs_are_found_by_the_next_look_up_and_keep_the_partitions() {
        let topics = Topics::default();
        let before = create(&topics, "orders").unwrap();
        let set = [("max.message.bytes".to_owned(), "77".to_owned())].into();
        let after = topics.configure("orders", |_| TopicSettings::new(set)).unwrap();
        assert_eq!(wide(&topics), 77);
        assert_eq!(after.id, before.id);
        assert!(Arc::ptr_eq(&after.partitions[0], &before.partitions[0]));
        let refusal = Refusal::new(ResponseError::InvalidConfig, "no");
        assert_eq!(topics.configure("orders", |_| Err(refusal.clone())).unwrap_err(), refusal);
        assert_eq!(wide(&topics), 77);
        let missing = topics.configure("missing", |settings| Ok(settings.clone())).unwrap_err();
        assert_eq!(missing.error, ResponseError::UnknownTopicOrPartition);
    }

    #[test]
    fn partitions_are_added_behind_those_that_are_there() {
        let topics = Topics::default();
        let before = create(&topics, "orders").unwrap();
        let after = topics.add_partitions("orders", 3, 1 << 20).unwrap();
        assert_eq!((after.id, after.partitions.len()), (before.id, 3));
        assert!(Arc::ptr_eq(&after.partitions[0], &before.partitions[0]));
        assert!(topics.has_partition("orders", 2));
        for (total, fault) in
            [(3, "already has 3"), (2, "; 2 would not be an increase"), (-7, "; -7 would not be an increase")]
        {
            let refusal = topics.add_partitions("orders", total, 1 << 20).unwrap_err();
            assert_eq!(refusal.error, ResponseError::InvalidPartitions, "{total}");
            assert!(refusal.message.contains(fault), "{}", refusal.message);
        }
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
