//! One attempt of a request at one backend, and what it says of that backend.

use std::error::Error as _;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::{Lease, Sending, SentBody, Spare, Waits, again, slot::Slot};
use crate::{
    body::BodyFate,
    figures::{Meter, one},
    limits::UPSTREAM_SENDS_MAX,
    rejection::UpstreamFailure,
    upgrade::Upgrade,
};

/// What the attempts of a request have in common.
pub struct Attempt<'a> {
    waits: Waits,
    deadline: Instant,
    fate: &'a BodyFate,
    upgrade: Option<&'a Upgrade>,
    /// The request once more, for where a backend has not begun with it.
    spare: Option<&'a Spare>,
    meter: &'a Meter,
}

impl<'a> Attempt<'a> {
    /// Attempts until `deadline`.
    pub fn new(
        waits: Waits,
        deadline: Instant,
        sending: Sending<'a>,
        spare: Option<&'a Spare>,
        meter: &'a Meter,
    ) -> Self {
        let Sending { fate, upgrade, .. } = sending;
        Self { waits, deadline, fate, upgrade, spare, meter }
    }

    /// Sends a request to the backend of `slot`. It is there again afterwards where it may be tried elsewhere:
    /// nothing of it has left, or it may be repeated, of which `copy` is the same.
    ///
    /// Taken out of where it stands when it is sent, as each hand that it goes through by value has room for it.
    pub async fn run(
        &self,
        slot: &mut Slot,
        request: &mut Option<Request<SentBody>>,
        copy: Option<&Request<SentBody>>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamFailure> {
        let begun = Instant::now();
        let outcome = self.sent(slot, request, copy, begun).await;
        let lease = outcome.as_ref().ok().map(|(_, lease)| lease);
        let ended = lease.and_then(|lease| lease.in_flight().answered_at());
        let ended = ended.unwrap_or_else(std::time::Instant::now);
        let latency = ended.saturating_duration_since(begun.into_std());
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let now_ms = slot.at_ms(ended);
        match &outcome {
            Ok((response, _)) => {
                slot.server.answered(latency_us, now_ms);
                slot.judge(!is_failure(response.status()), now_ms);
            }
            // That the client's body cannot be had, or that our own pool is empty, says nothing of the
            // backend.
            Err(UpstreamFailure::NoConnection) => {}
            Err(_) if self.fate.rejection().is_some() => {}
            Err(failure) => {
                if *failure == UpstreamFailure::ResponseTimeout {
                    slot.server.answered(latency_us, now_ms);
                }
                slot.judge(false, now_ms);
            }
        }
        outcome
    }

    async fn sent(
        &self,
        slot: &Slot,
        request: &mut Option<Request<SentBody>>,
        copy: Option<&Request<SentBody>>,
        mut now: Instant,
    ) -> Result<(Response<Incoming>, Lease), UpstreamFailure> {
        let mut may_reuse = true;
        let mut left = UPSTREAM_SENDS_MAX;
        loop {
            let deadline = self.deadline.min(now + self.waits.connect);
            let mut lease = slot.backend.lease(now, deadline, may_reuse).await?;
            let lost = match self.exchange(&mut lease, request).await {
                Ok(response) => return Ok((response, lease)),
                Err(lost) => lost,
            };
            left -= 1;
            // A kept connection may die between two requests: that says nothing of the backend, and a
            // connection that is new may well serve. What was refused unread may be taken there too.
            let again_here = match lost.kind {
                Kind::Connection => lease.is_reused(),
                Kind::Refused => true,
                Kind::Answer | Kind::Time => false,
            };
            drop(lease);
            if !again_here || left == 0 {
                return Err(lost.kind.failure());
            }
            if request.is_none() {
                let Some(copy) = copy else { return Err(lost.kind.failure()) };
                *request = Some(again(copy));
            }
            one(&self.meter.upstream_retries);
            may_reuse = false;
            now = Instant::now();
        }
    }

    async fn exchange(
        &self,
        lease: &mut Lease,
        request: &mut Option<Request<SentBody>>,
    ) -> Result<Response<Incoming>, Lost> {
        let outcome = self.answer(lease, request).await;
        match &outcome {
            Ok(answer) => lease.in_flight().answered(answer.status().as_u16()),
            // Where the client's body was the cause, the backend did nothing wrong.
            Err(_) if self.fate.rejection().is_some() => {}
            Err(lost) => {
                lease.in_flight().failed();
                if matches!(lost.kind, Kind::Refused) {
                    one(&self.meter.upstream_requests_refused);
                    if request.is_none() {
                        *request = self.spare.map(Spare::request);
                    }
                }
                if lost.leaves {
                    lease.leave();
                }
            }
        }
        outcome
    }

    async fn answer(
        &self,
        lease: &mut Lease,
        request: &mut Option<Request<SentBody>>,
    ) -> Result<Response<Incoming>, Lost> {
        let lost = |kind| Lost { kind, leaves: false };
        let Some(taken) = request.take() else { return Err(lost(Kind::Answer)) };
        let sent = lease.send(taken);
        tokio::pin!(sent);
        let mut seen_bytes = 0;
        loop {
            // The body has its own deadline; that of all attempts begins to count after it.
            let latest = Instant::now() + self.waits.response;
            let latest = if self.fate.is_complete() { latest.min(self.deadline) } else { latest };
            match timeout_at(latest, &mut sent).await {
                Ok(Ok(response)) => {
                    let fits = match self.upgrade {
                        Some(upgrade) => upgrade.is_answered_by(&response),
                        None => response.status() != StatusCode::SWITCHING_PROTOCOLS,
                    };
                    return if fits { Ok(response) } else { Err(lost(Kind::Answer)) };
                }
                Ok(Err(mut error)) => {
                    *request = error.take_message();
                    let (kind, leaves) = cause(error.error());
                    let error = error.into_error();
                    tracing::debug!(%error, "an upstream connection failed under a request");
                    return Err(Lost { kind, leaves });
                }
                // While the client's body moves the upstream owes no answer.
                Err(_) if !self.fate.is_complete() && self.fate.bytes() > seen_bytes => {
                    seen_bytes = self.fate.bytes();
                }
                Err(_) => return Err(lost(Kind::Time)),
            }
        }
    }
}

struct Lost {
    kind: Kind,
    /// The connection takes no further request.
    leaves: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Connection,
    /// The backend says that it has not begun with it.
    Refused,
    Answer,
    Time,
}

// What an error of the library says of the request, and whether its connection goes with it.
fn cause(error: &hyper::Error) -> (Kind, bool) {
    if error.is_parse() || error.is_user() {
        return (Kind::Answer, false);
    }
    let http2 = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    match http2 {
        // RFC 9113, 6.8: what came after the last stream that GOAWAY names was not begun with; the library
        // says so for those alone.
        Some(cause) if cause.is_go_away() && cause.is_remote() => (Kind::Refused, true),
        Some(cause) if cause.is_reset() && cause.is_remote() => match cause.reason() {
            // 8.7
            Some(h2::Reason::REFUSED_STREAM) => (Kind::Refused, false),
            Some(_) | None => (Kind::Answer, false),
        },
        // One stream that went wrong says nothing of the others.
        Some(cause) if cause.is_reset() => (Kind::Answer, false),
        Some(_) | None => (Kind::Connection, true),
    }
}

impl Kind {
    fn failure(self) -> UpstreamFailure {
        match self {
            Self::Connection | Self::Refused | Self::Answer => UpstreamFailure::Request,
            Self::Time => UpstreamFailure::ResponseTimeout,
        }
    }
}

/// 501 and 505 are about the request: the backend is well.
pub fn is_failure(status: StatusCode) -> bool {
    let about_the_request =
        [StatusCode::NOT_IMPLEMENTED, StatusCode::HTTP_VERSION_NOT_SUPPORTED].contains(&status);
    status.is_server_error() && !about_the_request
}
