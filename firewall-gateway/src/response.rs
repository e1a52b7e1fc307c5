//! The answer's body on its way to the client, counted, timed, and observed at its end.

mod gzip;

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep, timeout};

use self::gzip::Gzip;
use crate::{
    body::BodyFate,
    headers::trailers,
    limits::{
        SCRUB_GATHER_BYTES_MAX, SCRUB_GATHER_TIMEOUT_MS, UPSTREAM_DISCARD_BYTES_MAX,
        UPSTREAM_DISCARD_TIMEOUT_MS,
    },
    observe::Observation,
    rejection::UpstreamFailure,
    scrub::Scrubber,
    upstream::Lease,
};

/// What the client reads. Dropping it is the end of the request, whatever the reason: the
/// observation inside then writes the line and counts.
pub struct ResponseBody {
    source: Source,
    // Nothing where a tunnel has it.
    observation: Option<Box<Observation>>,
}

/// Where a body comes from.
pub enum Source {
    /// From us.
    Own(Full<Bytes>),
    /// From the upstream, as it is.
    Upstream(UpstreamBody),
    /// From the upstream, compressed.
    Compressed(Box<Gzip>),
}

impl Source {
    /// A body of our own.
    #[must_use]
    pub fn own(bytes: Bytes) -> Self {
        Self::Own(Full::new(bytes))
    }

    /// The upstream's body, compressed.
    #[must_use]
    pub fn compressed(body: UpstreamBody) -> Self {
        Self::Compressed(Box::new(Gzip::new(body)))
    }

    /// Whether there is nothing left to read.
    #[must_use]
    pub fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Upstream(body) => body.is_end_stream(),
            Self::Compressed(body) => body.is_end_stream(),
        }
    }
}

impl ResponseBody {
    /// A body whose end is the end of `observation`.
    #[must_use]
    pub fn new(source: Source, observation: Box<Observation>) -> Self {
        Self { source, observation: Some(observation) }
    }

    /// No body, after which the connection is no longer one of HTTP.
    #[must_use]
    pub fn last() -> Self {
        Self { source: Source::own(Bytes::new()), observation: None }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        let this = self.get_mut();
        if let Some(observation) = &this.observation {
            observation.asked();
        }
        let frame = match &mut this.source {
            Source::Own(body) => ready!(Pin::new(body).poll_frame(cx))
                .map(|frame| frame.map_err(|never| match never {})),
            Source::Upstream(body) => ready!(body.poll_frame(cx)),
            Source::Compressed(body) => ready!(body.poll_frame(cx)),
        };
        let at_end = this.source.is_end_stream();
        if let Some(observation) = &mut this.observation {
            match &frame {
                Some(Ok(frame)) => {
                    observation.sent(frame.data_ref().map_or(0, |data| data.len() as u64));
                    if at_end {
                        observation.answered();
                    }
                }
                Some(Err(error)) => {
                    observation.upstream_failed(error.0);
                }
                None => observation.answered(),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(body) => body.size_hint(),
            Source::Upstream(body) => body.size_hint(),
            Source::Compressed(_) => SizeHint::default(),
        }
    }
}

/// The upstream's body and the connection it comes over.
pub struct UpstreamBody {
    inner: Incoming,
    lease: Option<Lease>,
    request: Arc<BodyFate>,
    wait: Duration,
    /// Whether the client takes trailers.
    follows: bool,
    ended: bool,
    timeout: Option<Pin<Box<Sleep>>>,
    /// What was read ahead of the client, and what looks through it.
    ahead: Option<Box<Ahead>>,
}

/// What stands between the upstream's body and the client.
#[derive(Default)]
struct Ahead {
    /// Read, and not looked through.
    held: VecDeque<Frame<Bytes>>,
    /// Nothing where nothing is looked for, or once the body has ended.
    scrubber: Option<Scrubber>,
    /// Looked through.
    passed: VecDeque<Frame<Bytes>>,
}

impl UpstreamBody {
    /// Bounds the wait between two parts of `inner`; trailers pass where `follows` says so.
    #[must_use]
    pub fn new(
        inner: Incoming,
        lease: Lease,
        request: Arc<BodyFate>,
        wait: Duration,
        follows: bool,
    ) -> Self {
        let mut body = Self {
            inner,
            lease: Some(lease),
            request,
            wait,
            follows,
            ended: false,
            timeout: None,
            ahead: None,
        };
        body.finish();
        body
    }

