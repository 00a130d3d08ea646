//! The supervisor on Kafka: it follows what `dojo-settings` asks of it, and reports on `dojo-status`, so that the order
//! service knows that there is somebody who starts and ends processes.

use crate::plan::{Plan, Planned, SUPERVISOR, wanted};
use dojo_contract::{InstanceState, Service};
use dojo_kafka::{Instance, Observed, Producer, Reporter, SettingsFollower, notify_on_change};
use std::sync::Arc;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Sets `wish` to the instances that the settings want, after every change of theirs, until `end`. Changes nothing before
/// all settings were read: while Kafka is away, the command line decides.
///
/// # Errors
/// A Kafka property is wrong.
pub(crate) async fn steer(
    plan: Arc<Plan>,
    producer: Producer,
    wish: watch::Sender<Vec<Planned>>,
    end: CancellationToken,
) -> anyhow::Result<()> {
    let instance = Instance::start(Service::Supervisor, Some(SUPERVISOR.to_owned()));
    let Some(settings) =
        end.run_until_cancelled(SettingsFollower::start(&plan.kafka(), SUPERVISOR, &end)).await
    else {
        return Ok(());
    };
    let settings = settings?;
    let changed = Arc::new(Notify::new());
    notify_on_change(settings.changes(), Arc::clone(&changed));
    let follow = follow(&plan, settings.changes(), wish);
    let observe = move || Observed {
        state: InstanceState::Running,
        settings_offset: settings.offset(),
        ..Observed::default()
    };
    let report = async {
        let reporter = Reporter::start(producer, instance, observe, changed).await?;
        end.cancelled().await;
        reporter.stopped().await;
        Ok(())
    };
    tokio::select! {
        reported = report => reported,
        () = follow => Ok(()),
    }
}

async fn follow(
    plan: &Plan,
    mut settings: watch::Receiver<dojo_kafka::SettingsSnapshot>,
    wish: watch::Sender<Vec<Planned>>,
) {
    let planned = plan.instances();
    loop {
        let now = settings.borrow_and_update().clone();
        if now.caught_up {
            let wanted = wanted(&planned, &now.settings);
            wish.send_if_modified(|wish| {
                let is_new = *wish != wanted;
                *wish = wanted;
                is_new
            });
        }
        if settings.changed().await.is_err() {
            // The tail has ended with the dojo.
            std::future::pending().await
        }
    }
}
