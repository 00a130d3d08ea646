//! A check whether a broker answers and is part of its cluster, written by hand in Kafka's protocol.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

const WITHIN: Duration = Duration::from_secs(1);

/// A `Metadata` request, version 1, that names no topic: length, request key 3, version 1, correlation id, no client id,
/// an empty list (<https://kafka.apache.org/protocol#The_Messages_Metadata>).
const METADATA: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xFF, 0xFF, 0, 0, 0, 0];

/// Returns whether the broker at `port` is in its own list of brokers. A broker opens its port before it is; requests in
/// between fail.
pub(crate) fn is_up(port: u16) -> bool {
    ask(port).is_ok_and(|brokers| brokers > 0)
}

/// Returns how many brokers the broker at `port` knows.
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
