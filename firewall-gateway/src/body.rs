//! The request's body on its way to the upstream: its size and its time are bounded.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::rejection::Rejection;

/// A body that ends with an error as soon as it is too large, too slow or broken.
pub struct RequestBody<B> {
    inner: B,
    left_bytes: u64,
    deadline: Instant,
    timeout: Option<Pin<Box<Sleep>>>,
    fate: Arc<BodyFate>,
}

/// What became of a body: shared, since the body itself goes to the upstream's connection.
#[derive(Debug, Default)]
pub struct BodyFate {
    bytes: AtomicU64,
    complete: AtomicBool,
    rejection: OnceLock<Rejection>,
}

impl BodyFate {
    /// Bytes read so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Whether all of it was read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete.load(Relaxed)
    }

    /// Why it was cut off.
    #[must_use]
    pub fn rejection(&self) -> Option<Rejection> {
        self.rejection.get().copied()
    }
}

impl<B: Body> RequestBody<B> {
    /// Bounds `inner` to `bytes_max` and `deadline`.
    ///
    /// # Errors
    /// The announced length is over the limit: nothing of the body is read then.
    pub fn new(
        inner: B,
        bytes_max: u64,
        deadline: Instant,
        fate: Arc<BodyFate>,
    ) -> Result<Self, Rejection> {
        if inner.size_hint().lower() > bytes_max {
            return Err(Rejection::BodyTooLarge);
        }
        fate.complete.store(inner.is_end_stream(), Relaxed);
        Ok(Self { inner, left_bytes: bytes_max, deadline, timeout: None, fate })
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) else {
            // Most requests have no body to wait for, and no need of a timer.
            let deadline = this.deadline;
            let timeout = this.timeout.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            ready!(timeout.as_mut().poll(cx));
            return Poll::Ready(Some(Err(this.refuse(Rejection::BodyTimeout))));
        };
        let data = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                // Trailers end here: no upstream needs them, and some read them as headers.
                Err(_) => Bytes::new(),
            },
            Some(Err(_)) => return Poll::Ready(Some(Err(this.refuse(Rejection::BodyMalformed)))),
            None => {
                this.fate.complete.store(true, Relaxed);
                return Poll::Ready(None);
            }
        };
        let length = data.len() as u64;
        this.fate.bytes.fetch_add(length, Relaxed);
        let Some(left) = this.left_bytes.checked_sub(length) else {
            return Poll::Ready(Some(Err(this.refuse(Rejection::BodyTooLarge))));
        };
        this.left_bytes = left;
        this.fate.complete.store(this.inner.is_end_stream(), Relaxed);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> RequestBody<B> {
    fn refuse(&self, rejection: Rejection) -> BodyError {
        // The first reason stands: what follows is its consequence.
        let first = *self.fate.rejection.get_or_init(|| rejection);
        BodyError(first)
    }
}

/// Ends the upstream's request when the client's body cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the request body was refused: {}", .0.label())]
pub struct BodyError(Rejection);
