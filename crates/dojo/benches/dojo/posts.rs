//! POSTs a second: the order service beside a bare handler that produces and awaits the same two records.

use crate::{
    broker::On,
    load::posts_per_second,
    processes::{PATIENCE, Process, answers, free_port, listening},
};

pub async fn measure(on: On) {
    for connections in [32, 128] {
        // Bare before and after, so that a machine that changes its mind shows.
        let before = bare(on, connections).await;
        let service = service(on, connections).await;
        let after = bare(on, connections).await;
        let ratio = service / f64::midpoint(before, after);
        println!(
            "posts, {connections} connections: order service {service:.0}/s, bare handler {before:.0}/s and {after:.0}/s, \
             ratio {ratio:.2} (aim 0.7)"
        );
    }
}

async fn bare(on: On, connections: u64) -> f64 {
    let (_broker, brokers) = on.broker().await;
    let port = free_port();
    let _handler = Process::role(&["as-bare-handler", &brokers, &port.to_string()]);
    listening(port).await;
    posts_per_second(port, connections).await
}

async fn service(on: On, connections: u64) -> f64 {
    let (_broker, brokers) = on.broker().await;
    let port = free_port();
    let _service = Process::dojo(&["order", "--kafka-brokers", &brokers, "--port", &port.to_string()]);
    answers(&format!("http://localhost:{port}/readyz"), PATIENCE).await;
    posts_per_second(port, connections).await
}
