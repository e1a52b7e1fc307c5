//! What is known about one request from its first byte to its log line.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, Method, Uri};
use serde_json::Value;

use crate::{
    access_log::Details,
    authorise::Forbidden,
    behaviour::challenge::Page,
    browser::CrossSite,
    clients::forwarded::Origin,
    countries::Code,
    headers::{X_REQUEST_ID, never_indexed},
    identity::{Denied, Identity},
    limits::{REQUEST_ID_BYTES_MAX, REQUEST_ID_BYTES_MIN, REQUEST_IDS_AT_ONCE},
    login::LoginError,
    rejection::Rejection,
    rollout::Choice,
    route::Missing,
    sanitise::{self, Sanitised},
    scrub::Leaks,
    tls::ClientCertificate,
    trace::TraceContext,
    validate::{Verdict, fault::Invalid},
    verdict::Judged,
};

/// One request. Everything that the log line or a later stage needs is here.
#[derive(Debug)]
pub struct RequestContext {
    /// Ours, or a trusted proxy's: a client cannot choose what stands in our logs.
    pub id: RequestId,
    /// Who connected, or whom a PROXY header named.
    pub peer: SocketAddr,
    /// The client, which a trusted proxy may have named in a header.
    pub origin: Origin,
    /// The country that the client is in, where a database says it.
    pub country: Option<Code>,
    /// What its TLS stack looks like.
    pub ja4: Option<Rc<str>>,
    /// The protocol between client and gateway.
    pub protocol: Protocol,
    /// `1.2` or `1.3`.
    pub tls_version: &'static str,
    /// Who the client is, where it showed a certificate that was verified.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// When the request's headers were complete.
    pub start: Instant,
    /// The route that took it.
    pub route: Option<Arc<str>>,
    /// Who sent it, where its route asks.
    pub identity: Option<Identity>,
    /// Why nobody was recognised.
    pub denied: Option<Denied>,
    /// Why a login or a logout did not come to its end.
    pub login: Option<LoginError>,
    /// Which condition of its route does not hold: for the log, never for the client.
    pub forbidden: Option<Forbidden>,
    /// Why a browser's request is refused: for the log, never for the page.
    pub cross_site: Option<CrossSite>,
    /// The page that reads the answer, where its route shares answers.
    pub page: Option<HeaderValue>,
    /// What its answer says that it should not.
    pub leaks: Option<Leaks>,
    /// Which limit it is over: for the log, and for the client, which is told of its limits anyway.
    pub limited: Option<Arc<str>>,
    /// What became of its texts, where its route asks.
    pub sanitised: Option<Box<Sanitised>>,
    /// Whether it looks as it should, where its route asks.
    pub validated: Option<Verdict>,
    /// What is wrong with its looks.
    pub invalid: Option<Box<Invalid>>,
    /// Why its answer does not look as it should: for the log, never for the client.
    pub answer_invalid: Option<Box<Invalid>>,
    /// What a service said of it, where its route asks one.
    pub verdict: Option<Judged>,
    /// Where it went.
    pub choice: Option<Choice>,
    /// Method, where the head was whole.
    pub method: Option<Method>,
    /// What was asked for.
    pub uri: Uri,
    /// What the log was asked to show beside.
    pub details: Details,
    /// Its place in a trace, where traces are made.
    pub trace: Option<TraceContext>,
    /// When it was sent to the upstream.
    pub upstream_sent: Option<Instant>,
    /// Which of its backends answered.
    pub backend: Option<SocketAddr>,
    /// From sending to the upstream until its headers.
    pub upstream_duration: Option<Duration>,
    /// Why the request was refused, if it was.
    pub rejection: Option<Rejection>,
    /// The score of its address, where that is one to watch.
    pub score: Option<u32>,
    /// That of its consumer, likewise.
    pub consumer_score: Option<u32>,
    /// What its browser is shown in place of a refusal.
    pub challenge_page: Option<Box<Page>>,
    /// When the client may try again, where that is known.
    pub retry_after: Option<Duration>,
    /// Methods that are served where this one is not.
    pub allow: Option<String>,
    /// Words for the client instead of those of the refusal.
    pub detail: Option<Arc<str>>,
}

