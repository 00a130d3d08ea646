//! One service in this process: each command becomes a call of the service's library.

use crate::{Misconfigured, admin, cli, metrics, scenarios, shutdown::within_bound};
use dojo_contract::topic::TOPICS;
use dojo_kafka::Readiness;
use dojo_orders::PassedIn;
use std::io::ErrorKind;
use tokio::net::{TcpListener, lookup_host};
use tokio_util::sync::CancellationToken;

pub(crate) async fn order(order: cli::Order, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = listen(&order.listen).await?;
    tracing::info!("page and API on http://{}", listener.local_addr()?);
    let mut config = order.config;
    // The address that it listens on need not be named.
    config.page.allowed_hosts.extend(order.listen.host.parse().ok());
    let (readiness, metrics) = (Readiness::default(), metrics::record()?);
    let admin = admin::start(&order.admin, &readiness, metrics.clone(), &shutdown).await?;
    let passed_in = PassedIn {
        backtest: Some(crate::rules::draft_backtest(config.kafka.clone())),
        scenarios: Some(scenarios::of_the_page(config.page.scenarios_dir.clone(), listener.local_addr()?)),
    };
    let service = dojo_orders::run(config, listener, readiness, metrics, passed_in, shutdown.clone());
    until_end(service, admin, shutdown).await
}

pub(crate) async fn notification(
    service: cli::Alone<dojo_notification::Config>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let readiness = Readiness::default();
    let admin = admin::start(&service.admin, &readiness, metrics::record()?, &shutdown).await?;
    until_end(dojo_notification::run(service.config, readiness, shutdown.clone()), admin, shutdown).await
}

pub(crate) async fn fraud(
    service: cli::Alone<dojo_fraud::Config>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let readiness = Readiness::default();
    let admin = admin::start(&service.admin, &readiness, metrics::record()?, &shutdown).await?;
    until_end(dojo_fraud::run(service.config, readiness, shutdown.clone()), admin, shutdown).await
}

pub(crate) async fn audit(
    service: cli::Alone<dojo_audit::Config>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let readiness = Readiness::default();
    let admin = admin::start(&service.admin, &readiness, metrics::record()?, &shutdown).await?;
    until_end(dojo_audit::run(service.config, readiness, shutdown.clone()), admin, shutdown).await
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
    let copies = topics.replication.replication_factor;
    for created in dojo_kafka::create_topics(&topics.kafka, TOPICS, copies).await? {
        println!("{} {}", created.name, if created.existed { "exists" } else { "created" });
    }
    Ok(())
}

/// Binds the page's address, or names the flag to change.
pub(crate) async fn listen(listen: &cli::Listen) -> Result<TcpListener, Misconfigured> {
    let cli::Listen { host, port } = listen;
    let refused =
        |why: String| Misconfigured(format!("can't listen on {host}:{port} for the page and the API: {why}"));
    let addresses: Vec<_> = match lookup_host((host.as_str(), *port)).await {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            return Err(refused(format!(
                "{host} has no address ({error}); choose another with --host or HOST"
            )));
        }
    };
    TcpListener::bind(&addresses[..]).await.map_err(|error| {
        refused(match error.kind() {
            ErrorKind::AddrInUse => {
                "the port is taken by another program; choose another with --port or PORT".to_owned()
            }
            ErrorKind::AddrNotAvailable => {
                "the address isn't one of this machine; choose another with --host or HOST".to_owned()
            }
            ErrorKind::PermissionDenied => format!("{error}; choose another port with --port or PORT"),
            _ => format!(
                "{error}; choose another address with --host or HOST, or another port with --port or PORT"
            ),
        })
    })
}
