//! Writing records and reading them.

use crate::support::{PATIENCE, next, send, serve, start, start_with, topics};
use dojo_broker::{Config, TopicConfig};
use kafka_protocol::{
    messages::{
        ApiKey, FetchRequest, FetchResponse, RequestKind, ResponseKind, TopicName,
        fetch_request::{FetchPartition, FetchTopic},
    },
    protocol::StrBytes,
};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::Consumer,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, Headers, OwnedHeaders},
    producer::FutureRecord,
};
use std::time::Duration;

fn fetch_request(partitions: &[(i32, i64)], max_wait: Duration) -> RequestKind {
    let partitions = partitions.iter().map(|(partition, offset)| {
        FetchPartition::default()
            .with_partition(*partition)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(1 << 20)
    });
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str("orders")))
        .with_partitions(partitions.collect());
    let topics = if topic.partitions.is_empty() { vec![] } else { vec![topic] };
    RequestKind::Fetch(
        FetchRequest::default()
            .with_max_wait_ms(i32::try_from(max_wait.as_millis()).unwrap())
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_topics(topics),
    )
}

fn fetched(response: ResponseKind) -> FetchResponse {
    match response {
        ResponseKind::Fetch(response) => response,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_produced_is_consumed_in_order_as_it_was() {
    let running = start().await;
    for codec in ["none", "gzip", "snappy", "lz4"] {
        let producer = running.producer(&[("compression.type", codec), ("linger.ms", "20")]);
        let sends = (0..50).map(|n| {
            let headers = OwnedHeaders::new()
                .insert(Header { key: "retryCount", value: Some("1") })
                .insert(Header::<&str> { key: "nothing", value: None });
            let (key, value) = (format!("{codec}-{n}"), "x".repeat(200));
            let producer = producer.clone();
            async move {
                let record =
                    FutureRecord::to("orders").partition(1).key(&key).payload(&value).headers(headers);
                producer.send(record, PATIENCE).await.unwrap().offset
            }
        });
        let offsets: Vec<i64> = join_all(sends).await;
        assert!(offsets.is_sorted(), "{codec}: {offsets:?}");
    }
    let reader = running.reader("orders", 3);
    for codec in ["none", "gzip", "snappy", "lz4"] {
        for n in 0..50 {
            let record = next(&reader).await;
            assert_eq!(record.key().unwrap(), format!("{codec}-{n}").as_bytes());
            assert_eq!(record.payload().unwrap().len(), 200);
            let headers = record.headers().unwrap();
            assert_eq!((headers.get(0).key, headers.get(0).value), ("retryCount", Some(&b"1"[..])));
            assert_eq!(headers.get(1).value, None);
        }
    }
}

/// Polls all futures in order, since each is queued when it is polled first.
async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T>
where
    T: Send + 'static,
{
    let mut results = Vec::new();
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    // Each future enqueues its record when it is first polled.
    for future in &mut futures {
        let first =
            std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await;
        assert!(first.is_pending());
    }
    for future in futures {
        results.push(future.await);
    }
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_a_client_compresses_travels_compressed() {
    let running = start().await;
    let producer = running.producer(&[("compression.type", "gzip")]);
    send(&producer, "orders", 0, &"x".repeat(10_000)).await;
    let mut raw = running.raw().await;
    let response = fetched(raw.call(ApiKey::Fetch, 4, fetch_request(&[(0, 0)], PATIENCE)).await);
    let batch = response.responses[0].partitions[0].records.clone().unwrap();
    assert_eq!(batch[22] & 7, 1, "the attributes say gzip");
    assert!(batch.len() < 1000, "{} bytes", batch.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_waits_for_its_own_partitions_and_is_answered_as_soon_as_one_grows() {
    let running = start().await;
    let producer = running.producer(&[]);
    let mut raw = running.raw().await;
    // Far longer than any test waits: only the record can end the fetch.
    raw.write(ApiKey::Fetch, 12, &fetch_request(&[(0, 0), (2, 0)], PATIENCE * 10)).await;
    send(&producer, "orders", 1, "for somebody else").await;
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(100), raw.stream.peek(&mut byte)).await;
    assert!(early.is_err(), "another partition's record is no answer");
    send(&producer, "orders", 2, "for this one").await;
    let response = fetched(raw.read(ApiKey::Fetch, 12).await);
    let sizes: Vec<usize> =
        response.responses[0].partitions.iter().map(|p| p.records.as_ref().unwrap().len()).collect();
    assert!(sizes[0] == 0 && sizes[1] > 0, "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_of_nothing_or_of_what_is_not_there_is_answered_at_once() {
    let running = start().await;
    let mut raw = running.raw().await;
    let response = fetched(raw.call(ApiKey::Fetch, 12, fetch_request(&[], PATIENCE * 10)).await);
    assert!(response.responses.is_empty());
    let response =
        fetched(raw.call(ApiKey::Fetch, 12, fetch_request(&[(0, 0), (9, 0)], PATIENCE * 10)).await);
    assert_eq!(response.responses[0].partitions[1].error_code, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_hears_that_its_topic_is_deleted() {
    let running = start().await;
    let mut raw = running.raw().await;
    raw.write(ApiKey::Fetch, 12, &fetch_request(&[(0, 0)], PATIENCE * 10)).await;
    let admin = running.admin();
    admin.delete_topics(&["orders"], &rdkafka::admin::AdminOptions::new()).await.unwrap()[0].clone().unwrap();
    let response = fetched(raw.read(ApiKey::Fetch, 12).await);
    assert_eq!(response.responses[0].partitions[0].error_code, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_point_in_time_is_found_exactly_within_a_compressed_batch() {
    const CODECS: [&str; 4] = ["none", "gzip", "snappy", "lz4"];
    let running =
        start_with(Config { topics: topics(&CODECS.map(|codec| (codec, 1))), ..Config::default() }).await;
    for codec in CODECS {
        let producer = running.producer(&[("compression.type", codec), ("linger.ms", "500")]);
        let sends = [1000, 3000, 2000, 5000].map(|timestamp| {
            let producer = producer.clone();
            async move {
                let record = FutureRecord::to(codec).partition(0).key("k").payload("v").timestamp(timestamp);
                producer.send(record, PATIENCE).await.unwrap().offset
            }
        });
        assert_eq!(join_all(sends.into_iter()).await, [0, 1, 2, 3], "{codec}");
        let reader = running.reader(codec, 1);
        let at = |timestamp| {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(codec, 0, Offset::Offset(timestamp)).unwrap();
            reader.offsets_for_times(list, PATIENCE).unwrap().elements()[0].offset()
        };
        let found = [0, 1001, 3000, 3001, 5001].map(at);
        let expected = [0, 1, 1, 3].map(Offset::Offset);
        assert_eq!((&found[..4], found[4]), (&expected[..], Offset::End), "{codec}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotent_producer_works_without_further_ado() {
    let running = start().await;
    let producer = running.producer(&[("enable.idempotence", "true"), ("acks", "all")]);
    for n in 0..20 {
        assert_eq!(send(&producer, "orders", 0, "once").await, n);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_refuses_what_its_configs_forbid() {
    let mut strict = TopicConfig::new("strict", 1);
    strict.config.insert("max.message.bytes".into(), "1000".into());
    strict.config.insert("message.timestamp.after.max.ms".into(), "60000".into());
    strict.config.insert("cleanup.policy".into(), "compact".into());
    let running = start_with(Config { topics: vec![strict], ..Config::default() }).await;
    let producer = running.producer(&[]);
    let refused = async |record: FutureRecord<'_, str, str>| match producer.send(record, PATIENCE).await {
        Err((KafkaError::MessageProduction(code), _)) => code,
        other => panic!("{other:?}"),
    };
    let record = || FutureRecord::<str, str>::to("strict").key("key").payload("value");
    assert!(producer.send(record(), PATIENCE).await.is_ok());
    let large = "x".repeat(2000);
    assert_eq!(refused(record().payload(&large)).await, RDKafkaErrorCode::MessageSizeTooLarge);
    assert_eq!(refused(record().timestamp(4_070_908_800_000)).await, RDKafkaErrorCode::InvalidTimestamp);
    let keyless = FutureRecord::<str, str>::to("strict").payload("value");
    assert_eq!(refused(keyless).await, RDKafkaErrorCode::InvalidRecord);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_log_append_time_records_have_the_brokers_time() {
    let mut topic = TopicConfig::new("stamped", 1);
    topic.config.insert("message.timestamp.type".into(), "LogAppendTime".into());
    let running = start_with(Config { topics: vec![topic], ..Config::default() }).await;
    let record = FutureRecord::<str, str>::to("stamped").payload("value").timestamp(5);
    running.producer(&[]).send(record, PATIENCE).await.unwrap();
    let stamp = next(&running.reader("stamped", 1)).await.timestamp();
    assert!(
        matches!(stamp, rdkafka::Timestamp::LogAppendTime(time) if time > 1_700_000_000_000),
        "{stamp:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded_by_dropping_the_oldest_records() {
    let config = Config {
        topics: topics(&[("orders", 1)]),
        retention_bytes_per_partition: 100_000,
        ..Config::default()
    };
    let running = start_with(config).await;
    let producer = running.producer(&[]);
    for _ in 0..50 {
        send(&producer, "orders", 0, &"x".repeat(10_000)).await;
    }
    let reader = running.reader("orders", 1);
    let (low, high) = reader.fetch_watermarks("orders", 0, PATIENCE).unwrap();
    assert!(high == 50 && (40..=45).contains(&low), "{low}..{high}");
    assert_eq!(next(&reader).await.offset(), low);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stops_listening_and_starts_again_has_kept_its_records_and_clients_go_on() {
    let running = start().await;
    let producer = running.producer(&[("reconnect.backoff.max.ms", "100")]);
    let reader = running.reader("orders", 3);
    send(&producer, "orders", 0, "before").await;
    assert_eq!(next(&reader).await.payload(), Some(&b"before"[..]));
    let address = running.address.to_string();
    let broker = running.stop().await;
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
    let waiting = tokio::spawn(async move { send(&producer, "orders", 0, "meanwhile").await });
    let _running = serve(broker, &address).await;
    assert_eq!(waiting.await.unwrap(), 1);
    assert_eq!(next(&reader).await.payload(), Some(&b"meanwhile"[..]));
}
