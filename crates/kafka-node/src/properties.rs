//! The configuration of a node.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

/// Returns the configuration of a node as the text of a properties file.
pub(crate) fn properties(
    logs: &Path,
    port: u16,
    controller: u16,
    advertised: &str,
    configs: &[(String, String)],
) -> String {
    let mut all: BTreeMap<&str, String> = [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
        ("controller.listener.names", "CONTROLLER"),
        ("inter.broker.listener.name", "PLAINTEXT"),
        ("auto.create.topics.enable", "false"),
        // One node has the only copy of each internal topic, and few partitions suffice.
        ("offsets.topic.replication.factor", "1"),
        ("offsets.topic.num.partitions", "4"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("transaction.state.log.num.partitions", "1"),
        // After a kill, the cluster keeps the node's old registration until its session ends: three seconds, not nine. Until
        // then the old registration leads every partition, and no client can reach it.
        ("broker.session.timeout.ms", "3000"),
        ("broker.heartbeat.interval.ms", "500"),
        // A transaction that timed out ends within three seconds, not within ten. After a start this must not come before the
        // session above has ended: the coordinator couldn't reach itself, would treat the partitions as deleted, and forget a
        // transaction that then stays open in them without end.
        ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "3000"),
        ("share.coordinator.state.topic.replication.factor", "1"),
        ("share.coordinator.state.topic.min.isr", "1"),
        ("share.coordinator.state.topic.num.partitions", "1"),
        // Otherwise every test would wait for three seconds.
        ("group.initial.rebalance.delay.ms", "0"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    all.insert("controller.quorum.voters", format!("1@localhost:{controller}"));
    all.insert("listeners", format!("PLAINTEXT://localhost:{port},CONTROLLER://localhost:{controller}"));
    all.insert("advertised.listeners", format!("PLAINTEXT://{advertised}"));
    all.insert("log.dirs", logs.display().to_string());
    all.extend(configs.iter().map(|(name, value)| (name.as_str(), value.clone())));
    all.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name}={value}");
        text
    })
}
