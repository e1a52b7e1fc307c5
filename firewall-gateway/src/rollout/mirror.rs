//! A copy of some requests for another upstream, whose answer is thrown away. The client never waits
//! for it: it goes out when the request's body has gone, and where there is no room for it, it does not.

use std::{
    net::IpAddr,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tokio::{sync::oneshot, time::timeout};

use super::split::Circle;
use crate::{
    body::BodyFate,
    figures::{MirrorFigures, one},
    limits::{MIRROR_ANSWER_BYTES_MAX, MIRROR_TIMEOUT_MS, MIRRORS_IN_FLIGHT_MAX},
    policy::{MirrorPolicy, RouteLimits},
    upstream::{Answer, Sending, Upstream},
};

/// The mirror of a route, shared by the threads.
#[derive(Debug)]
pub struct Mirror {
    policy: MirrorPolicy,
    route: String,
    upstream: String,
    circle: Circle,
    in_flight: AtomicU32,
    ok: AtomicU64,
    errors: AtomicU64,
    skipped: AtomicU64,
}

impl Mirror {
    /// A mirror that has sent nothing.
    #[must_use]
    pub fn new(policy: MirrorPolicy, route: String, upstream: String) -> Self {
        Self {
            policy,
            route,
            upstream,
            circle: Circle::new(100),
            in_flight: AtomicU32::default(),
            ok: AtomicU64::default(),
            errors: AtomicU64::default(),
            skipped: AtomicU64::default(),
        }
    }

    /// A copy of the head of this client's request, where it is one of those that are copied and there is room.
    #[must_use]
    pub fn copy<B>(
        self: &Arc<Self>,
        upstreams: &Rc<[Upstream]>,
        request: &Request<B>,
        client: IpAddr,
    ) -> Option<Copy> {
        if self.circle.next() >= u64::from(self.policy.percent) {
            return None;
        }
        let room = |taken: u32| (taken < MIRRORS_IN_FLIGHT_MAX).then_some(taken + 1);
        if self.in_flight.fetch_update(Relaxed, Relaxed, room).is_err() {
            one(&self.skipped);
            return None;
        }
        let mut seat = Seat { mirror: self.clone(), counted: false };
        let mut head = Request::new(());
        *head.method_mut() = request.method().clone();
        *head.uri_mut() = request.uri().clone();
        *head.headers_mut() = request.headers().clone();
        head.headers_mut().insert(MARK, HeaderValue::from_static("1"));
        let (whole, body) = oneshot::channel();
        let upstreams = upstreams.clone();
        tokio::task::spawn_local(async move {
            // The body was dropped before its end: there is nothing to send.
            let Ok(body) = body.await else { return };
            let wait = Duration::from_millis(MIRROR_TIMEOUT_MS);
            let ok = match upstreams.get(seat.mirror.policy.upstream) {
                Some(upstream) => {
                    timeout(wait, exchange(upstream, head, body, client)).await.unwrap_or(false)
                }
                None => false,
            };
            seat.counted = true;
            one(if ok { &seat.mirror.ok } else { &seat.mirror.errors });
        });
        let bytes_max = self.policy.body_bytes_max as usize;
        Some(Copy { whole, body: BytesMut::new(), bytes_max })
    }

    /// What was counted.
    #[must_use]
    pub fn figures(&self) -> MirrorFigures {
        MirrorFigures {
            route: self.route.clone(),
            upstream: self.upstream.clone(),
            ok: self.ok.load(Relaxed),
            errors: self.errors.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
        }
    }
}

/// Tells who gets it that nobody waits for the answer.
pub const MARK: &str = "x-seawall-mirror";

/// A copy that waits for the end of its body.
pub struct Copy {
    whole: oneshot::Sender<Bytes>,
    body: BytesMut,
    bytes_max: usize,
}

impl Copy {
    fn add(mut self, data: &[u8]) -> Option<Self> {
        if self.body.len() + data.len() > self.bytes_max {
            return None;
        }
        self.body.extend_from_slice(data);
        Some(self)
    }

    /// Sends it off; nobody waits.
    pub fn send(self) {
        // Nobody takes it when the worker ends.
        let _taken = self.whole.send(self.body.freeze());
    }
}

/// A place in flight; whatever gives it back without having been sent was skipped.
struct Seat {
    mirror: Arc<Mirror>,
    counted: bool,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.mirror.in_flight.fetch_sub(1, Relaxed);
        if !self.counted {
            one(&self.mirror.skipped);
        }
    }
}

// Whether there was an answer that is no error. A connection whose answer is too long is closed.
async fn exchange(upstream: &Upstream, mut head: Request<()>, body: Bytes, client: IpAddr) -> bool {
    head.headers_mut().insert(header::HOST, upstream.host().clone());
    let fate = Arc::new(BodyFate::whole());
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    let request = head.map(|()| body);
    let sending = Sending {
        fate: &fate,
        limits: &RouteLimits::default(),
        client,
        consumer: None,
        upgrade: None,
        whole: None,
        within: None,
    };
    let Ok(Answer { response, lease, .. }) = upstream.send(request, sending).await else {
        return false;
    };
    let ok = !response.status().is_server_error();
    let mut body = response.into_body();
    let mut left = MIRROR_ANSWER_BYTES_MAX;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return ok,
        }
    }
    lease.keep();
    ok
}

/// A body that is copied while it goes to the upstream.
pub struct Mirrored<B> {
    inner: B,
    copy: Option<Copy>,
}

impl<B: Body<Data = Bytes>> Mirrored<B> {
    /// Copies `inner` from its beginning.
    #[must_use]
    pub fn new(inner: B, copy: Copy) -> Self {
        Self { inner, copy: Some(copy) }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Mirrored<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                this.copy = this.copy.take().and_then(|copy| copy.add(data));
            }
            Some(Err(_)) => this.copy = None,
            None => {}
        }
        if (frame.is_none() || this.inner.is_end_stream())
            && let Some(copy) = this.copy.take()
        {
            copy.send();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
