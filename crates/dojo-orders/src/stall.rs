//! A connection whose peer must take what is written to it: one that takes nothing for a while fails.
//!
//! A peer that is alive but never reads would otherwise keep its place, and what is meant for it, for ever: TCP itself
//! sets no bound, as long as the other side acknowledges that its window is closed.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// `stream`, where a write that makes no progress `within` that time fails with [`io::ErrorKind::TimedOut`]. Reading is
/// as it was.
#[derive(Debug)]
pub(crate) struct Impatient<S> {
    stream: S,
    within: Duration,
    /// Runs while the peer takes nothing.
    patience: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    pub(crate) fn new(stream: S, within: Duration) -> Self {
        Self { stream, within, patience: None }
    }
}

impl<S: Unpin> Impatient<S> {
    fn progress<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(written) = write(Pin::new(&mut self.stream), cx) {
            self.patience = None;
            return Poll::Ready(written);
        }
        let within = self.within;
        ready!(self.patience.get_or_insert_with(|| Box::pin(sleep(within))).as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read what is sent to it")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.progress(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.progress(cx, |stream, cx| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_given_up() {
        let (ours, _peer) = duplex(4);
        let mut ours = Impatient::new(ours, Duration::from_millis(20));
        ours.write_all(b"1234").await.unwrap();
        let error = ours.write_all(b"5").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn every_byte_that_the_peer_takes_renews_the_patience() {
        let (ours, mut peer) = duplex(4);
        let mut ours = Impatient::new(ours, Duration::from_secs(60));
        ours.write_all(b"1234").await.unwrap();
        assert!(ours.write(b"5").now_or_never().is_none());
        assert!(ours.patience.is_some());
        peer.read_u8().await.unwrap();
        ours.write_all(b"5").await.unwrap();
        assert!(ours.patience.is_none());
    }
}