    /// What it says is looked through, where there is something to look for.
    #[must_use]
    pub fn scrubbed(mut self, scrubber: Option<Scrubber>) -> Self {
        if scrubber.is_some() {
            self.ahead.get_or_insert_default().scrubber = scrubber;
        }
        self
    }

    /// Looks through the first part of it, within bounds of size and time.
    ///
    /// # Errors
    /// The upstream broke off.
    pub async fn look_ahead(&mut self) -> Result<(), UpstreamFailure> {
        if self.ahead.as_ref().is_none_or(|ahead| ahead.scrubber.is_none()) {
            return Ok(());
        }
        let mut left_bytes = SCRUB_GATHER_BYTES_MAX;
        let mut read = VecDeque::new();
        let looking = async {
            while left_bytes > 0 && !self.is_end_stream() {
                let Some(frame) = poll_fn(|cx| self.poll_frame(cx)).await else { break };
                let frame = frame.map_err(|error| error.0)?;
                left_bytes = left_bytes.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                read.push_back(frame);
            }
            Ok(())
        };
        // Whoever says a word now and then is not waited for: the rest is looked through as it comes.
        let looked = timeout(Duration::from_millis(SCRUB_GATHER_TIMEOUT_MS), looking).await;
        let ahead = self.ahead.get_or_insert_default();
        read.append(&mut ahead.passed);
        ahead.passed = read;
        looked.unwrap_or(Ok(()))
    }

    /// How long it is, where that is known.
    #[must_use]
    pub fn length_bytes(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// Reads all of it, unless it is longer than this; it is still all there afterwards.
    ///
    /// # Errors
    /// The upstream broke off, or was too slow.
    pub async fn gather(&mut self, bytes_max: usize) -> Result<Option<Bytes>, UpstreamFailure> {
        if self.inner.size_hint().lower() > bytes_max as u64 {
            return Ok(None);
        }
        let mut whole = Vec::new();
        while !self.is_read() {
            let Some(frame) = poll_fn(|cx| self.poll_next(cx)).await else { break };
            let frame = frame.map_err(|error| error.0)?;
            whole.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
            self.ahead.get_or_insert_default().held.push_back(frame);
            if whole.len() > bytes_max {
                return Ok(None);
            }
        }
        Ok(Some(whole.into()))
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.inner.size_hint();
        let Some(ahead) = &self.ahead else { return hint };
        // What is looked through keeps its length, but what the scrubber holds of it is not told. And HTTP/1
        // has no place for trailers behind a body whose length is told.
        if !ahead.passed.is_empty() || ahead.held.iter().any(Frame::is_trailers) {
            return SizeHint::default();
        }
        let held = ahead.held.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64);
        let held: u64 = held.sum();
        let exact = hint.exact().map(|left| SizeHint::with_exact(left.saturating_add(held)));
        exact.unwrap_or_default()
    }