impl RequestContext {
    /// What is wrong with what it says, for the answer that refuses it.
    #[must_use]
    pub fn errors(&self) -> Option<Value> {
        let sanitised = self.sanitised.as_ref();
        let refused = sanitised.filter(|it| it.verdict == sanitise::Verdict::Refused);
        let invalid = refused.and_then(|it| it.invalid.as_ref()).or(self.invalid.as_deref());
        invalid.map(Invalid::errors)
    }

    /// No route takes the request.
    pub fn unrouted(&mut self, missing: Missing) -> Rejection {
        if let Missing::Method(served) = missing {
            self.allow = Some(served.text());
        }
        missing.rejection()
    }
}

/// The protocol between client and gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 or 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http2 => "h2",
        }
    }
}

/// 128 random bits as hex, or what a trusted proxy made; ready to stand in a header.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// A fresh one.
    ///
    /// # Errors
    /// The kernel has no randomness to give; the request is then refused, since an id that could be
    /// guessed or repeated is worse than none.
    pub fn random() -> Result<Self, getrandom::Error> {
        let random = RANDOMNESS.with_borrow_mut(Randomness::take)?;
        let mut hex = [0u8; 2 * ID_BYTES];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(random) {
            let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' - 10 + half };
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        // Hex digits are always a header's value.
        Ok(HeaderValue::from_bytes(&hex).map_or_else(|_| Self::none(), Self::once))
    }

    /// The one that a proxy has given the request: exactly one, and nothing that could be taken for anything else.
    #[must_use]
    pub fn given(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(X_REQUEST_ID).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        let fits = (REQUEST_ID_BYTES_MIN..=REQUEST_ID_BYTES_MAX).contains(&value.len());
        (fits && value.as_bytes().iter().all(plain)).then(|| Self::once(value.clone()))
    }

    /// `connection/sent.rs` knows an answer of ours by its length, which a copy that is kept would change.
    fn once(value: HeaderValue) -> Self {
        Self(never_indexed(value))
    }

    /// For a request that gets none.
    #[must_use]
    pub fn none() -> Self {
        Self(HeaderValue::from_static(""))
    }

    /// As a header's value.
    #[must_use]
    pub fn value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

const ID_BYTES: usize = 16;

/// Randomness of the kernel's, fetched for many ids at once: a system call a request is dear. Each
/// byte is used once, so an id still tells nothing of any other.
struct Randomness {
    bytes: [u8; ID_BYTES * REQUEST_IDS_AT_ONCE],
    used: usize,
}

impl Randomness {
    fn take(&mut self) -> Result<[u8; ID_BYTES], getrandom::Error> {
        if self.used >= self.bytes.len() {
            getrandom::fill(&mut self.bytes)?;
            self.used = 0;
        }
        let mut taken = [0; ID_BYTES];
        for (to, from) in taken.iter_mut().zip(self.bytes.iter_mut().skip(self.used)) {
            *to = std::mem::take(from);
        }
        self.used += ID_BYTES;
        Ok(taken)
    }
}

thread_local! {
    static RANDOMNESS: RefCell<Randomness> = const {
        let bytes = [0; ID_BYTES * REQUEST_IDS_AT_ONCE];
        RefCell::new(Randomness { bytes, used: ID_BYTES * REQUEST_IDS_AT_ONCE })
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_id_is_given_twice() {
        let ids: BTreeSet<String> = (0..3 * REQUEST_IDS_AT_ONCE)
            .map(|_| RequestId::random().unwrap().as_str().to_owned())
            .collect();
        assert_eq!(ids.len(), 3 * REQUEST_IDS_AT_ONCE);
        let hex = |id: &String| id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
        assert!(ids.iter().all(hex));
    }

    #[test]
    fn http2_keeps_no_copy_of_an_id() {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_static("a-proxy-made-this-one-alone"));
        for id in [RequestId::random().ok(), RequestId::given(&headers)] {
            assert!(id.unwrap().value().is_sensitive());
        }
    }
}
