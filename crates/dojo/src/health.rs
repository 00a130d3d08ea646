//! `dojo health`: asks the order service on this machine whether it is ready.

use crate::cli;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(3);

/// Prints what the service says; an error where it is not ready or not there.
pub(crate) async fn ask(health: cli::Health) -> anyhow::Result<()> {
    let url = format!("{}/readyz", base_url(&health.listen.host, health.listen.port));
    let answer = reqwest::Client::builder().timeout(WITHIN).build()?.get(&url).send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    println!("{text}");
    anyhow::ensure!(status.is_success(), "{url} answered {status}");
    Ok(())
}

/// The URL under which a service that listens on `host` is reached from this machine.
pub(crate) fn base_url(host: &str, port: u16) -> String {
    match host {
        "0.0.0.0" | "::" | "127.0.0.1" => format!("http://localhost:{port}"),
        host if host.contains(':') => format!("http://[{host}]:{port}"),
        host => format!("http://{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_a_url_that_can_be_opened() {
        assert_eq!(base_url("0.0.0.0", 3001), "http://localhost:3001");
        assert_eq!(base_url("::1", 80), "http://[::1]:80");
        assert_eq!(base_url("dojo.test", 1), "http://dojo.test:1");
    }
}
