//! The audit service as a handler of `audit`: one record in, one line out.
//!
//! A record is done when its line is written, so a restart continues where the lines end. After a crash the last few lines
//! may be written again.

use crate::line::line;
use dojo_contract::topic;
use dojo_kafka::{Error, Handler, Outbox, Position, Record};
use std::io::{ErrorKind, Write};
use tokio_util::sync::CancellationToken;

/// Writes lines to `W`.
pub struct Audit<W> {
    lines: W,
    closed: CancellationToken,
    unreadable: u64,
}

impl<W: Write> Audit<W> {
    /// Creates a service that writes to `lines`, and cancels `closed` when their reader has closed them.
    pub fn new(lines: W, closed: CancellationToken) -> Self {
        Self { lines, closed, unreadable: 0 }
    }
}

impl<W: Write + Send + 'static> Handler for Audit<W> {
    fn record(&mut self, record: &Record<'_>, position: Position, out: &mut Outbox) -> Result<(), Error> {
        if self.closed.is_cancelled() {
            return Ok(());
        }
        match line(record.value) {
            Ok(line) => match self.lines.write_all(&line).and_then(|()| self.lines.flush()) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    // As in `dojo audit | head`: the reader has what it wanted. The line it hasn't seen isn't done.
                    tracing::info!("the reader of standard output has closed it; ending");
                    self.closed.cancel();
                    return Ok(());
                }
                Err(error) => {
                    let message = format!("can't write a line to standard output: {error}");
                    return Err(Error::Handler { group: topic::AUDIT_GROUP.to_owned(), message });
                }
            },
            Err(reason) => {
                self.unreadable += 1;
                tracing::warn!(
                    topic = record.topic,
                    partition = record.partition,
                    offset = record.offset,
                    reason,
                    so_far = self.unreadable,
                    "unreadable record skipped"
                );
            }
        }
        out.done(position);
        Ok(())
    }
}
