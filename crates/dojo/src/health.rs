//! `dojo health`: asks the order service on this machine whether it is ready.

use crate::{cli, http};

/// Prints what the service says; an error where it is not ready or not there.
pub(crate) async fn ask(health: cli::Health) -> anyhow::Result<()> {
    let authority = authority(&health.listen.host, health.listen.port);
    let (status, text) = http::get(&authority, "/readyz").await?;
    println!("{}", String::from_utf8_lossy(&text));
    anyhow::ensure!(status.is_success(), "http://{authority}/readyz answered {status}");
    Ok(())
}

/// `host:port` under which a service that listens on `host` is reached from this machine.
pub(crate) fn authority(host: &str, port: u16) -> String {
    match host {
        "0.0.0.0" | "::" | "127.0.0.1" => format!("localhost:{port}"),
        host if host.contains(':') => format!("[{host}]:{port}"),
        host => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_one_that_can_be_reached() {
        assert_eq!(authority("0.0.0.0", 3001), "localhost:3001");
        assert_eq!(authority("::1", 80), "[::1]:80");
        assert_eq!(authority("dojo.test", 1), "dojo.test:1");
    }
}
