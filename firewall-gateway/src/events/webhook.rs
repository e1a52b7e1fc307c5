//! Batches over HTTP: signed, one at a time so that order is kept, tried again with the same `webhook-id` until the
//! receiver takes them. One that it took without our hearing of it comes twice: it knows it by its id.

use std::{
    cell::Cell,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, uri::PathAndQuery};
use tokio::time::Instant;

use super::{
    event::Teller,
    queue::{Loss, Numbered, Queue},
    sender::{Backoff, Sink},
    signature::Secret,
};
use crate::{
    limits::WEBHOOK_ANSWER_BYTES_MAX,
    policy::WebhookPolicy,
    upstream::{Message, Reply, Upstream},
};

/// A receiver, as one thread sees it.
pub struct Webhook {
    upstream: Upstream,
    path: PathAndQuery,
    secret: Secret,
    timeout: Duration,
    give_up: Duration,
    teller: Teller,
    queue: Arc<Queue>,
    place: usize,
    failing: bool,
}

impl Webhook {
    /// The receiver of a policy; nothing where the policy names none that can be.
    #[must_use]
    pub fn new(
        policy: &WebhookPolicy,
        upstream: Upstream,
        teller: Teller,
        queue: Arc<Queue>,
        place: usize,
    ) -> Option<Self> {
        Some(Self {
            upstream,
            path: policy.path.parse().ok()?,
            secret: Secret::parse(&policy.secret).ok()?,
            timeout: Duration::from_millis(policy.timeout_ms),
            give_up: Duration::from_secs(policy.give_up_s),
            teller,
            queue,
            place,
            failing: false,
        })
    }

    async fn attempt(&self, id: &str, body: &Bytes) -> Attempt {
        self.upstream.sweep(Instant::now());
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let message = Message {
            path: &self.path,
            headers: self.headers(id, now.as_secs(), body),
            body: body.clone(),
            client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            within: self.timeout,
            answer_bytes_max: WEBHOOK_ANSWER_BYTES_MAX,
        };
        match self.upstream.post(message).await {
            Ok(reply) => Attempt::of(&reply),
            Err(error) => Attempt::Again(Duration::ZERO, error.to_string()),
        }
    }

    fn headers(&self, id: &str, now_s: u64, body: &Bytes) -> HeaderMap {
        let signature = self.secret.sign(id, now_s, body);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
        for (name, value) in [
            (ID, HeaderValue::try_from(id)),
            (TIMESTAMP, Ok(HeaderValue::from(now_s))),
            (SIGNATURE, HeaderValue::try_from(signature)),
        ] {
            // Digits, letters and base64 always are a header's value.
            if let Ok(value) = value {
                headers.insert(name, value);
            }
        }
        headers
    }

    fn failed(&mut self, error: &str) {
        if !self.failing {
            tracing::warn!(%error, "the receiver of events does not take them; it is tried again");
        }
        self.failing = true;
    }
}

impl Sink for Webhook {
    async fn deliver(&mut self, batch: &[Numbered], done: &Cell<usize>) -> Result<(), Loss> {
        let Some(first) = batch.first() else { return Ok(()) };
        let id = format!("msg_{}_{}", self.teller.worker, first.sequence);
        let body = Bytes::from(json(batch, &self.teller));
        let mut backoff = Backoff::new(self.give_up);
        loop {
            match self.attempt(&id, &body).await {
                Attempt::Taken => {
                    done.set(batch.len());
                    if std::mem::take(&mut self.failing) {
                        tracing::info!("the receiver of events takes them again");
                    }
                    return Ok(());
                }
                Attempt::Never(status) => {
                    self.failed(&format!("it refuses a batch for good, with {status}"));
                    return Err(Loss::Refused);
                }
                Attempt::Again(wanted, error) => {
                    self.failed(&error);
                    if !backoff.pause(wanted).await {
                        return Err(Loss::Undelivered);
                    }
                    self.queue.retried(self.place);
                }
            }
        }
    }
}

/// A batch as <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md#4-json-batch-format>.
fn json(batch: &[Numbered], teller: &Teller) -> Vec<u8> {
    let mut text = vec![b'['];
    for (number, event) in batch.iter().enumerate() {
        if number > 0 {
            text.push(b',');
        }
        event.write(teller, &mut text);
    }
    text.push(b']');
    text
}

#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    Taken,
    /// The same bytes would be refused again.
    Never(StatusCode),
    /// To be tried again, not before this time, and why.
    Again(Duration, String),
}

impl Attempt {
    fn of(reply: &Reply) -> Self {
        match reply.status {
            status if status.is_success() => Self::Taken,
            status @ (StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY) => Self::Never(status),
            status => {
                let wanted = reply.headers.get(header::RETRY_AFTER);
                let wanted_s = wanted.and_then(|value| value.to_str().ok()?.parse().ok());
                let wanted = Duration::from_secs(wanted_s.unwrap_or_default());
                Self::Again(wanted, format!("it answers {status}"))
            }
        }
    }
}

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/cloudevents-batch+json");
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let again = |s: u64, text: &str| Attempt::Again(Duration::from_secs(s), text.to_owned());
        for (status, retry_after, expected) in [
            (200, "", Attempt::Taken),
            (202, "", Attempt::Taken),
            (204, "9", Attempt::Taken),
            (302, "", again(0, "it answers 302 Found")),
            (400, "", Attempt::Never(StatusCode::BAD_REQUEST)),
            (401, "", again(0, "it answers 401 Unauthorized")),
            (413, "", Attempt::Never(StatusCode::PAYLOAD_TOO_LARGE)),
            (422, "", Attempt::Never(StatusCode::UNPROCESSABLE_ENTITY)),
            (429, "7", again(7, "it answers 429 Too Many Requests")),
            (500, "soon", again(0, "it answers 500 Internal Server Error")),
            (503, "3", again(3, "it answers 503 Service Unavailable")),
        ] {
            let mut headers = HeaderMap::new();
            if !retry_after.is_empty() {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(retry_after));
            }
            let status = StatusCode::from_u16(status).unwrap();
            let reply = Reply { status, headers, body: Bytes::new() };
            assert_eq!(Attempt::of(&reply), expected, "{status}");
        }
    }
}
