//! Whether a broker answers and takes part in its cluster: asked in Kafka's own protocol, by hand.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(1);

/// A `Metadata` request, version 1, that names no topic: length, request key 3, version 1, correlation id, no client id,
/// an empty list (<https://kafka.apache.org/protocol#The_Messages_Metadata>).
const METADATA: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xFF, 0xFF, 0, 0, 0, 0];

/// Whether the broker at `port` is in the list of brokers that it gives. A broker opens its port before it is; what it is asked
/// in between fails.
pub(crate) fn is_up(port: u16) -> bool {
    ask(port).is_ok_and(|brokers| brokers > 0)
}

/// How many brokers the one at `port` knows.
fn ask(port: u16) -> std::io::Result<i32> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), WITHIN)?;
    stream.set_read_timeout(Some(WITHIN))?;
    stream.set_write_timeout(Some(WITHIN))?;
    stream.write_all(&METADATA)?;
    // Length, correlation id, number of brokers.
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    let [.., a, b, c, d] = answer;
    Ok(i32::from_be_bytes([a, b, c, d]))
}
