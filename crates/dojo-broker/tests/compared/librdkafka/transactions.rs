//! Transactions: all or nothing, and never by two.

use super::{Client, PATIENCE, administration::offsets, eventually, value};
use crate::notes::Notes;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};

type Writer = ThreadedProducer<DefaultProducerContext>;

fn send(writer: &Writer, value: &str) {
    let record = BaseRecord::<str, str>::to("rd-steps").partition(0).payload(value);
    writer.send(record).map_err(|(error, _)| error).unwrap();
}

async fn look(client: &Client, notes: &mut Notes, what: &str) {
    for isolation in ["read_committed", "read_uncommitted"] {
        let read = client.read("rd-steps", Offset::Beginning, &[("isolation.level", isolation)], value).await;
        notes.note(format!("{what}: {isolation}"), read);
    }
}

/// Calls `look` once the transaction before has its marker: Kafka answers the end of a transaction before it
/// writes the marker.
async fn look_at_the_end(client: &Client, notes: &mut Notes, what: &str) {
    let looker = |isolation| -> BaseConsumer { client.make(&[("isolation.level", isolation)]) };
    let lookers = ["read_committed", "read_uncommitted"].map(looker);
    eventually(|| {
        let [stable, all] =
            lookers.each_ref().map(|looker| looker.fetch_watermarks("rd-steps", 0, PATIENCE).unwrap().1);
        stable == all
    })
    .await;
    look(client, notes, what).await;
}

pub async fn play(client: &Client, notes: &mut Notes) {
    client.topic("rd-steps", 1, &[]).await;
    let new = |name: &str, timeout: &str| -> Writer {
        client.make(&[("transactional.id", name), ("transaction.timeout.ms", timeout)])
    };
    let writer = new("rd-txn", "60000");
    notes.outcome("init", writer.init_transactions(PATIENCE));
    writer.begin_transaction().unwrap();
    send(&writer, "A");
    writer.flush(PATIENCE).unwrap();
    look(client, notes, "open").await;
    notes.outcome("abort", writer.abort_transaction(PATIENCE));
    look_at_the_end(client, notes, "aborted").await;

    writer.begin_transaction().unwrap();
    send(&writer, "B");
    let group: BaseConsumer = client.make(&[("group.id", "rd-txn-group")]);
    let mut positions = TopicPartitionList::new();
    positions.add_partition_offset("rd-steps", 0, Offset::Offset(1)).unwrap();
    let metadata = group.group_metadata().unwrap();
    notes.outcome("offsets", writer.send_offsets_to_transaction(&positions, &metadata, PATIENCE));
    let committed = || {
        let mut asked = TopicPartitionList::new();
        asked.add_partition("rd-steps", 0);
        group.committed_offsets(asked, PATIENCE).map(offsets)
    };
    notes.outcome("commit", writer.commit_transaction(PATIENCE));
    notes.outcome("offsets, committed", committed());
    look_at_the_end(client, notes, "committed").await;

    writer.begin_transaction().unwrap();
    send(&writer, "zombie");
    writer.flush(PATIENCE).unwrap();
    let successor = new("rd-txn", "60000");
    notes.outcome("init by a successor", successor.init_transactions(PATIENCE));
    notes.outcome("commit by the first", writer.commit_transaction(PATIENCE));
    notes.note("the first is", if writer.client().fatal_error().is_some() { "dead" } else { "alive" });
    successor.begin_transaction().unwrap();
    send(&successor, "C");
    notes.outcome("commit by the successor", successor.commit_transaction(PATIENCE));
    look_at_the_end(client, notes, "after the successor").await;
    notes.outcome("init with too long a timeout", new("rd-long", "900001").init_transactions(PATIENCE));
    let looker: BaseConsumer = client.make(&[("group.id", "unused"), ("isolation.level", "read_committed")]);
    notes.outcome(
        "watermarks of who wants what is committed",
        looker.fetch_watermarks("rd-steps", 0, PATIENCE),
    );
}
