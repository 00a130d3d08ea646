//! The documents in which the service describes itself for machines.

use crate::fixture::Orders;
use dojo_testbed::Kafka;
use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::Value;

async fn document(orders: &Orders, path: &str) -> Value {
    let answer = orders.request(Method::GET, path).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()[CONTENT_TYPE]),
        (200, &"application/json".parse().unwrap())
    );
    answer.json().await.unwrap()
}

#[tokio::test]
async fn the_service_describes_its_api_and_what_travels_on_kafka() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let openapi = document(&orders, "/openapi.json").await;
    assert_eq!(openapi["openapi"], "3.1.0");
    // From the constants of the checks, which the contract keeps.
    let instances = &openapi["components"]["schemas"]["SettingsPatch"]["properties"]["instances"]["oneOf"][0];
    assert_eq!(instances["maxProperties"], 100);
    let refused = &openapi["paths"]["/orders"]["post"]["responses"]["413"]["$ref"];
    assert_eq!(refused, "#/components/responses/PayloadTooLarge");

    let asyncapi = document(&orders, "/asyncapi.json").await;
    assert_eq!(asyncapi["asyncapi"], "3.0.0");
    assert_eq!(asyncapi["channels"]["orders"]["bindings"]["kafka"]["partitions"], 3);
    assert_eq!(asyncapi["servers"]["kafka"]["host"], kafka.config.brokers);
    // A doc comment links to other items in brackets, which are nothing to a reader of these documents.
    for document in [openapi, asyncapi] {
        assert!(!document.to_string().contains("[`"), "{document}");
    }
}
