//! The bytes of a connection as they pass: watched on the way in, timed on the way out.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;
use crate::limits::{LINGER_BYTES_MAX, WAKE_BYTES};

/// A stream that tells the connection's [`Activity`] what happens on it.
pub struct Wire<S> {
    inner: S,
    activity: Rc<Activity>,
    read_closed: bool,
    write_closed: bool,
    lingered_bytes: usize,
    unread: Bytes,
}

impl<S> Wire<S> {
    /// Watches `inner`.
    #[must_use]
    pub fn new(inner: S, activity: Rc<Activity>) -> Self {
        Self {
            inner,
            activity,
            read_closed: false,
            write_closed: false,
            lingered_bytes: 0,
            unread: Bytes::new(),
        }
    }

    /// The stream alone: what follows is not HTTP.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Gives bytes back, for the next who reads. Copied: a piece of a buffer keeps all of it, an empty one too.
    pub fn unread(&mut self, bytes: &[u8]) {
        self.unread = Bytes::copy_from_slice(bytes);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Waits for bytes and keeps them for the next who reads; `false` at the end of them.
    pub fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if !self.unread.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let mut bytes = [0; WAKE_BYTES];
        let mut buffer = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut *self).poll_read(cx, &mut buffer))?;
        self.unread = Bytes::copy_from_slice(buffer.filled());
        Poll::Ready(Ok(!self.unread.is_empty()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.unread.is_empty() {
            let room = buffer.remaining().min(self.unread.len());
            buffer.put_slice(&self.unread.split_to(room));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        if let Err(error) = ready!(Pin::new(&mut self.inner).poll_read(cx, buffer)) {
            self.activity.input_ended();
            return Poll::Ready(Err(error));
        }
        let bytes = &buffer.filled()[before..];
        if bytes.is_empty() {
            self.read_closed = true;
            self.activity.input_ended();
        }
        if self.activity.read(bytes).is_ok() {
            return Poll::Ready(Ok(()));
        }
        // Nothing more is read of a flood. The goodbye is an attempt: a client that does not read
        // does not get one.
        if self.activity.may_say_goodbye() {
            let _sent = Pin::new(&mut self.inner).poll_write(cx, &ENHANCE_YOUR_CALM);
            let _flushed = Pin::new(&mut self.inner).poll_flush(cx);
        }
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(taken)) = outcome {
            self.activity.sent(bytes.get(..taken).unwrap_or(bytes));
        }
        self.activity.wrote(outcome.is_pending());
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, parts);
        if let Poll::Ready(Ok(mut left)) = outcome {
            for part in parts {
                let taken = left.min(part.len());
                self.activity.sent(part.get(..taken).unwrap_or(part));
                left -= taken;
            }
        }
        self.activity.wrote(outcome.is_pending());
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        self.activity.wrote(outcome.is_pending());
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.activity.closing();
        if !this.write_closed {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            this.write_closed = true;
        }
        // Closing a socket with unread bytes sends a reset, which can overtake the answer.
        let mut waste = [0u8; 4096];
        while !this.read_closed && this.lingered_bytes < LINGER_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut waste);
            let outcome = ready!(Pin::new(&mut this.inner).poll_read(cx, &mut buffer));
            this.lingered_bytes += buffer.filled().len();
            this.read_closed = outcome.is_err() || buffer.filled().is_empty();
        }
        Poll::Ready(Ok(()))
    }
}

/// GOAWAY for the connection with the code of the same name (RFC 9113, 7); no stream was the last.
const ENHANCE_YOUR_CALM: [u8; 17] =
    [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 11];
