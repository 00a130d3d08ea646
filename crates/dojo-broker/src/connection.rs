//! One client's connection: frames in, frames out.
//!
//! A request is four bytes of length, a header with its kind and version, and a body; an answer has the same
//! form. Kafka promises that answers come in the order of the requests, so each request is answered before
//! the next is read; a client that wants more at once opens another connection. An answer that has to wait,
//! for records or for a group, waits no longer than its client: after a client hangs up, nothing is left
//! behind. A client can only end its own connection, whatever it sends:
//!
//! - a length beyond [`MAX_REQUEST`] ends the connection before anything is read, and memory is taken as
//!   bytes arrive, not as announced;
//! - a body is walked over before it is decoded ([`layout`](crate::layout)), so that no list claims more than
//!   is there;
//! - the connection is a task of its own: if a request still causes a panic, only this task ends.

use crate::{
    api::{self, Api, MAX_REQUEST},
    config::Address,
    layout::{Malformed, check_layout},
    node::Node,
    requests::{self, Answer, Caller},
};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{ApiKey, RequestHeader, RequestKind, ResponseHeader, ResponseKind},
    protocol::{Decodable, Encodable},
};
use std::{future::pending, io, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tracing::debug;

/// How many bytes are read at once. The buffer is kept for the connection's next requests.
const BUFFER: usize = 64 << 10;
/// A buffer that a large answer has made larger than this is replaced.
const KEPT_BUFFER: usize = 1 << 20;
const LENGTH: usize = 4;

/// Why a connection ended before its client closed it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("nothing moved for {0:?}")]
    Idle(Duration),
    #[error("a request of {0} bytes: the most is {MAX_REQUEST}")]
    RequestSize(i32),
    #[error("a request without a whole header")]
    Header,
    #[error("request {key} in version {version}, which the broker does not speak")]
    Unsupported { key: i16, version: i16 },
    #[error("malformed {key:?} request in version {version}: {fault}")]
    Malformed { key: ApiKey, version: i16, fault: Malformed },
    #[error("cannot decode {key:?} request in version {version}: {fault}")]
    Decode { key: ApiKey, version: i16, fault: String },
    #[error("a write without acknowledgement failed: {0}")]
    Unacknowledged(String),
    #[error("cannot encode the answer to {key:?} in version {version}: {fault}")]
    Encode { key: ApiKey, version: i16, fault: String },
}

impl Ended {
    /// Returns whether the end deserves a warning: the client, or the broker, did something that it never
    /// should.
    pub(crate) fn is_clients_fault(&self) -> bool {
        !matches!(self, Self::Io(_) | Self::Idle(_))
    }
}

/// Answers a client's requests until the client hangs up.
///
/// # Errors
/// If the connection has to end before that.
pub(crate) async fn serve(node: &Node, stream: TcpStream, peer: SocketAddr) -> Result<(), Ended> {
    // Answers are small and awaited, so none waits for the next one to fill a packet.
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let advertised = node.config.advertised.clone();
    let endpoint = advertised
        .filter(|_| node.config.internal_port != Some(local.port()))
        .unwrap_or_else(|| Address { host: local.ip().to_canonical().to_string(), port: local.port() });
    debug!(%peer, %endpoint, "connection opened");
    let mut wire = Wire { stream, input: BytesMut::with_capacity(BUFFER), max_idle: node.config.max_idle };
    let mut output = BytesMut::with_capacity(BUFFER);
    while let Some(frame) = wire.read_frame().await? {
        output.clear();
        if output.capacity() > KEPT_BUFFER {
            output = BytesMut::with_capacity(BUFFER);
        }
        let wants_answer = tokio::select! {
            // The answer comes first: a client that has closed its sending side still gets what is ready at
            // once.
            biased;
            wants_answer = answer(node, frame, peer, &endpoint, &mut output) => wants_answer?,
            () = wire.hung_up() => return Ok(()),
        };
        if wants_answer {
            wire.write(&output).await?;
        }
    }
    Ok(())
}

/// The socket, cut into frames.
struct Wire {
    stream: TcpStream,
    input: BytesMut,
    max_idle: Duration,
}

