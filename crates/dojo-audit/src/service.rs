//! The audit service as a handler of `audit`: a record in, a line out, done.
//!
//! A record is done when its line is written, so a restart goes on where the lines end; after a crash the last few may
//! be written again.

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
    /// A service that writes to `lines`, and cancels `closed` when nobody reads them any more.
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
                    // As in `dojo audit | head`: the reader has what it wanted. What it has not seen is not done.
                    tracing::info!("nobody reads the lines any more; ending");
                    self.closed.cancel();
                    return Ok(());
                }
                Err(error) => {
                    let message = format!("cannot write a line to standard output: {error}");
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
