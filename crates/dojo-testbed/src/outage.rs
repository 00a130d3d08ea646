//! A Kafka that one test has for itself, to take it away: stopped and started again, killed, or behind a network that
//! fails.
//!
//! On whichever broker the suite runs on: the embedded one, whose listener closes while its log stays; or a node of
//! Apache Kafka, which is another process.

use crate::{
    kafka,
    proxy::{Proxy, hold},
};
use dojo_broker::{Broker, Config};
use dojo_contract::topic::TOPICS;
use dojo_kafka::{KafkaConfig, create_topics};
use kafka_node::{Jars, Node, Options};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};
use tokio::{net::TcpSocket, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

const BACKLOG: u32 = 1_024;

/// A Kafka with the dojo's topics that nobody else uses. It ends when dropped.
pub struct OwnKafka {
    /// How services and clients reach it; through the proxy, where there is one.
    pub config: KafkaConfig,
    broker: Own,
}

enum Own {
    Embedded(Embedded),
    /// `None` only while another thread has it.
    Apache(Option<Node>),
}

struct Embedded {
    broker: Broker,
    address: SocketAddr,
    /// The broker at work, until the guard is dropped; or its port, which is kept while it is not.
    serving: Option<(DropGuard, JoinHandle<()>)>,
    kept: Option<TcpSocket>,
}

impl OwnKafka {
    /// One that clients connect to directly.
    pub async fn start() -> Self {
        Self::start_as(None).await
    }

    /// One that clients reach through `proxy` alone.
    pub async fn behind(proxy: &Proxy) -> Self {
        Self::start_as(Some(proxy)).await
    }

    /// One that keeps everything in a folder; `None` where the suite runs on the embedded broker, which has no disk.
    pub async fn on_disk(folder: &Path) -> Option<Self> {
        let options = Options { parent_folder: Some(folder.to_owned()), ..Options::default() };
        let (broker, address) = apache(jars()?, options).await;
        Some(Self::with_topics(broker, address).await)
    }

    async fn with_topics(broker: Own, address: String) -> Self {
        let config = KafkaConfig::new(address);
        create_topics(&config, TOPICS, 1).await.expect("the topics can be created");
        Self { config, broker }
    }

    async fn start_as(proxy: Option<&Proxy>) -> Self {
        let advertised = proxy.map(|proxy| proxy.address().to_string());
        let (broker, own_address) = if let Some(jars) = jars() {
            apache(jars, Options { advertised: advertised.clone(), ..Options::default() }).await
        } else {
            let broker = empty(advertised.as_deref());
            let socket = hold(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("there is a free port");
            let address = socket.local_addr().expect("a socket has an address");
            let mut embedded = Embedded { broker, address, serving: None, kept: Some(socket) };
            embedded.start();
            (Own::Embedded(embedded), address.to_string())
        };
        if let Some(proxy) = proxy {
            proxy.forward_to(own_address.clone());
        }
        Self::with_topics(broker, advertised.unwrap_or(own_address)).await
    }

    /// Stops it as an operator would, keeping what it holds. Returns when it is gone.
    pub async fn stop(&mut self) {
        match &mut self.broker {
            Own::Embedded(embedded) => embedded.stop().await,
            Own::Apache(node) => on(node, |node| node.stop().expect("Apache Kafka can be stopped")).await,
        }
    }

    /// Ends it without a warning. The embedded broker, which is in this process, closes its connections without one.
    pub async fn kill(&mut self) {
        match &mut self.broker {
            Own::Embedded(embedded) => embedded.stop().await,
            Own::Apache(node) => on(node, |node| node.kill().expect("Apache Kafka can be killed")).await,
        }
    }

    /// Starts another Kafka in its place after a stop or a kill: at the same address, with the dojo's topics and nothing
    /// else. Only for a Kafka without a proxy.
    pub async fn start_another(&mut self) {
        match &mut self.broker {
            Own::Embedded(embedded) => {
                embedded.broker = empty(None);
                embedded.start();
            }
            Own::Apache(node) => {
                let port = node.take().map(|node| node.port());
                let options = Options { port, ..Options::default() };
                self.broker = apache(jars().expect("the jars are still there"), options).await.0;
            }
        }
        create_topics(&self.config, TOPICS, 1).await.expect("the topics can be created");
    }

    /// Starts it again after a stop or a kill, with everything that it held. Returns when it answers.
    pub async fn start_again(&mut self) {
        match &mut self.broker {
            Own::Embedded(embedded) => embedded.start(),
            Own::Apache(node) => {
                on(node, |node| node.start_again().expect("Apache Kafka starts again")).await;
            }
        }
    }
}

/// An embedded broker that holds nothing.
fn empty(advertised: Option<&str>) -> Broker {
    let advertised = advertised.map(|a| a.parse().expect("an address is one"));
    Broker::new(Config { advertised, ..Config::default() }).expect("a broker can be made")
}

impl Embedded {
    fn start(&mut self) {
        let Some(socket) = self.kept.take() else { return };
        let listener = socket.listen(BACKLOG).expect("a port that is kept can be listened on");
        let (broker, stop) = (self.broker.clone(), CancellationToken::new());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            broker.serve(vec![listener], stopped).await.expect("the broker serves");
        });
        self.serving = Some((stop.drop_guard(), task));
    }

    async fn stop(&mut self) {
        let Some((stop, task)) = self.serving.take() else { return };
        drop(stop);
        task.await.expect("the broker ends");
        self.kept = Some(hold(self.address).expect("its port stays ours"));
    }
}

/// A node of Apache Kafka, and where it listens.
async fn apache(jars: Jars, options: Options) -> (Own, String) {
    let node = blocking(move || Node::start(&jars, options).expect("Apache Kafka starts")).await;
    let address = format!("localhost:{}", node.port());
    (Own::Apache(Some(node)), address)
}

/// What a node of Apache Kafka is started from, where the suite runs on Apache Kafka. Without Java, tests of Kafka being away
/// run on the embedded broker all the same, and say so; under `CI=true` they fail.
fn jars() -> Option<Jars> {
    kafka::brokers()?;
    match Jars::find(&kafka_node::cache()) {
        Ok(jars) => Some(jars),
        Err(error) if std::env::var_os("CI").is_none_or(|ci| ci != "true") => {
            eprintln!("skipped on Apache Kafka, run on the embedded broker: {error}");
            None
        }
        Err(error) => panic!("the suite runs on Apache Kafka, of which the jars are not there: {error}"),
    }
}

/// A node waits by blocking its thread, which must not be one of the test's.
async fn on(node: &mut Option<Node>, work: impl FnOnce(&mut Node) + Send + 'static) {
    let Some(mut own) = node.take() else { return };
    *node = Some(
        blocking(move || {
            work(&mut own);
            own
        })
        .await,
    );
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it does not panic")
}