impl Wire {
    /// Reads the next request without its length. `None` means that the client has hung up between two
    /// requests.
    async fn read_frame(&mut self) -> Result<Option<Bytes>, Ended> {
        while self.input.len() < LENGTH {
            if !self.read_more(LENGTH).await? {
                return if self.input.is_empty() { Ok(None) } else { Err(cut_off()) };
            }
        }
        let announced = self.input.get_i32();
        let length = usize::try_from(announced).ok().filter(|length| *length <= MAX_REQUEST);
        let length = length.ok_or(Ended::RequestSize(announced))?;
        while self.input.len() < length {
            if !self.read_more(length).await? {
                return Err(cut_off());
            }
        }
        Ok(Some(self.input.split_to(length).freeze()))
    }

    /// Reads what has arrived, towards `wanted` bytes. Returns `false` at the end of the stream.
    async fn read_more(&mut self, wanted: usize) -> Result<bool, Ended> {
        // The buffer grows by as much as has arrived: a long request doubles it a few times instead of
        // growing it packet by packet, and an announced length alone takes no memory.
        let missing = wanted.saturating_sub(self.input.len());
        self.input.reserve(missing.min(self.input.len()).max(BUFFER));
        let read = timeout(self.max_idle, self.stream.read_buf(&mut self.input)).await;
        Ok(read.map_err(|_| Ended::Idle(self.max_idle))?? > 0)
    }

    /// Waits until the client has hung up. If the client has sent more, it waits for ever, since the end
    /// comes after those bytes.
    async fn hung_up(&self) {
        match self.stream.peek(&mut [0]).await {
            Ok(sent) if sent > 0 => pending().await,
            _ => {}
        }
    }

    async fn write(&mut self, output: &[u8]) -> Result<(), Ended> {
        let written = timeout(self.max_idle, self.stream.write_all(output)).await;
        Ok(written.map_err(|_| Ended::Idle(self.max_idle))??)
    }
}

fn cut_off() -> Ended {
    Ended::Io(io::ErrorKind::UnexpectedEof.into())
}

/// Writes the answer to one request into `output`. Returns `false` if the client wants no answer.
async fn answer(
    node: &Node,
    mut frame: Bytes,
    peer: SocketAddr,
    endpoint: &Address,
    output: &mut BytesMut,
) -> Result<bool, Ended> {
    let mut start = frame.as_ref();
    let (Ok(key), Ok(version), Ok(correlation_id)) =
        (start.try_get_i16(), start.try_get_i16(), start.try_get_i32())
    else {
        return Err(Ended::Header);
    };
    let known = api::find(key).ok_or(Ended::Unsupported { key, version })?;
    if !known.versions.contains(&version) {
        return if known.key == ApiKey::ApiVersions {
            // A client that asks in a newer version gets the answer of the first version, which every client
            // understands.
            let versions = requests::api_versions::unsupported();
            encode(known, 0, correlation_id, &ResponseKind::ApiVersions(versions), output).map(|()| true)
        } else {
            Err(Ended::Unsupported { key, version })
        };
    }
    let header_version = known.key.request_header_version(version);
    let header = RequestHeader::decode(&mut frame, header_version).map_err(|_| Ended::Header)?;
    check_layout(&frame, known.request, version, header_version >= 2).map_err(|fault| Ended::Malformed {
        key: known.key,
        version,
        fault,
    })?;
    let request = RequestKind::decode(known.key, &mut frame, version).map_err(|fault| Ended::Decode {
        key: known.key,
        version,
        fault: fault.to_string(),
    })?;
    let caller = Caller {
        version,
        client_id: header.client_id.as_deref().unwrap_or_default().to_owned(),
        host: peer.ip().to_canonical(),
        endpoint: endpoint.clone(),
    };
    match requests::answer(node, &caller, request).await {
        Answer::Reply(response) => encode(known, version, correlation_id, &response, output).map(|()| true),
        Answer::Silence => Ok(false),
        Answer::HangUp(reason) => Err(Ended::Unacknowledged(reason)),
    }
}

fn encode(
    api: &Api,
    version: i16,
    correlation_id: i32,
    response: &ResponseKind,
    output: &mut BytesMut,
) -> Result<(), Ended> {
    let failed = |fault: String| Ended::Encode { key: api.key, version, fault };
    output.put_i32(0);
    ResponseHeader::default()
        .with_correlation_id(correlation_id)
        .encode(output, api.key.response_header_version(version))
        .and_then(|()| response.encode(output, version))
        .map_err(|error| failed(error.to_string()))?;
    let length = i32::try_from(output.len() - LENGTH).map_err(|_| failed("longer than 2 GiB".into()))?;
    output.get_mut(..LENGTH).into_iter().for_each(|field| field.copy_from_slice(&length.to_be_bytes()));
    Ok(())
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