    /// Reads what is left, within bounds, so that the connection can be kept.
    pub fn discard(mut self) {
        if self.is_end_stream() {
            return;
        }
        tokio::task::spawn_local(async move {
            let rest = async {
                let mut left_bytes = UPSTREAM_DISCARD_BYTES_MAX;
                while let Some(Ok(frame)) = poll_fn(|cx| self.poll_frame(cx)).await {
                    let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                    match left_bytes.checked_sub(length) {
                        Some(left) => left_bytes = left,
                        None => break,
                    }
                }
            };
            // What is not read in time closes the connection with it.
            let _late = timeout(Duration::from_millis(UPSTREAM_DISCARD_TIMEOUT_MS), rest).await;
        });
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        if let Some(frame) = self.ahead.as_mut().and_then(|ahead| ahead.passed.pop_front()) {
            return Poll::Ready(Some(Ok(frame)));
        }
        loop {
            let frame = ready!(self.poll_held(cx));
            let Some(ahead) = &mut self.ahead else { return Poll::Ready(frame) };
            let at_end = ahead.held.is_empty() && (self.ended || self.inner.is_end_stream());
            let Some(scrubber) = &mut ahead.scrubber else { return Poll::Ready(frame) };
            let (mut passed, trailers) = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => (scrubber.push(data), None),
                    Err(trailers) => (Bytes::new(), Some(trailers)),
                },
                None => (Bytes::new(), None),
                failed => return Poll::Ready(failed),
            };
            if at_end {
                passed = [passed, scrubber.end()].concat().into();
                ahead.scrubber = None;
                ahead.passed.extend(trailers);
            }
            match (passed.is_empty(), at_end) {
                (false, _) => return Poll::Ready(Some(Ok(Frame::data(passed)))),
                (true, true) => return Poll::Ready(ahead.passed.pop_front().map(Ok)),
                // All of it is held back.
                (true, false) => {}
            }
        }
    }

    fn poll_held(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        match self.ahead.as_mut().and_then(|ahead| ahead.held.pop_front()) {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None if self.is_read() => Poll::Ready(None),
            None => self.poll_next(cx),
        }
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else {
            // Armed when we begin to wait, so that a slow client is not held against the upstream.
            let wait = self.wait;
            let timeout = self.timeout.get_or_insert_with(|| Box::pin(sleep(wait)));
            ready!(timeout.as_mut().poll(cx));
            self.failed();
            return Poll::Ready(Some(Err(ResponseError(UpstreamFailure::ResponseTimeout))));
        };
        self.timeout = None;
        let last = matches!(&frame, Some(Ok(frame)) if frame.is_trailers());
        let frame = match frame {
            Some(Ok(frame)) => match self.passed(frame) {
                Some(frame) => frame,
                None => {
                    self.failed();
                    return Poll::Ready(Some(Err(ResponseError(UpstreamFailure::ResponseBody))));
                }
            },
            Some(Err(_)) => {
                self.failed();
                return Poll::Ready(Some(Err(ResponseError(UpstreamFailure::ResponseBody))));
            }
            None => {
                self.ended = true;
                self.keep();
                return Poll::Ready(None);
            }
        };
        // Nothing comes behind trailers, and whoever reads the body need not ask.
        self.ended = last;
        self.finish();
        Poll::Ready(Some(Ok(frame)))
    }

    // Nothing where there are more trailers than are held.
    fn passed(&self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        let frame = match frame.into_data() {
            Ok(data) => return Some(Frame::data(data)),
            Err(frame) => frame.into_trailers().unwrap_or_default(),
        };
        if trailers::are_too_many(&frame) {
            return None;
        }
        let passed = trailers::of_answer(frame);
        Some(match self.follows && !passed.is_empty() {
            true => Frame::trailers(passed),
            false => Frame::data(Bytes::new()),
        })
    }

    /// Whether there is nothing left to read.
    #[must_use]
    pub fn is_end_stream(&self) -> bool {
        let passed = |ahead: &Ahead| {
            ahead.scrubber.is_none() && ahead.held.is_empty() && ahead.passed.is_empty()
        };
        self.is_read() && self.ahead.as_deref().is_none_or(passed)
    }

    /// Whether the upstream has said all.
    fn is_read(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn finish(&mut self) {
        if self.is_read() {
            self.keep();
        }
    }

    fn failed(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.in_flight().failed();
        }
    }

    fn keep(&mut self) {
        if let Some(lease) = self.lease.take()
            && self.request.is_complete()
        {
            lease.keep();
        }
    }
}

/// The upstream broke off in the middle of its answer: the client's connection has to end too,
/// for that is the only way to say that the answer is not whole.
#[derive(Debug, thiserror::Error)]
#[error("the answer was cut off: {}", .0.label())]
pub struct ResponseError(UpstreamFailure);
