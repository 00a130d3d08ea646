//! The rule files as this service sees them. The services that evaluate the rules watch the files themselves, and report on
//! `dojo-status` what they see.

use dojo_contract::Service;
use dojo_rules::{EditedFile, FraudRule, LiveRule, NotificationRule, Rule, WatchMode};
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// The files of all rules.
pub(crate) struct RuleFiles {
    fraud: LiveRule<FraudRule>,
    notification: LiveRule<NotificationRule>,
}

/// A rule file at one moment.
pub(crate) struct RuleFile {
    pub(crate) name: &'static str,
    pub(crate) service: Service,
    pub(crate) file: EditedFile,
    pub(crate) built_in_source: &'static str,
    pub(crate) version: String,
    pub(crate) built_in: bool,
    pub(crate) error: Option<String>,
}

impl RuleFiles {
    /// Reads the files once; call it where a file may be read.
    pub(crate) fn open(dir: &Path, mode: WatchMode, shutdown: &CancellationToken) -> Self {
        Self {
            fraud: LiveRule::open(dir, mode, shutdown.clone()),
            notification: LiveRule::open(dir, mode, shutdown.clone()),
        }
    }

    pub(crate) fn all(&self) -> [RuleFile; 2] {
        [seen(&self.fraud, Service::Fraud), seen(&self.notification, Service::Notification)]
    }
}

fn seen<R: Rule>(rule: &LiveRule<R>, service: Service) -> RuleFile {
    let version = rule.current();
    RuleFile {
        name: service.name(),
        service,
        file: rule.file().clone(),
        built_in_source: R::BUILT_IN,
        version: version.version.clone(),
        built_in: version.built_in,
        error: rule.error(),
    }
}
