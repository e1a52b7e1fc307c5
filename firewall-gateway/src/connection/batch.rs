//! What an HTTP/2 connection has to say at one moment leaves in as few records and system calls as can be.
//!
//! The HTTP library writes and flushes each DATA frame by itself, so that four answers that come together would be four
//! records. Here they are kept for as long as the library is at work, and sent when it is done.

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::Wire;
use crate::limits::HTTP2_BATCH_BYTES_MAX;

/// A stream that keeps what is written to it until the end of [`Batch::poll`]: the library has one hand on it, and whoever
/// runs the library the other.
pub struct Batch<S>(Rc<RefCell<Outgoing<S>>>);

struct Outgoing<S> {
    wire: Wire<S>,
    unsent: Vec<u8>,
    sent_bytes: usize,
    /// The client takes nothing more for now.
    blocked: bool,
    /// The library was told so, and waits.
    waits: bool,
}

impl<S> Batch<S> {
    /// Over a stream to which nothing was written yet.
    pub fn new(wire: Wire<S>) -> Self {
        let unsent = Vec::new();
        let outgoing = Outgoing { wire, unsent, sent_bytes: 0, blocked: false, waits: false };
        Self(Rc::new(RefCell::new(outgoing)))
    }

    /// The other hand.
    pub fn hand(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Batch<S> {
    /// Runs the library, and sends what it has said.
    pub fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        mut library: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            let outcome = library(cx);
            let sent = self.0.borrow_mut().poll_send(cx);
            if let Poll::Ready(outcome) = outcome {
                return Poll::Ready(Ok(outcome));
            }
            ready!(sent)?;
            // Nobody else would tell it that there is room again.
            if !std::mem::take(&mut self.0.borrow_mut().waits) {
                return Poll::Pending;
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Outgoing<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = self.poll_send_all(cx);
        self.blocked = outcome.is_pending();
        outcome
    }

    fn poll_send_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.unsent.get(self.sent_bytes..) {
            let sent = ready!(Pin::new(&mut self.wire).poll_write(cx, rest))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent_bytes += sent;
        }
        self.sent_bytes = 0;
        if self.unsent.capacity() > 0 {
            // A quiet connection holds none; the next one that speaks has it.
            let mut emptied = std::mem::take(&mut self.unsent);
            emptied.clear();
            SPARE.set(emptied);
        }
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn taken<T>(&mut self, written: Poll<T>) -> Poll<T> {
        self.blocked = written.is_pending();
        self.waits = self.blocked;
        written
    }

    /// Makes room for so many bytes; `false` where they are more than are kept.
    fn poll_room(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<io::Result<bool>> {
        if self.unsent.len() + bytes > HTTP2_BATCH_BYTES_MAX {
            let sent = self.poll_send(cx);
            self.waits = sent.is_pending();
            ready!(sent)?;
        }
        if bytes > HTTP2_BATCH_BYTES_MAX {
            return Poll::Ready(Ok(false));
        }
        if self.unsent.capacity() == 0 {
            self.unsent = SPARE.take();
        }
        Poll::Ready(Ok(true))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Batch<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().wire).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Batch<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut outgoing = self.0.borrow_mut();
        if !ready!(outgoing.poll_room(cx, bytes.len()))? {
            let written = Pin::new(&mut outgoing.wire).poll_write(cx, bytes);
            return outgoing.taken(written);
        }
        outgoing.unsent.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut outgoing = self.0.borrow_mut();
        let bytes = parts.iter().map(|part| part.len()).sum();
        if !ready!(outgoing.poll_room(cx, bytes))? {
            let written = Pin::new(&mut outgoing.wire).poll_write_vectored(cx, parts);
            return outgoing.taken(written);
        }
        for part in parts {
            outgoing.unsent.extend_from_slice(part);
        }
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outgoing = self.0.borrow_mut();
        outgoing.waits = outgoing.blocked;
        if outgoing.blocked { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outgoing = self.0.borrow_mut();
        ready!(outgoing.poll_send(cx))?;
        Pin::new(&mut outgoing.wire).poll_shutdown(cx)
    }
}

thread_local! {
    /// Room for one batch, of those that have left.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::time::Instant;

    use super::*;
    use crate::{connection::Activity, context::Protocol, limits::Limits};

    /// Takes so many bytes, and says how they came.
    #[derive(Clone, Default)]
    struct Client {
        room: Rc<Cell<usize>>,
        records: Rc<RefCell<Vec<Vec<u8>>>>,
    }

    impl AsyncRead for Client {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Client {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.room.get());
            if taken == 0 {
                return Poll::Pending;
            }
            self.room.set(self.room.get() - taken);
            self.records.borrow_mut().push(bytes[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            parts: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.poll_write(cx, &parts.iter().flat_map(|part| part.to_vec()).collect::<Vec<_>>())
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn batch(room: usize) -> (Batch<Client>, Client) {
        let client = Client { room: Rc::new(Cell::new(room)), ..Client::default() };
        let limits = Limits::default();
        let activity = Activity::new(Protocol::Http1, Instant::now(), &limits, Rc::default());
        (Batch::new(Wire::new(client.clone(), Rc::new(activity))), client)
    }

    /// The library writes these parts and flushes behind each, as far as it may.
    fn library<'a>(
        batch: &Batch<Client>,
        parts: &'a [&'a [u8]],
    ) -> impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>> + use<'a> {
        let (mut io, mut left) = (batch.hand(), parts.iter());
        let mut rest: &[u8] = &[];
        move |cx| {
            loop {
                while !rest.is_empty() {
                    let parts = [IoSlice::new(&rest[..1]), IoSlice::new(&rest[1..])];
                    let taken = ready!(Pin::new(&mut io).poll_write_vectored(cx, &parts))?;
                    rest = &rest[taken..];
                }
                ready!(Pin::new(&mut io).poll_flush(cx))?;
                match left.next() {
                    Some(part) => rest = part,
                    None => return Poll::Pending,
                }
            }
        }
    }

    #[test]
    fn what_is_said_at_one_moment_leaves_together() {
        const FULL: usize = HTTP2_BATCH_BYTES_MAX;
        let (half, more) = ([1; FULL / 2], [2; FULL + 1]);
        for (name, parts, expected) in [
            ("small parts", &[&b"one"[..], b"two", b"three"][..], &[11][..]),
            ("as much as there is room", &[&half, &half], &[FULL]),
            ("more than there is room", &[&half, &half, b"x"], &[FULL, 1]),
            ("more than is kept", &[&more], &[FULL + 1]),
            ("that, behind what is kept", &[b"x", &more, b"y"], &[1, FULL + 1, 1]),
        ] {
            let (batch, client) = batch(usize::MAX);
            let mut cx = Context::from_waker(Waker::noop());
            let outcome = batch.poll(&mut cx, library(&batch, parts));
            assert!(outcome.is_pending(), "{name}");
            let records = client.records.borrow();
            assert_eq!(records.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{name}");
            assert_eq!(records.concat(), parts.concat(), "{name}");
            assert_eq!(batch.0.borrow().unsent.capacity(), 0, "{name}");
        }
    }

    #[test]
    fn a_client_that_takes_nothing_is_waited_for_and_the_library_goes_on_after_it() {
        let part = [7; HTTP2_BATCH_BYTES_MAX];
        let parts: [&[u8]; 3] = [&part; 3];
        let (batch, client) = batch(0);
        let mut cx = Context::from_waker(Waker::noop());
        let mut library = library(&batch, &parts);
        for (room, sent) in
            [(0, 0), (5, 5), (part.len(), part.len() + 5), (usize::MAX, 3 * part.len())]
        {
            client.room.set(room);
            assert!(batch.poll(&mut cx, &mut library).is_pending());
            assert_eq!(client.records.borrow().concat().len(), sent, "{room}");
            assert_eq!(batch.0.borrow().blocked, room != usize::MAX, "{room}");
        }
        assert_eq!(batch.0.borrow().unsent.capacity(), 0);
    }
}
