//! One service in its own process, without a supervisor that would restart it.

use crate::process::{DOJO, Lines, lines, send_signal, workspace};
use dojo_kafka::KafkaConfig;
use dojo_testbed::eventually;
use std::process::{Child, Command, Stdio};

/// A running service. It is killed when dropped.
pub struct Alone {
    process: Child,
    log: Lines,
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log.lock().unwrap();
            eprintln!("-- the log of process {}, last lines", self.process.id());
            log.iter().skip(log.len().saturating_sub(30)).for_each(|line| eprintln!("{line}"));
        }
    }
}

impl Alone {
    /// Starts `service` on `kafka`, with this repository's rules.
    pub fn start(service: &str, kafka: &KafkaConfig) -> Self {
        Self::start_with(service, kafka, |command| command)
    }

    /// Starts `service` as the instance `id`.
    pub fn instance(service: &str, id: &str, kafka: &KafkaConfig) -> Self {
        Self::start_with(service, kafka, |command| command.args(["--instance-id", id]))
    }

    /// Starts `service` with more arguments or another environment.
    pub fn start_with(
        service: &str,
        kafka: &KafkaConfig,
        more: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        let mut command = Command::new(DOJO);
        command
            .args([service, "--admin-listen", "127.0.0.1:0", "--kafka-brokers", &kafka.brokers])
            .args(if service == "order" { &["--port", "0"][..] } else { &[] })
            .env("KAFKA_PREFIX", kafka.prefix.to_string())
            .env("RULES_DIR", workspace().join("rules"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = more(&mut command).spawn().unwrap();
        let log = lines(process.stderr.take().unwrap());
        Self { process, log }
    }

    /// Kills the process with SIGKILL and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Sends the process a signal, such as `-STOP`.
    pub fn signal(&self, signal: &str) {
        send_signal(signal, self.process.id());
    }

    /// Returns `host:port` of health and metrics, once the service listens there.
    pub async fn admin(&self) -> String {
        self.address("health and metrics on").await
    }

    /// Returns the URL of the order service's API, once it listens there.
    pub async fn api(&self) -> String {
        format!("http://{}", self.address("page and API on").await)
    }

    async fn address(&self, of: &str) -> String {
        eventually(&format!("the service to log its {of}"), async || {
            let log = self.log.lock().unwrap();
            let line = log.iter().find(|line| line.contains(of)).ok_or_else(|| log.join("\n"))?;
            Ok::<_, String>(line.rsplit_once("http://").unwrap().1.trim().to_owned())
        })
        .await
    }

    /// Returns status and text of the answer to `path` at the health listener.
    pub async fn get(&self, path: &str) -> Result<(u16, String), reqwest::Error> {
        let answer = reqwest::get(format!("http://{}{path}", self.admin().await)).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Waits until the service is ready.
    pub async fn is_ready(&self) {
        eventually("the service to be ready", async || match self.get("/readyz").await {
            Ok((200, _)) => Ok(()),
            other => Err(other),
        })
        .await;
    }
}
