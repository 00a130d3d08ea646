//! One service in this process: the edge that turns a command into a library call.

use crate::{Misconfigured, admin, cli, metrics, shutdown::within_bound};
use dojo_contract::topic::TOPICS;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) async fn order(order: cli::Order, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = listen(&order.listen).await?;
    tracing::info!("page and API on http://{}", listener.local_addr()?);
    let mut config = order.config;
    // The address that it listens on need not be named.
    config.allowed_hosts.extend(order.listen.host.parse().ok());
    config.metrics = metrics::record()?;
    let admin = admin::start(&order.admin, &config.readiness, config.metrics.clone(), &shutdown).await?;
    until_end(dojo_orders::run(config, listener, shutdown.clone()), admin, shutdown).await
}

pub(crate) async fn notification(
    service: cli::Alone<dojo_notification::Config>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let admin =
        admin::start(&service.admin, &service.config.readiness, metrics::record()?, &shutdown).await?;
    until_end(dojo_notification::run(service.config, shutdown.clone()), admin, shutdown).await
}

pub(crate) async fn fraud(
    service: cli::Alone<dojo_fraud::Config>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let admin =
        admin::start(&service.admin, &service.config.readiness, metrics::record()?, &shutdown).await?;
    until_end(dojo_fraud::run(service.config, shutdown.clone()), admin, shutdown).await
}

pub(crate) async fn audit(
    service: cli::Alone<dojo_audit::Config>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let admin =
        admin::start(&service.admin, &service.config.readiness, metrics::record()?, &shutdown).await?;
    until_end(dojo_audit::run(service.config, shutdown.clone()), admin, shutdown).await
}

/// Runs `service` to its end, or until `admin` fails.
async fn until_end<E: std::error::Error + Send + Sync + 'static>(
    service: impl Future<Output = Result<(), E>>,
    admin: impl Future<Output = anyhow::Error>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        result = within_bound(service, shutdown) => result,
        error = admin => Err(error),
    }
}

pub(crate) async fn topics(topics: cli::Topics) -> anyhow::Result<()> {
    for created in dojo_kafka::create_topics(&topics.kafka, TOPICS, topics.replication_factor).await? {
        let name = topics.kafka.prefix.on_cluster(created.topic);
        println!("{name} {}", if created.existed { "exists" } else { "created" });
    }
    Ok(())
}

/// Binds the page's address, or says who to ask for another.
pub(crate) async fn listen(listen: &cli::Listen) -> Result<TcpListener, Misconfigured> {
    let cli::Listen { host, port } = listen;
    TcpListener::bind((host.as_str(), *port)).await.map_err(|e| {
        let why = match e.kind() {
            std::io::ErrorKind::AddrInUse => "the port is taken by another program".to_owned(),
            _ => e.to_string(),
        };
        Misconfigured(format!(
            "cannot listen on {host}:{port} for the page and the API: {why}; choose another with --port or PORT"
        ))
    })
}
