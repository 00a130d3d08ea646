//! The steps `settings`, `rule` and `instance`. The order service puts back what they change.

use super::Stage;
use crate::{RunError, client::Request, progress::Progress};
use dojo_scenario::{
    Placeholders,
    document::{Instance, Rule, SettingsChange},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// A rule as `GET /rules/{name}` shows it.
#[derive(Deserialize)]
struct ShownRule {
    source: String,
}

/// The answer to a change of a rule.
#[derive(Deserialize)]
struct SavedRule {
    version: String,
}

/// An instance as `GET /instances` shows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShownInstance {
    instance_id: String,
    #[serde(default)]
    service: String,
    live: bool,
    #[serde(default)]
    started_at: String,
    #[serde(default)]
    rule_version: Option<String>,
}

const GET_INSTANCES: &str = "GET /instances";

impl Stage<'_> {
    pub(crate) async fn settings(&mut self, change: &SettingsChange) -> Result<String, RunError> {
        let request = Request::to("PATCH /settings").json(Value::Object(change.0.clone()));
        // Never interrupted half-way, so that the order service knows of the change before the run ends.
        let answer = self.client.ask_patiently(&self.lease.own(request)).await?.with(&[200, 202])?;
        Ok(match answer.waiting_for() {
            Some(instances) => format!("not applied yet by {instances}"),
            None => "applied".to_owned(),
        })
    }

    /// Checks that the settings in force are those of `change`, which a run alongside another can't make.
    pub(crate) async fn settings_are(&self, change: &SettingsChange) -> Result<(), RunError> {
        let shown: Value =
            self.client.ask_patiently(&Request::to("GET /settings")).await?.with(&[200])?.json()?;
        let values = change.0.iter().filter(|(_, value)| !value.is_null() && !value.is_object());
        for (name, value) in values {
            let in_force = shown.get(name).and_then(|shown| shown.get("value")).unwrap_or(&Value::Null);
            if in_force != value {
                return Err(RunError::OtherSettings {
                    wanted: format!("{name} {value}"),
                    found: in_force.to_string(),
                });
            }
        }
        Ok(())
    }

    pub(super) async fn rule(&mut self, rule: &Rule) -> Result<String, RunError> {
        let path = format!("/rules/{}", rule.name);
        let shown = Request::to("GET /rules/{name}").at(&path);
        let shown = self.client.ask_patiently(&shown).await?.with(&[200])?;
        let tag = shown.etag.clone().unwrap_or_default();
        let given = rule.source.as_ref().or(rule.file.as_ref().map(|file| &file.text));
        let source = match (given, &rule.replace) {
            (Some(source), _) => source.clone(),
            (None, Some(snippets)) => {
                let mut source = shown.json::<ShownRule>()?.source;
                for snippet in snippets {
                    let times = source.matches(&snippet.this).count();
                    if times != 1 {
                        let (rule, snippet) = (rule.name.clone(), snippet.this.clone());
                        return Err(RunError::NoSuchSnippet { rule, snippet, times });
                    }
                    source = source.replace(&snippet.this, &snippet.by);
                }
                source
            }
            (None, None) => return Ok("unchanged".to_owned()),
        };
        let put = Request::to("PUT /rules/{name}").at(&path).json(json!({"source": source}));
        let put = self.lease.own(put.header("if-match", tag));
        let version = self.client.ask(&put).await?.with(&[200])?.json::<SavedRule>()?.version;
        let changed = Progress::RuleChanged { name: rule.name.clone(), version: version.clone() };
        self.tell.tell(changed).await;
        let in_force = self
            .until(async || {
                let instances = self.instances().await?;
                let mut of_rule = instances.iter().filter(|one| one.live && one.service == rule.name);
                Ok(of_rule.all(|one| one.rule_version.as_ref() == Some(&version)))
            })
            .await?;
        Ok(if in_force {
            format!("version {version} is in force")
        } else {
            format!("version {version} isn't in force in every instance yet")
        })
    }

    pub(super) async fn instance(
        &mut self,
        instance: &Instance,
        of: Placeholders<'_>,
    ) -> Result<String, RunError> {
        let (verb, id) = match instance {
            Instance::Add(service) => return self.add_instance(&service.fill(of)).await,
            Instance::Remove(id) => return self.remove_instance(&id.fill(of)).await,
            Instance::Stop(id) => ("stop", id.fill(of)),
            Instance::Start(id) => ("start", id.fill(of)),
            Instance::Crash(id) => ("crash", id.fill(of)),
        };
        // Another start than this one shows that the process has ended.
        let before = if verb == "crash" { self.started(&id).await? } else { None };
        let request = Request::to("POST /instances/{id}").at(format!("/instances/{id}/{verb}"));
        let answer = self.client.ask_patiently(&self.lease.own(request)).await?.with(&[200, 202])?;
        match verb {
            "crash" => self.until_crashed(&id, before.as_deref()).await,
            "stop" if answer.status == 202 => self.until_live(&id, false).await,
            "start" if answer.status == 202 => self.until_live(&id, true).await,
            "stop" => Ok(format!("{id} has stopped")),
            _ => Ok(format!("{id} is at work")),
        }
    }

    /// Waits until the process of an instance has ended: it doesn't report any more, or its successor does.
    async fn until_crashed(&self, id: &str, before: Option<&str>) -> Result<String, RunError> {
        let crashed = self.until(async || Ok(self.started(id).await?.as_deref() != before)).await?;
        match crashed {
            true => Ok(format!("{id} has ended at once")),
            false => Err(RunError::InstanceUnmoved { instance: id.to_owned(), live: false }),
        }
    }

    /// Returns when the process of an instance started; `None` if the instance isn't live.
    async fn started(&self, id: &str) -> Result<Option<String>, RunError> {
        let instances = self.instances().await?;
        let live = instances.into_iter().find(|one| one.instance_id == id && one.live);
        Ok(live.map(|one| one.started_at))
    }

    async fn add_instance(&self, service: &str) -> Result<String, RunError> {
        let request = Request::to("POST /instances").json(json!({"service": service}));
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Added {
            instance_id: String,
        }
        let answer = self.client.ask(&self.lease.own(request)).await?.with(&[201, 202])?;
        self.until_live(&answer.json::<Added>()?.instance_id, true).await
    }

    async fn remove_instance(&self, id: &str) -> Result<String, RunError> {
        let request = Request::to("DELETE /instances/{id}").at(format!("/instances/{id}"));
        self.client.ask_patiently(&self.lease.own(request)).await?.with(&[202, 204])?;
        self.until_live(id, false).await
    }

    /// Waits until an instance is at work, or isn't any more.
    async fn until_live(&self, id: &str, live: bool) -> Result<String, RunError> {
        let so = self
            .until(async || {
                let instances = self.instances().await?;
                Ok(instances.iter().any(|one| one.instance_id == id && one.live) == live)
            })
            .await?;
        match (live, so) {
            (true, true) => Ok(format!("{id} is at work")),
            (false, true) => Ok(format!("{id} has stopped")),
            (live, false) => Err(RunError::InstanceUnmoved { instance: id.to_owned(), live }),
        }
    }

    async fn instances(&self) -> Result<Vec<ShownInstance>, RunError> {
        self.client.ask(&Request::to(GET_INSTANCES)).await?.with(&[200])?.json()
    }
}
