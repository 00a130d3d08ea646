//! The settings of the embedded broker on the dojo's command line, as a client sees them.

use crate::process::{Dojo, Start};
use dojo_testbed::{PATIENCE, eventually};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
};

fn client(dojo: &Dojo) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &dojo.kafka.brokers);
    config
}

#[tokio::test]
async fn clients_are_told_the_advertised_address_and_the_services_need_not_reach_it() {
    let dojo = Start::embedded().arg("--broker-advertised=elsewhere.invalid:7777").ready().await;
    let asked: BaseConsumer = client(&dojo).create().unwrap();
    let metadata = asked.fetch_metadata(None, PATIENCE).unwrap();
    let told: Vec<_> = metadata.brokers().iter().map(|broker| (broker.host(), broker.port())).collect();
    assert_eq!(told, [("elsewhere.invalid", 7777)]);
    eventually("the address in the log", async || {
        let log = dojo.log();
        if log.contains("Kafka elsewhere.invalid:7777") { Ok(()) } else { Err(log) }
    })
    .await;
}

#[tokio::test]
async fn the_bound_on_a_partition_is_shown_as_the_topics_retention() {
    let dojo = Start::embedded().arg("--broker-retention-bytes=8388608").ready().await;
    let admin: AdminClient<DefaultClientContext> = client(&dojo).create().unwrap();
    let orders = ResourceSpecifier::Topic("orders");
    let mut described = admin.describe_configs(&[orders], &AdminOptions::new()).await.unwrap();
    let retention = described.remove(0).unwrap().get("retention.bytes").unwrap().value.clone();
    assert_eq!(retention.as_deref(), Some("8388608"));
}
