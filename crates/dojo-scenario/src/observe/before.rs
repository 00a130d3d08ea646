//! Whether a dojo is fit for a lesson.

use super::api::{DojoStatus, Instance, RuleFacts};
use crate::{document::Before, scalar::counted};
use dojo_contract::{InstanceState, Service};
use serde::Deserialize as _;
use serde_json::Value;

/// What is known of a dojo before a lesson.
#[derive(Debug, Clone, Copy)]
pub struct Fitness<'a> {
    /// Why the order service isn't ready, as `GET /readyz` says; `None` if it is.
    pub not_ready: Option<&'a str>,
    /// The answer of `GET /status`.
    pub status: &'a Value,
    /// The answers of `GET /rules/{name}` for the rules of `before.rules`, without those that are 404.
    pub rules: &'a [Value],
}

/// Decides whether the dojo is fit for the lesson. Without `before`, only what is always asked is looked at.
///
/// # Errors
/// Every reason why it isn't, each with what to do about it.
pub fn fit(before: Option<&Before>, fitness: &Fitness<'_>) -> Result<(), Vec<String>> {
    let mut reasons = Vec::new();
    if let Some(why) = fitness.not_ready {
        reasons.push(format!("the order service is not ready: {why}; wait until GET /readyz answers 200"));
    }
    let Ok(status) = DojoStatus::deserialize(fitness.status) else {
        reasons.push(
            "GET /status isn't the answer of a dojo; is the target an order service of this version?"
                .to_owned(),
        );
        return Err(reasons);
    };
    let rules: Vec<_> = fitness.rules.iter().filter_map(|rule| RuleFacts::deserialize(rule).ok()).collect();
    instances(&status, &mut reasons);
    if let Some(before) = before {
        before.lag.iter().for_each(|most| lag(*most, &status, &mut reasons));
        before.rules.iter().flatten().for_each(|name| rule(name, &rules, &mut reasons));
        let wanted = before.notification_instances;
        wanted.iter().for_each(|wanted| notification(*wanted, &status, &mut reasons));
    }
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

fn instances(status: &DojoStatus, reasons: &mut Vec<String>) {
    for instance in &status.instances {
        let id = &instance.instance_id;
        let is_wanted = instance.desired.as_deref() != Some("stopped");
        match (instance.live, instance.state) {
            (true, InstanceState::Starting) if is_wanted => {
                reasons
                    .push(format!("{id} is still starting; wait until GET /instances shows it as running"));
            }
            (true, _) => {
                let why = instance.limitation.iter();
                reasons.extend(
                    why.map(|why| format!("{id} can't do all of its work: {why}; wait, or restart it")),
                );
            }
            (false, InstanceState::Stopped) => {}
            (false, _) => reasons.push(format!(
                "{id} has not reported for six seconds; look whether its process runs, or restart the dojo"
            )),
        }
    }
    for service in [Service::Notification, Service::Fraud] {
        let is_there = |state| status.live(service).any(|instance| instance.state == state);
        if !is_there(InstanceState::Running) && !is_there(InstanceState::Starting) {
            let name = service.name();
            reasons.push(format!(
                "no instance of the {name} service is running; start one: POST /instances/{name}-1/start, or restart the dojo"
            ));
        }
    }
}

fn lag(most: u64, status: &DojoStatus, reasons: &mut Vec<String>) {
    for group in &status.groups {
        let lags = group.members.iter().flat_map(|member| &member.partitions).map(|owned| owned.lag);
        let known: Option<u64> = lags.map(|lag| u64::try_from(lag).ok()).sum();
        let name = &group.group;
        match known {
            None => reasons.push(format!("how far {name} is behind isn't known yet; wait a few seconds")),
            Some(lag) if lag > most => reasons.push(format!(
                "{name} is {} behind, and this lesson needs at most {most}; wait until it has caught up (GET /status shows the lag)",
                counted(lag, "record")
            )),
            Some(_) => {}
        }
    }
}

fn rule(name: &str, rules: &[RuleFacts], reasons: &mut Vec<String>) {
    let Some(rule) = rules.iter().find(|rule| rule.name == name) else {
        reasons.push(format!(
            "there is no rule `{name}`; the rules are fraud and notification (`rules` in `before`)"
        ));
        return;
    };
    let shipped = &rule.as_shipped.version;
    if let Some(error) = &rule.error {
        reasons.push(format!(
            "the file of rule {name} is not in force: {error}; correct it, or put the shipped rule back"
        ));
    }
    if rule.version != *shipped {
        reasons.push(format!(
            "rule {name} is version {}, and this lesson needs the shipped one, {shipped}; put the shipped rule back \
             (GET /rules/{name} has it as `asShipped`)",
            rule.version
        ));
        return;
    }
    for instance in rule.instances.iter().filter(|instance| instance.version.as_ref() != Some(shipped)) {
        let id = &instance.instance_id;
        let version = instance.version.as_deref().unwrap_or("none");
        reasons.push(format!(
            "{id} uses version {version} of rule {name} and not the shipped one, {shipped}; wait a second, or look at its RULES_DIR"
        ));
    }
}

fn notification(wanted: u64, status: &DojoStatus, reasons: &mut Vec<String>) {
    let running =
        status.live(Service::Notification).filter(|instance| instance.state == InstanceState::Running);
    let running = running.count() as u64;
    if running != wanted {
        let (has, mend) = (counted(running, "instance"), if running < wanted { "add" } else { "remove" });
        reasons.push(format!(
            "{has} of the notification service {} running, and this lesson needs {wanted}; {mend} one on the page, or with {}",
            if running == 1 { "is" } else { "are" },
            if running < wanted { "POST /instances {\"service\": \"notification\"}" } else { "DELETE /instances/{id}" },
        ));
    }
}

impl DojoStatus {
    fn live(&self, service: Service) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(move |instance| instance.live && instance.service == service)
    }
}
