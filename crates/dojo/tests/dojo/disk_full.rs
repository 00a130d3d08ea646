//! Apache Kafka's disk is full: orders are refused and nothing is lost, and all goes on when there is space again.

use crate::{
    accounts::Accounts,
    load::{Load, Told},
    process::Start,
};
use dojo_testbed::OwnKafka;
use std::{
    fs::File,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

const PER_SECOND: u64 = 60;
/// Enough for a minute of orders beside what an empty node needs.
const MIB: usize = 128;

/// A small file system in memory. It goes when dropped, with what is on it.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where this machine does not let us mount one.
    fn mount() -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        let size = format!("size={MIB}m");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(disk.0.path()).output();
        mount.is_ok_and(|mount| mount.status.success()).then_some(disk)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).stderr(Stdio::null()).status();
    }
}

/// Writes to `file` until there is no space left.
fn fill(file: &Path) {
    let mut ballast = File::create(file).unwrap();
    for bytes in [1 << 20, 4_096] {
        while ballast.write_all(&vec![b'x'; bytes]).is_ok() {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "mounts a file system; cargo xtask soak runs it"]
async fn a_full_disk_refuses_orders_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: a file system of a limited size cannot be mounted here (root can)");
        return;
    };
    let Some(mut kafka) = OwnKafka::on_disk(disk.path()).await else {
        println!("skipped: the embedded broker has no disk");
        return;
    };
    let dojo = Start::at(&kafka.config).arg("--max-retries=2").ready().await;
    let load = Load::of_many(&dojo.url, PER_SECOND);
    load.takes(5 * PER_SECOND as usize).await;
    let ballast = disk.path().join("ballast");
    let full = Instant::now();
    tokio::task::spawn_blocking({
        let ballast = ballast.clone();
        move || fill(&ballast)
    })
    .await
    .unwrap();
    let refused = load.until("an order to be refused", full, |told| *told == Told::Refused).await;
    println!("first order refused {refused:?} after the disk was full");
    std::fs::remove_file(&ballast).unwrap();
    // A node whose only disk failed has ended itself.
    kafka.kill().await;
    kafka.start_again().await;
    load.takes(5 * PER_SECOND as usize).await;
    let accounts = Accounts::settle(&kafka.config, &load.end().await).await;
    println!("{accounts}");
    accounts.nothing_is_missing();
}
