//! The program on a real terminal, whose screen the test reads.

use crate::command::Written;
use std::{num::NonZeroU16, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Child,
};

const ROWS: u16 = 100;
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Terminal {
    pty: pty_process::Pty,
    parser: vt100::Parser,
    child: Child,
    _folder: Arc<TempDir>,
    /// Everything that the program wrote.
    pub raw: Vec<u8>,
}

fn size(columns: u16) -> (NonZeroU16, NonZeroU16) {
    (NonZeroU16::new(ROWS).unwrap(), NonZeroU16::new(columns).unwrap())
}

impl Terminal {
    /// Starts playing scenarios on a terminal with so many columns.
    pub fn start(
        written: &Written,
        target: &str,
        columns: u16,
        args: &[&str],
        envs: &[(&str, &str)],
    ) -> Self {
        let (pty, pts) = pty_process::open().unwrap();
        pty.resize(pty_process::Size::new(ROWS, columns)).unwrap();
        let command = pty_process::Command::new(env!("CARGO_BIN_EXE_dojo-run"))
            .env_clear()
            .env("TERM", "xterm-256color")
            .envs(envs.iter().copied())
            .current_dir(written.dir())
            .args(written.names())
            .args(["--target", target])
            .args(args)
            .kill_on_drop(true);
        let child = command.spawn(pts).unwrap();
        let (rows, columns) = size(columns);
        Self {
            pty,
            parser: vt100::Parser::new(rows, columns, 0),
            child,
            _folder: written.kept(),
            raw: Vec::new(),
        }
    }

    pub fn resize(&mut self, columns: u16) {
        self.pty.resize(pty_process::Size::new(ROWS, columns)).unwrap();
        let (rows, columns) = size(columns);
        self.parser.set_size(rows, columns);
    }

    pub fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// The rows of the screen, without spaces at their ends.
    pub fn rows(&self) -> Vec<String> {
        let columns = self.screen().size().1.get();
        self.screen().rows(0, columns).map(|row| row.trim_end().to_owned()).collect()
    }

    /// Waits until the screen is as a test wants it.
    pub async fn until(&mut self, what: &str, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let rows = self.rows();
            if is_so(&rows) {
                return rows;
            }
            let read = tokio::time::timeout_at(deadline, self.read()).await;
            assert!(read.unwrap_or(false), "{what} in\n{}", rows.join("\n"));
        }
    }

    /// Types on the keyboard.
    pub async fn type_in(&mut self, text: &str) {
        self.pty.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads what comes. Returns whether the program still runs.
    async fn read(&mut self) -> bool {
        let mut bytes = [0; 4_096];
        // The end is an error on Linux.
        let read = self.pty.read(&mut bytes).await.unwrap_or(0);
        self.parser.process(&bytes[..read]);
        self.raw.extend(&bytes[..read]);
        read > 0
    }

    /// Waits until the program has ended. Returns its exit code and the rows of its last screen.
    pub async fn ended(&mut self) -> (i32, Vec<String>) {
        let all = async { while self.read().await {} };
        tokio::time::timeout(PATIENCE, all).await.expect("it ends within a minute");
        let status = self.child.wait().await.unwrap();
        (status.code().unwrap_or(-1), self.rows())
    }
}
