//! kcat, an older librdkafka on the command line.

use crate::{
    brokers::{Side, compare, skip},
    notes::Notes,
    program::run,
};
use std::{process::Command, time::Duration};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kcat_sees_the_same() {
    if Command::new("kcat").arg("-V").output().is_err() {
        return skip("kcat is not installed: install it, such as with `apt-get install kcat`");
    }
    compare("kcat", |side, jars| async move {
        // kcat creates no topics.
        crate::tools::make_topic(&side, &jars, "kcat-orders", 2).await;
        play(side).await
    })
    .await;
}

/// The steps: a name, kcat's arguments, and its standard input. They build on one another.
const STEPS: &[(&str, &str, &str)] = &[
    ("list a topic", "-L -t kcat-orders", ""),
    ("list an unknown topic", "-L -t kcat-nowhere", ""),
    ("list as JSON", "-L -J -t kcat-orders", ""),
    ("write", "-P -t kcat-orders -p 0 -K : -H name=value", "a:1\nb:2\nc:3\n"),
    ("write with gzip", "-P -t kcat-orders -p 0 -z gzip -K :", "d:4\n"),
    ("write with snappy", "-P -t kcat-orders -p 0 -z snappy -K :", "e:5\n"),
    ("write with lz4", "-P -t kcat-orders -p 0 -z lz4 -K :", "f:6\n"),
    ("write with zstd", "-P -t kcat-orders -p 0 -z zstd -K :", "g:7\n"),
    ("write a null", "-P -t kcat-orders -p 1 -Z -K :", "h:\n"),
    ("write without acknowledgement", "-P -t kcat-orders -p 1 -X acks=0", "8\n"),
    ("write idempotently", "-P -t kcat-orders -p 1 -X enable.idempotence=true", "9\n"),
    ("write to an unknown topic", "-P -t kcat-nowhere -X message.timeout.ms=2000", "x\n"),
    ("write to an unknown partition", "-P -t kcat-orders -p 9 -X message.timeout.ms=2000", "x\n"),
    ("read", "-C -t kcat-orders -e -f %p/%o|%k|%s|%S|%h; -p 0", ""),
    ("read the other partition", "-C -t kcat-orders -e -f %p/%o|%K|%k|%S|%s; -p 1", ""),
    ("read as JSON", "-C -J -t kcat-orders -e -p 1 -o 1 -c 1", ""),
    ("read from an offset", "-C -t kcat-orders -e -f %o; -p 0 -o 4", ""),
    ("read the last two", "-C -t kcat-orders -e -f %o; -p 0 -o -2", ""),
    ("read a few", "-C -t kcat-orders -f %o; -p 0 -o beginning -c 2", ""),
    ("read beyond the end", "-C -t kcat-orders -e -f %o; -p 0 -o 99 -X auto.offset.reset=error", ""),
    ("read an unknown topic", "-C -t kcat-nowhere -e -f %o;", ""),
    ("read since a time", "-C -t kcat-orders -e -f %o; -p 0 -o s@1600000000000", ""),
    ("ask for the first offset of a time", "-Q -t kcat-orders:0:1600000000000", ""),
    ("ask for the first and last offsets", "-Q -t kcat-orders:0:-1 -t kcat-orders:1:-2", ""),
    ("ask for the offset of a time to come", "-Q -t kcat-orders:0:4000000000000", ""),
    ("ask for an unknown partition", "-Q -t kcat-orders:9:-1", ""),
    (
        "join a group",
        "-G kcat-group -X auto.offset.reset=earliest -X session.timeout.ms=6000 -e -q -f %s; kcat-orders",
        "",
    ),
    (
        "join the group again",
        "-G kcat-group -X auto.offset.reset=earliest -X session.timeout.ms=6000 -e -q -f %s; kcat-orders",
        "",
    ),
    (
        "join a group with too short a session",
        "-G kcat-short -X session.timeout.ms=100 -X heartbeat.interval.ms=50 -e kcat-orders",
        "",
    ),
];

async fn play(side: Side) -> Notes {
    let mut notes = Notes::default();
    for (name, arguments, input) in STEPS {
        let mut command = Command::new("kcat");
        command.args(["-b", &side.bootstrap]).args(arguments.split(' '));
        let ended = run(command, input, PATIENCE).await;
        // Other lines name kcat's threads and the time.
        let complaints: Vec<&str> = ended
            .stderr
            .lines()
            .filter(|line| line.starts_with("% ERROR") || line.starts_with("% Delivery failed"))
            .collect();
        let mut said: Vec<&str> = ended.stdout.lines().collect();
        if arguments.contains("-G") {
            // Partitions come in any order.
            said = said.into_iter().flat_map(|line| line.split(';')).collect();
            said.sort_unstable();
        }
        let code = ended.code.map_or("none".to_owned(), |code| code.to_string());
        let seen = format!("exit {code}: {} {}", said.join(" / "), complaints.join(" / "));
        notes.note(*name, seen.trim_end());
    }
    notes
}
