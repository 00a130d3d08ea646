//! librdkafka, through the `rdkafka` crate: the client that the dojo's own services use.

mod administration;
mod groups;
mod records;
mod transactions;

use crate::{
    brokers::{Side, compare},
    notes::Notes,
};
pub use groups::living_member;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::FromClientConfig,
    consumer::{BaseConsumer, Consumer, StreamConsumer},
    error::KafkaError,
    message::{BorrowedMessage, Message},
};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn librdkafka_sees_the_same() {
    // Many calls block, and admin requests stay on their thread.
    let aside = |side: Side| tokio::task::spawn_blocking(|| Handle::current().block_on(play(side)));
    compare("librdkafka", |side, _| async move { aside(side).await.unwrap() }).await;
}

async fn play(side: Side) -> Notes {
    let client = Client { bootstrap: side.bootstrap };
    let mut notes = Notes::default();
    administration::play(&client, &mut notes).await;
    records::play(&client, &mut notes).await;
    groups::play(&client, &mut notes).await;
    transactions::play(&client, &mut notes).await;
    notes
}

/// Creates clients of one broker.
struct Client {
    bootstrap: String,
}

impl Client {
    fn config(&self, settings: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        // Errors are noted where they are returned.
        config.set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg);
        for (key, value) in settings {
            config.set(*key, *value);
        }
        config
    }

    fn make<T: FromClientConfig>(&self, settings: &[(&str, &str)]) -> T {
        self.config(settings).create().unwrap()
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.make(&[])
    }

    /// Creates a topic without noting it, and waits until the broker knows all of it.
    async fn topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (key, value) in configs {
            topic = topic.set(key, value);
        }
        let made = self.admin().create_topics([&topic], &AdminOptions::new()).await.unwrap();
        assert!(made[0].is_ok(), "{made:?}");
        self.known(name, partitions).await;
    }

    async fn known(&self, name: &str, partitions: i32) -> bool {
        let looker: BaseConsumer = self.make(&[]);
        eventually(|| {
            let metadata = looker.fetch_metadata(Some(name), PATIENCE).unwrap();
            let found = &metadata.topics()[0];
            let led = found.partitions().iter().filter(|partition| partition.leader() >= 0).count();
            found.error().is_none() && i32::try_from(led).unwrap() == partitions
        })
        .await
    }

    /// Returns a consumer of one partition from `offset` on, which notices the end of the partition.
    fn reader(&self, topic: &str, offset: Offset, settings: &[(&str, &str)]) -> StreamConsumer {
        let mut all =
            vec![("group.id", "unused"), ("enable.auto.commit", "false"), ("enable.partition.eof", "true")];
        all.extend(settings);
        let reader: StreamConsumer = self.make(&all);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, offset).unwrap();
        reader.assign(&list).unwrap();
        reader
    }

    /// Returns what `look` makes of each record from `offset` to the end of partition 0, or the error that
    /// ends the reading.
    async fn read(
        &self,
        topic: &str,
        offset: Offset,
        settings: &[(&str, &str)],
        look: impl Fn(&BorrowedMessage<'_>) -> String,
    ) -> String {
        let reader = self.reader(topic, offset, settings);
        let mut seen = Vec::new();
        loop {
            match tokio::time::timeout(PATIENCE, reader.recv()).await {
                Ok(Ok(record)) => seen.push(look(&record)),
                Ok(Err(KafkaError::PartitionEOF(_))) => return seen.join(" "),
                Ok(Err(error)) => return format!("{} {error}", seen.join(" ")),
                Err(_) => return format!("{} then nothing", seen.join(" ")),
            }
        }
    }
}

fn value(record: &BorrowedMessage<'_>) -> String {
    String::from_utf8_lossy(record.payload().unwrap_or(b"(null)")).into_owned()
}

/// Repeats `look` until it finds something; `false` if it doesn't in time.
async fn eventually(mut look: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + PATIENCE;
    loop {
        if look() {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
