//! `dojo health`: asks a service on this machine whether it is ready.

use crate::{cli, exit::Misconfigured, http};

/// Prints the answer of the service.
///
/// # Errors
/// The service isn't ready, or doesn't answer.
pub(crate) async fn ask(health: cli::Health) -> anyhow::Result<()> {
    let authority = match &health.admin.admin_listen {
        Some(listen) => {
            let (host, port) = parse(listen)?;
            authority(host, port)
        }
        None => authority(&health.listen.host, health.listen.port),
    };
    let (status, text) = http::get(&authority, "/readyz").await?;
    println!("{}", String::from_utf8_lossy(&text));
    anyhow::ensure!(status.is_success(), "http://{authority}/readyz answered {status}");
    Ok(())
}

/// Splits `HOST:PORT`; an IPv6 address is in brackets.
fn parse(listen: &str) -> Result<(&str, u16), Misconfigured> {
    let parts = listen.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = parts.ok_or_else(|| {
        Misconfigured(format!(
            "`{listen}` is not an address; set ADMIN_LISTEN to HOST:PORT, such as 0.0.0.0:9100"
        ))
    })?;
    Ok((host.trim_start_matches('[').trim_end_matches(']'), port))
}

/// Returns the `host:port` at which this machine reaches a service that listens on `host`.
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

    #[test]
    fn an_address_is_a_host_and_a_port() {
        assert_eq!(parse("0.0.0.0:9100").unwrap(), ("0.0.0.0", 9100));
        assert_eq!(parse("[::]:1").unwrap(), ("::", 1));
        assert!(parse("9100").unwrap_err().to_string().contains("HOST:PORT"));
    }
}
