//! From a text such as `localhost:9092` to listening sockets.
//!
//! A name can stand for several addresses: `localhost` is usually both `::1` and `127.0.0.1`. Clients try the
//! addresses in an order of their own, and one that finds the first address closed logs an error and waits
//! before it tries the next. So the broker listens on all of them.

use crate::error::Error;
use std::{
    io,
    net::{IpAddr, SocketAddr},
};
use tokio::net::{TcpListener, lookup_host};

/// How many times to look for a port that is free at every address of a name.
const ATTEMPTS: usize = 20;

/// Listens on every address of this machine that `listen` (`host:port`) stands for. Port 0 picks a free port,
/// the same for all addresses.
///
/// # Errors
/// [`Error::Resolve`] if the text isn't an address, [`Error::AddressInUse`] if one of the addresses is taken,
/// [`Error::Listen`] if the machine can't listen on any of them.
pub async fn bind(listen: &str) -> Result<Vec<TcpListener>, Error> {
    let resolve = |source| Error::Resolve { listen: listen.to_owned(), source };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in lookup_host(listen).await.map_err(resolve)? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let Some(port) = addresses.first().map(SocketAddr::port) else {
        return Err(resolve(io::Error::from(io::ErrorKind::NotFound)));
    };
    let ips: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
    let mut attempt = 1;
    loop {
        match bind_all(listen, &ips, port).await {
            // A port that is free at the first address may be taken at the next.
            Err(Error::AddressInUse { .. }) if port == 0 && attempt < ATTEMPTS => attempt += 1,
            outcome => return outcome,
        }
    }
}

/// Returns the `bootstrap.servers` for listeners that [`bind`] returned: their addresses, separated by
/// commas.
///
/// # Errors
/// [`Error::Listener`] if a listener doesn't know its address.
pub fn bootstrap_servers(listeners: &[TcpListener]) -> Result<String, Error> {
    let addresses: Result<Vec<String>, io::Error> =
        listeners.iter().map(|listener| Ok(listener.local_addr()?.to_string())).collect();
    Ok(addresses.map_err(Error::Listener)?.join(","))
}

async fn bind_all(listen: &str, ips: &[IpAddr], mut port: u16) -> Result<Vec<TcpListener>, Error> {
    let mut listeners = Vec::new();
    let mut unavailable = None;
    for ip in ips {
        let address = SocketAddr::new(*ip, port);
        match TcpListener::bind(address).await {
            Ok(listener) => {
                port = listener.local_addr().map_err(Error::Listener)?.port();
                listeners.push(listener);
            }
            Err(source) if source.kind() == io::ErrorKind::AddrInUse => {
                return Err(Error::AddressInUse { listen: listen.to_owned(), address });
            }
            // A machine without IPv6 can still have a name for `::1`.
            Err(source) => unavailable = Some(Error::Listen { listen: listen.to_owned(), address, source }),
        }
    }
    match unavailable {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn port_zero_is_the_same_free_port_at_every_address() {
        let listeners = bind("localhost:0").await.unwrap();
        let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert!(!ports.is_empty());
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0), "{ports:?}");
    }

    #[tokio::test]
    async fn a_taken_port_is_named_together_with_the_way_to_choose_another() {
        let taken = bind("127.0.0.1:0").await.unwrap();
        let address = taken[0].local_addr().unwrap();
        let error = bind(&address.to_string()).await.unwrap_err().to_string();
        assert!(error.contains(&address.to_string()), "{error}");
        assert!(error.contains("BROKER_LISTEN") && error.contains("--broker-listen"), "{error}");
    }

    #[tokio::test]
    async fn a_text_that_is_not_an_address_is_refused() {
        for text in ["", "no-port", "127.0.0.1:banana"] {
            assert!(matches!(bind(text).await, Err(Error::Resolve { .. })), "{text}");
        }
    }
}
