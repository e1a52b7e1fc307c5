//! Reads in large pieces for TLS, which asks for four KiB at a time.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::READ_AHEAD_BYTES;

/// A stream whose bytes come from the kernel in as few calls as can be. A record of sixteen KiB is
/// one call instead of five; an idle connection holds nothing, since what is read lands in one buffer
/// that the thread's connections share.
pub struct ReadAhead<S> {
    inner: S,
    left: Bytes,
}

impl<S> ReadAhead<S> {
    /// Reads from `inner`.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self { inner, left: Bytes::new() }
    }

    /// What is read from.
    pub fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.left.is_empty() {
            let inner = Pin::new(&mut this.inner);
            if buffer.remaining() >= READ_AHEAD_BYTES {
                return inner.poll_read(cx, buffer);
            }
            return SHARED.with_borrow_mut(|shared| {
                let mut shared = ReadBuf::new(shared);
                ready!(inner.poll_read(cx, &mut shared))?;
                let read = shared.filled();
                let (now, later) = read.split_at(read.len().min(buffer.remaining()));
                buffer.put_slice(now);
                if !later.is_empty() {
                    this.left = Bytes::copy_from_slice(later);
                }
                Poll::Ready(Ok(()))
            });
        }
        let now = this.left.split_to(this.left.len().min(buffer.remaining()));
        buffer.put_slice(&now);
        if !this.left.has_remaining() {
            this.left = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match parts {
            // Mostly one record: the kernel's way of one piece is shorter.
            [part] => self.poll_write(cx, part),
            _ => Pin::new(&mut self.inner).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

thread_local! {
    static SHARED: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_AHEAD_BYTES].into());
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn bytes_come_in_order_whatever_is_asked_for() {
        let sent: Vec<u8> = (0..3 * READ_AHEAD_BYTES).map(|place| (place % 251) as u8).collect();
        for piece in [1_000, 4_096, READ_AHEAD_BYTES, 2 * READ_AHEAD_BYTES] {
            let (mut theirs, ours) = duplex(sent.len());
            theirs.write_all(&sent).await.unwrap();
            drop(theirs);
            let mut ahead = ReadAhead::new(ours);
            let (mut got, mut part) = (Vec::new(), vec![0; piece]);
            loop {
                match ahead.read(&mut part).await.unwrap() {
                    0 => break,
                    length => got.extend_from_slice(&part[..length]),
                }
            }
            assert!(got == sent, "{piece}");
        }
    }
}
