//! The request's body on its way to the upstream: its size and its time are bounded.

mod whole;

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

pub use self::whole::Whole;
use crate::{
    clients::pace::Pace,
    headers::trailers,
    limits::{BODY_STALL_MAX_MS, Limits},
    rejection::Rejection,
};

/// A body that ends with an error as soon as it is too large, too slow or broken.
pub struct RequestBody<B> {
    inner: B,
    gathered: VecDeque<Bytes>,
    gathered_bytes: usize,
    /// The fields that may follow it.
    announced: Vec<HeaderName>,
    trailers: Option<HeaderMap>,
    ended: bool,
    left_bytes: u64,
    deadline: Instant,
    pace: Pace,
    waiting_since: Option<Instant>,
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
    /// That of a body that is here whole.
    #[must_use]
    pub fn whole() -> Self {
        Self { complete: AtomicBool::new(true), ..Self::default() }
    }

    /// Bytes read so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Bytes that came by another way.
    pub fn carried(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
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
    /// Bounds `inner` to the limits' size and pace, and to `deadline`.
    ///
    /// # Errors
    /// The announced length is over the limit: nothing of the body is read then.
    pub fn new(
        inner: B,
        limits: &Limits,
        deadline: Instant,
        fate: Arc<BodyFate>,
    ) -> Result<Self, Rejection> {
        if inner.size_hint().lower() > limits.body_bytes_max {
            return Err(Rejection::BodyTooLarge);
        }
        fate.complete.store(inner.is_end_stream(), Relaxed);
        Ok(Self {
            inner,
            gathered: VecDeque::new(),
            gathered_bytes: 0,
            announced: Vec::new(),
            trailers: None,
            ended: false,
            left_bytes: limits.body_bytes_max,
            deadline,
            pace: Pace::new(Duration::from_millis(BODY_STALL_MAX_MS), limits.bytes_per_s_min),
            waiting_since: None,
            timeout: None,
            fate,
        })
    }

    /// These fields may follow it; without a word none does.
    #[must_use]
    pub fn with_trailers(self, announced: Vec<HeaderName>) -> Self {
        Self { announced, ..self }
    }

    /// Bytes that it has at least, as its client says.
    #[must_use]
    pub fn announced_bytes(&self) -> u64 {
        self.inner.size_hint().lower().saturating_add(self.gathered_bytes as u64)
    }

    /// What of it is here, in one piece.
    #[must_use]
    pub fn gathered(&self) -> Bytes {
        if let (Some(one), 1) = (self.gathered.front(), self.gathered.len()) {
            return one.clone();
        }
        let mut whole = Vec::with_capacity(self.gathered_bytes);
        self.gathered.iter().for_each(|piece| whole.extend_from_slice(piece));
        whole.into()
    }

    /// A copy of it, where all of it is here.
    #[must_use]
    pub fn whole(&self) -> Option<Whole> {
        self.is_here()
            .then(|| Whole { data: self.gathered.clone(), trailers: self.trailers.clone() })
    }

    /// Puts this in the place of what is here, which is all of it.
    pub fn replace(&mut self, data: Bytes) {
        self.gathered_bytes = data.len();
        self.gathered = VecDeque::from([data]);
    }

    /// Whether all of it is here.
    pub fn is_here(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> RequestBody<B> {
    /// Waits until so many bytes are here, or all of them: a client that dawdles holds no connection
    /// to the upstream meanwhile.
    ///
    /// # Errors
    /// Why the body cannot be had.
    pub async fn gather(&mut self, bytes: usize) -> Result<(), Rejection> {
        while self.gathered_bytes < bytes && !self.inner.is_end_stream() {
            match poll_fn(|cx| self.poll_next(cx)).await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.gathered_bytes += data.len();
                        self.gathered.push_back(data);
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
                Some(Err(BodyError(rejection))) => return Err(rejection),
                None => break,
            }
        }
        Ok(())
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self;
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) else {
            // Only while we want a byte and there is none: an upstream that is slow to take the body
            // is not the client's fault. Most requests have no body to wait for, and no need of a timer.
            let timeout = this.timeout.get_or_insert_with(|| Box::pin(sleep_until(this.deadline)));
            if this.waiting_since.is_none() {
                let now = Instant::now();
                this.waiting_since = Some(now);
                timeout.as_mut().reset(this.deadline.min(now + this.pace.left()));
            }
            ready!(timeout.as_mut().poll(cx));
            let late = timeout.deadline() >= this.deadline;
            let rejection = if late { Rejection::BodyTimeout } else { Rejection::SlowBody };
            return Poll::Ready(Some(Err(this.refuse(rejection))));
        };
        if let Some(since) = this.waiting_since.take() {
            this.pace.waited(since.elapsed());
        }
        let data = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                Err(frame) => match this.following(frame.into_trailers().unwrap_or_default()) {
                    Ok(Some(trailers)) => {
                        this.fate.complete.store(true, Relaxed);
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                    Ok(None) => Bytes::new(),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
            },
            Some(Err(error)) => return Poll::Ready(Some(Err(this.refuse(broken(&error))))),
            None => {
                this.ended = true;
                this.fate.complete.store(true, Relaxed);
                return Poll::Ready(None);
            }
        };
        let length = data.len() as u64;
        this.pace.moved(data.len());
        this.fate.bytes.fetch_add(length, Relaxed);
        let Some(left) = this.left_bytes.checked_sub(length) else {
            return Poll::Ready(Some(Err(this.refuse(Rejection::BodyTooLarge))));
        };
        this.left_bytes = left;
        this.fate.complete.store(this.inner.is_end_stream(), Relaxed);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    // Trailers that were not announced end here: no upstream asks for them, and some read them as headers.
    fn following(&self, trailers: HeaderMap) -> Result<Option<HeaderMap>, BodyError> {
        if trailers::are_too_many(&trailers) {
            return Err(self.refuse(Rejection::HeadersTooLarge));
        }
        let trailers = trailers::of_request(trailers, &self.announced);
        Ok((!trailers.is_empty()).then_some(trailers))
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(data) = this.gathered.pop_front() {
            this.gathered_bytes -= data.len();
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(trailers) = this.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        this.poll_next(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.gathered.is_empty() && self.trailers.is_none() && self.is_here()
    }

    // A body that is here whole goes out with its length, however it came.
    fn size_hint(&self) -> SizeHint {
        let here = self.gathered_bytes as u64;
        // HTTP/1 has no place for trailers behind a body whose length is told.
        let followed = self.trailers.is_some() || !(self.announced.is_empty() || self.is_here());
        if self.is_here() && !followed {
            return SizeHint::with_exact(here);
        }
        let rest = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(here));
        if followed {
            return hint;
        }
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(here));
        }
        hint
    }
}

impl<B> RequestBody<B> {
    fn refuse(&self, rejection: Rejection) -> BodyError {
        // The first reason stands: what follows is its consequence.
        let first = *self.fate.rejection.get_or_init(|| rejection);
        BodyError(first)
    }
}

// HTTP/2 tells a client that cancels its request from one whose body does not follow its framing.
fn broken(error: &hyper::Error) -> Rejection {
    let cause =
        std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    match cause {
        Some(cause) if cause.is_remote() => Rejection::ClientGone,
        Some(_) | None => Rejection::BodyMalformed,
    }
}

/// Ends the upstream's request when the client's body cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the request body was refused: {}", .0.label())]
pub struct BodyError(Rejection);
