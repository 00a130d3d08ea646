//! The scenarios of the page: the order service gets them passed in, because it knows neither the scenario language nor the runner.

mod folder;
mod runner;

use dojo_orders::{PlayError, PlayRequest, Runner, ScenarioSummary, Scenarios};
use folder::Folder;
use futures::future::BoxFuture;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};

/// The scenarios of a folder, played by runners that are processes of this program.
struct PageScenarios {
    folder: Folder,
    /// Where the order service listens.
    listens: SocketAddr,
}

/// Returns the scenarios in `folder`, to be played against the order service that listens at `listens`.
pub(crate) fn of_the_page(folder: PathBuf, listens: SocketAddr) -> Arc<dyn Scenarios> {
    Arc::new(PageScenarios { folder: Folder(folder), listens })
}

impl Scenarios for PageScenarios {
    fn list(&self) -> BoxFuture<'static, Vec<ScenarioSummary>> {
        let folder = self.folder.clone();
        Box::pin(async move {
            // Reading files blocks.
            let listing = tokio::task::spawn_blocking(move || folder.list());
            listing.await.unwrap_or_else(|error| {
                tracing::error!(%error, "the scenarios can't be listed");
                Vec::new()
            })
        })
    }

    fn play(&self, request: PlayRequest) -> BoxFuture<'static, Result<Runner, PlayError>> {
        let (folder, listens) = (self.folder.clone(), self.listens);
        Box::pin(async move {
            let checking = tokio::task::spawn_blocking(move || {
                folder.checked(&request.name, &request.variables).map(|file| (file, request))
            });
            let checked = checking.await.map_err(|error| PlayError::NotStarted(error.to_string()))?;
            let (file, request) = checked?;
            runner::start(file, request, listens)
        })
    }
}
