//! The network between clients and a broker, as far as a test may break it.
//!
//! Clients connect to the proxy, which the broker gives out as its own address; what they say goes on to the broker, and
//! its answers come back. What is under way has a bound: a connection on which nothing may pass is no longer read, and
//! its sender is held up by TCP itself, as on a network that stalls.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Of one direction of a connection, at most [`CHUNK_BYTES`] times [`CHUNKS`] are under way.
const CHUNK_BYTES: usize = 16 * 1024;
const CHUNKS: usize = 64;
const BACKLOG: u32 = 1_024;

/// What the network does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// They arrive at once.
    Pass,
    /// Nothing arrives, in either direction, and no connection breaks.
    Stall,
    /// Everything that the broker answers arrives so much later.
    Slow(Duration),
}

/// A TCP proxy in front of a broker; it passes everything on until it is told otherwise, and ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    upstream: watch::Sender<Option<String>>,
    flow: watch::Sender<Flow>,
    /// Ends the listener and every connection.
    _stop: DropGuard,
}

impl Proxy {
    /// A proxy on a free port. Until it is told [where to](Self::forward_to), it ends every connection at once.
    ///
    /// # Errors
    /// No port can be had.
    pub fn start() -> io::Result<Self> {
        let listener = hold(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let (upstream, flow) = (watch::Sender::new(None), watch::Sender::new(Flow::Pass));
        let stop = CancellationToken::new();
        let accepting = accept(listener, upstream.subscribe(), flow.subscribe());
        tokio::spawn(stop.clone().run_until_cancelled_owned(accepting));
        Ok(Self { address, upstream, flow, _stop: stop.drop_guard() })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections go on to `host:port` from now on.
    pub fn forward_to(&self, upstream: impl Into<String>) {
        self.upstream.send_replace(Some(upstream.into()));
    }

    /// Everything passes, at once.
    pub fn pass(&self) {
        self.flow.send_replace(Flow::Pass);
    }

    /// Nothing passes any more, in either direction; connections stay, and new ones are accepted.
    pub fn stall(&self) {
        self.flow.send_replace(Flow::Stall);
    }

    /// Every answer takes so much longer.
    pub fn slow(&self, by: Duration) {
        self.flow.send_replace(Flow::Slow(by));
    }
}

/// Binds a port without listening on it.
pub(crate) fn hold(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Connections that end on this port are no reason not to have it again.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(
    listener: TcpListener,
    upstream: watch::Receiver<Option<String>>,
    flow: watch::Receiver<Flow>,
) {
    // Dropped with this future, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let (upstream, flow) = (upstream.borrow().clone(), flow.clone());
                    connections.spawn(async move { connection(client, upstream, flow).await });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Both directions of one connection. Each side's end is told to the other, once everything before it has arrived.
async fn connection(
    client: TcpStream,
    upstream: Option<String>,
    flow: watch::Receiver<Flow>,
) -> io::Result<()> {
    let Some(upstream) = upstream else { return Ok(()) };
    let broker = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let ((from_client, to_client), (from_broker, to_broker)) = (client.into_split(), broker.into_split());
    let requests = pump(from_client, to_broker, flow.clone(), |_| Duration::ZERO);
    let answers = pump(from_broker, to_client, flow, |flow| match flow {
        Flow::Slow(by) => by,
        Flow::Pass | Flow::Stall => Duration::ZERO,
    });
    tokio::try_join!(requests, answers).map(drop)
}

/// One direction: what is read arrives when it is due, and not while the network stalls.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut flow: watch::Receiver<Flow>,
    delay: impl Fn(Flow) -> Duration,
) -> io::Result<()> {
    let (under_way, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS);
    let reads = {
        let flow = flow.clone();
        async move {
            let mut buffer = vec![0; CHUNK_BYTES];
            loop {
                let length = from.read(&mut buffer).await?;
                let now = *flow.borrow();
                let chunk = (Instant::now() + delay(now), buffer[..length].to_vec());
                if length == 0 || under_way.send(chunk).await.is_err() {
                    return io::Result::Ok(());
                }
            }
        }
    };
    let writes = async move {
        while let Some((due, chunk)) = arriving.recv().await {
            sleep_until(due).await;
            // Fails only once the proxy is gone, and this with it.
            let _ = flow.wait_for(|flow| *flow != Flow::Stall).await;
            to.write_all(&chunk).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(reads, writes).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(10);
    const A_WHILE: Duration = Duration::from_millis(200);

    /// A server that says everything back, and a proxy before it.
    async fn echo() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start().unwrap();
        proxy.forward_to(listener.local_addr().unwrap().to_string());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        proxy
    }

    async fn says(stream: &mut TcpStream, byte: u8) -> io::Result<u8> {
        stream.write_u8(byte).await?;
        timeout(SOON, stream.read_u8()).await.unwrap()
    }

    #[tokio::test]
    async fn what_stalls_arrives_when_the_network_goes_on() {
        let proxy = echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(says(&mut stream, 1).await.unwrap(), 1);
        proxy.stall();
        stream.write_u8(2).await.unwrap();
        assert!(timeout(A_WHILE, stream.read_u8()).await.is_err());
        let mut second = TcpStream::connect(proxy.address()).await.unwrap();
        second.write_u8(3).await.unwrap();
        assert!(timeout(A_WHILE, second.read_u8()).await.is_err());
        proxy.pass();
        assert_eq!(stream.read_u8().await.unwrap(), 2);
        assert_eq!(second.read_u8().await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_stalled_sender_is_held_up() {
        let proxy = echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        proxy.stall();
        let much = vec![0; 64 << 20];
        assert!(timeout(SOON / 10, stream.write_all(&much)).await.is_err(), "nothing takes 64 MiB in");
    }

    #[tokio::test]
    async fn a_slow_network_delays_each_answer_alike() {
        let proxy = echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        proxy.slow(A_WHILE);
        let begun = Instant::now();
        for byte in 0..10 {
            stream.write_u8(byte).await.unwrap();
            tokio::time::sleep(A_WHILE / 20).await;
        }
        for byte in 0..10 {
            assert_eq!(stream.read_u8().await.unwrap(), byte);
        }
        assert!((A_WHILE..A_WHILE * 9).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }
}
