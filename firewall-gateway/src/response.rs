//! The answer's body on its way to the client, counted, timed, and observed at its end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use crate::{body::BodyFate, observe::Observation, rejection::UpstreamFailure, upstream::Lease};

/// What the client reads. Dropping it is the end of the request, whatever the reason: the
/// observation inside then writes the line and counts.
pub struct ResponseBody {
    source: Source,
    observation: Box<Observation>,
}

enum Source {
    Own(Full<Bytes>),
    Upstream(UpstreamBody),
}

impl ResponseBody {
    /// A body of our own.
    #[must_use]
    pub fn own(bytes: Bytes, observation: Box<Observation>) -> Self {
        Self { source: Source::Own(Full::new(bytes)), observation }
    }

    /// The upstream's body.
    #[must_use]
    pub fn upstream(body: UpstreamBody, observation: Box<Observation>) -> Self {
        Self { source: Source::Upstream(body), observation }
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
        let frame = match &mut this.source {
            Source::Own(body) => ready!(Pin::new(body).poll_frame(cx))
                .map(|frame| frame.map_err(|never| match never {})),
            Source::Upstream(body) => ready!(body.poll_frame(cx)),
        };
        match &frame {
            Some(Ok(frame)) => {
                this.observation.sent(frame.data_ref().map_or(0, |data| data.len() as u64));
                if this.is_end_stream() {
                    this.observation.answered();
                }
            }
            Some(Err(error)) => this.observation.upstream_failed(error.0),
            None => this.observation.answered(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(body) => body.is_end_stream(),
            Source::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(body) => body.size_hint(),
            Source::Upstream(body) => body.inner.size_hint(),
        }
    }
}

/// The upstream's body and the connection it comes over.
pub struct UpstreamBody {
    inner: Incoming,
    lease: Option<Lease>,
    request: Arc<BodyFate>,
    wait: Duration,
    timeout: Option<Pin<Box<Sleep>>>,
}

impl UpstreamBody {
    /// Bounds the wait between two parts of `inner`.
    #[must_use]
    pub fn new(inner: Incoming, lease: Lease, request: Arc<BodyFate>, wait: Duration) -> Self {
        let mut body = Self { inner, lease: Some(lease), request, wait, timeout: None };
        body.finish();
        body
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else {
            // Armed when we begin to wait, so that a slow client is not held against the upstream.
            let wait = self.wait;
            let timeout = self.timeout.get_or_insert_with(|| Box::pin(sleep(wait)));
            ready!(timeout.as_mut().poll(cx));
            self.lease = None;
            return Poll::Ready(Some(Err(ResponseError(UpstreamFailure::ResponseTimeout))));
        };
        self.timeout = None;
        let data = match frame {
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(_)) => {
                self.lease = None;
                return Poll::Ready(Some(Err(ResponseError(UpstreamFailure::ResponseBody))));
            }
            None => {
                self.keep();
                return Poll::Ready(None);
            }
        };
        self.finish();
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    /// Whether there is nothing left to read.
    #[must_use]
    pub fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn finish(&mut self) {
        if self.inner.is_end_stream() {
            self.keep();
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
