//! A broker on a free port, clients for it, and patience.

use bytes::{BufMut, Bytes, BytesMut};
use dojo_broker::{Broker, Config, Error, TopicConfig, bind};
use kafka_protocol::{
    messages::{ApiKey, RequestHeader, RequestKind, ResponseHeader, ResponseKind},
    protocol::{Decodable, Encodable, StrBytes},
};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::AdminClient,
    client::DefaultClientContext,
    consumer::{Consumer, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::OwnedMessage,
    producer::{FutureProducer, FutureRecord},
};
use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::{Mutex, Once},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Returns the broker's log, of all tests together: a test looks for lines about topics that only it has.
pub fn log() -> String {
    String::from_utf8_lossy(&LOG.0.lock().unwrap()).into_owned()
}

static LOG: LogBuffer = LogBuffer(Mutex::new(Vec::new()));

struct LogBuffer(Mutex<Vec<u8>>);

impl Write for &LogBuffer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        Write::write(&mut *self.0.lock().unwrap(), line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the log to where [`log`] finds it.
fn keep_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| &LOG).init());
}

/// How long a test waits before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Running {
    pub broker: Broker,
    pub address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Topics without configs.
pub fn topics(topics: &[(&str, i32)]) -> Vec<TopicConfig> {
    topics.iter().map(|(name, partitions)| TopicConfig::new(*name, *partitions)).collect()
}

/// Starts a broker with a topic `orders` of three partitions. Sessions can be short, so that no test waits
/// long.
pub async fn start() -> Running {
    start_with(Config { topics: topics(&[("orders", 3)]), ..Config::default() }).await
}

pub async fn start_with(config: Config) -> Running {
    keep_log();
    let config = Config { min_session_timeout: Duration::from_millis(100), ..config };
    serve(Broker::new(config).unwrap(), "127.0.0.1:0").await
}

pub async fn serve(broker: Broker, listen: &str) -> Running {
    serve_on(broker, bind(listen).await.unwrap())
}

pub fn serve_on(broker: Broker, listeners: Vec<TcpListener>) -> Running {
    let address = listeners[0].local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let (serving, until) = (broker.clone(), shutdown.clone());
    let task = tokio::spawn(async move { serving.serve(listeners, until).await });
    Running { broker, address, shutdown, task }
}

impl Running {
    /// Closes the listeners and connections, and waits until they are gone.
    pub async fn stop(mut self) -> Broker {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, &mut self.task).await.unwrap().unwrap().unwrap();
        self.broker.clone()
    }

    pub fn client(&self, settings: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address.to_string());
        for (key, value) in settings {
            config.set(*key, *value);
        }
        config
    }

    pub fn producer(&self, settings: &[(&str, &str)]) -> FutureProducer {
        self.client(&[("message.timeout.ms", "20000")]).create_with_more(settings)
    }

    /// A consumer that picks its partitions itself.
    pub fn reader(&self, topic: &str, partitions: i32) -> StreamConsumer {
        let reader: StreamConsumer =
            self.client(&[("group.id", "reader"), ("enable.auto.commit", "false")]).create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        reader.assign(&list).unwrap();
        reader
    }

    /// A member of a group that reads `orders` from its start.
    pub fn member(&self, group: &str, settings: &[(&str, &str)]) -> StreamConsumer {
        let mut config = self.client(&[
            ("group.id", group),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "false"),
            ("session.timeout.ms", "2000"),
            ("heartbeat.interval.ms", "100"),
        ]);
        for (key, value) in settings {
            config.set(*key, *value);
        }
        let member: StreamConsumer = config.create().unwrap();
        member.subscribe(&["orders"]).unwrap();
        member
    }

    pub fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client(&[]).create().unwrap()
    }

    pub async fn raw(&self) -> Raw {
        Raw::connect(self.address).await
    }
}

trait CreateWithMore {
    fn create_with_more(self, settings: &[(&str, &str)]) -> FutureProducer;
}

impl CreateWithMore for ClientConfig {
    fn create_with_more(mut self, settings: &[(&str, &str)]) -> FutureProducer {
        for (key, value) in settings {
            self.set(*key, *value);
        }
        self.create().unwrap()
    }
}

/// Sends one record, waits for its acknowledgement, and returns its offset.
pub async fn send(producer: &FutureProducer, topic: &str, partition: i32, value: &str) -> i64 {
    let record = FutureRecord::<str, str>::to(topic).partition(partition).key("key").payload(value);
    producer.send(record, PATIENCE).await.unwrap().offset
}

/// Returns the next record. While the broker is away, librdkafka reports it and goes on trying.
pub async fn next(consumer: &StreamConsumer) -> OwnedMessage {
    let receive = async {
        loop {
            match consumer.recv().await {
                Ok(record) => return record.detach(),
                Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure,
                )) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, receive).await.expect("a record")
}

/// Repeats `look` until it finds something.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "waited {PATIENCE:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A client that sends exactly the given requests.
pub struct Raw {
    pub stream: TcpStream,
    correlation: i32,
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), correlation: 0 }
    }

    pub fn frame(&mut self, key: ApiKey, version: i16, request: &RequestKind) -> Bytes {
        self.correlation += 1;
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        RequestHeader::default()
            .with_request_api_key(key as i16)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("raw")))
            .encode(&mut frame, key.request_header_version(version))
            .unwrap();
        request.encode(&mut frame, version).unwrap();
        let length = i32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&length.to_be_bytes());
        frame.freeze()
    }

    pub async fn write(&mut self, key: ApiKey, version: i16, request: &RequestKind) {
        let frame = self.frame(key, version, request);
        self.stream.write_all(&frame).await.unwrap();
    }

    pub async fn read(&mut self, key: ApiKey, version: i16) -> ResponseKind {
        let read = async {
            let length = usize::try_from(self.stream.read_i32().await.unwrap()).unwrap();
            let mut frame = vec![0; length];
            self.stream.read_exact(&mut frame).await.unwrap();
            Bytes::from(frame)
        };
        let mut frame = tokio::time::timeout(PATIENCE, read).await.expect("an answer");
        let header = ResponseHeader::decode(&mut frame, key.response_header_version(version)).unwrap();
        assert_eq!(header.correlation_id, self.correlation, "answers come in the order of requests");
        let answer = ResponseKind::decode(key, &mut frame, version).unwrap();
        assert!(frame.is_empty(), "{} bytes behind the answer to {key:?} v{version}", frame.len());
        answer
    }

    pub async fn call(&mut self, key: ApiKey, version: i16, request: RequestKind) -> ResponseKind {
        self.write(key, version, &request).await;
        self.read(key, version).await
    }

    /// Waits until the broker has hung up, and returns what it sent before.
    pub async fn until_closed(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut said)).await;
        // A connection that is closed over unread bytes is reset.
        let _ = read.expect("the broker to hang up");
        said
    }
}
