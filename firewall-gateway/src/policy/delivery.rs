//! How requests reach the backends of an upstream, and what happens when one of them fails.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{QUEUE_MAX, QUEUE_TIMEOUT_MS, UPSTREAM_REQUESTS_MAX};

/// Everything about an upstream but where its backends are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliveryPolicy {
    /// What is spoken to the backends.
    pub protocol: BackendProtocol,
    /// Which backend a request goes to.
    pub balance: BalancePolicy,
    /// Sends a client back to the backend that it was sent to first, by a cookie.
    pub sticky: Option<StickyCookiePolicy>,
    /// A backend that comes, or comes back, gets its full share only after this time; 0 is at once.
    pub slow_start_ms: u64,
    /// Asks each backend whether it is well.
    pub health: Option<HealthPolicy>,
    /// Takes a backend out that fails requests.
    pub ejection: EjectionPolicy,
    /// Refuses requests at once while most of them fail.
    pub breaker: Option<BreakerPolicy>,
    /// Sends a request to another backend when one fails.
    pub retries: RetryPolicy,
    /// Sends a copy of a request to another backend when one is slow.
    pub hedge: Option<HedgePolicy>,
    /// What is taken in at once.
    pub shedding: SheddingPolicy,
    /// In place of the limit `upstream_connect_timeout_ms`.
    pub connect_timeout_ms: Option<u64>,
    /// In place of the limit `upstream_response_timeout_ms`.
    pub response_timeout_ms: Option<u64>,
    /// All attempts of a request together, until the head of the answer; without it what one may take.
    pub request_timeout_ms: Option<u64>,
}

/// What is spoken to a backend. Over TLS it must agree by ALPN; without TLS it is taken to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendProtocol {
    /// HTTP/1.1: a request has its connection to itself.
    #[default]
    Http1,
    /// HTTP/2: many requests share a connection, and trailers pass.
    Http2,
}

/// Which backend a request goes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BalancePolicy {
    /// Each in turn, as often as its weight says.
    #[default]
    RoundRobin,
    /// Of two that chance names, the one with less to do and shorter answers.
    LeastBusy,
    /// The same for the same key, as long as the backends are the same.
    Hash(HashKey),
    /// The first until its quota is full, then the next.
    Quota,
}

/// What a request is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HashKey {
    /// The client's address.
    Address,
    /// A header's value; the client's address where it is not sent.
    Header(String),
    /// A cookie's value; the client's address where it is not sent.
    Cookie(String),
    /// Who sent it; the client's address where that is not known.
    Consumer,
    /// The path without the query.
    Path,
}

/// The cookie that names a backend.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StickyCookiePolicy {
    /// The cookie's name.
    pub cookie: String,
    /// The key that signs it, as hex.
    pub key_hex: String,
}

// The key must not reach a log through a `{policy:?}` somewhere.
impl fmt::Debug for StickyCookiePolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StickyCookiePolicy")
            .field("cookie", &self.cookie)
            .field("key_hex", &"redacted")
            .finish()
    }
}

/// Checks that the gateway makes by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthPolicy {
    /// What is asked for.
    pub path: String,
    /// How often.
    pub interval_ms: u64,
    /// From connecting to the head of the answer.
    pub timeout_ms: u64,
    /// So many good answers in a row make a backend well.
    pub healthy_after: u32,
    /// So many others in a row make it unwell.
    pub unhealthy_after: u32,
    /// The statuses that are good.
    pub statuses: Vec<u16>,
}

/// When a backend is taken out because requests to it fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EjectionPolicy {
    /// So many failures in a row; 0 is never.
    pub failures: u32,
    /// For how long the first time; twice as long each time that it is not well afterwards...
    pub first_ms: u64,
    /// ...up to this.
    pub max_ms: u64,
    /// So many percent of the backends at most.
    pub percent_max: u32,
}

impl Default for EjectionPolicy {
    fn default() -> Self {
        Self { failures: 5, first_ms: 5_000, max_ms: 300_000, percent_max: 50 }
    }
}

/// When an upstream gets no requests at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerPolicy {
    /// It opens when so many percent of the attempts fail...
    pub failures_percent: u32,
    /// ...of at least so many...
    pub requests_min: u32,
    /// ...within this time.
    pub window_ms: u64,
    /// It lets one request through after this time, and closes when that one goes well.
    pub open_ms: u64,
}

/// When a request goes to another backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// Further attempts of one request at most; 0 is none.
    pub attempts_max: u32,
    /// Answers that are taken for failures, where the request may be repeated.
    pub statuses: Vec<u16>,
    /// Retries at most, in percent of the requests...
    pub budget_percent: u32,
    /// ...and so many a second beside that.
    pub budget_per_second: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 2,
            statuses: vec![502, 503, 504],
            budget_percent: 20,
            budget_per_second: 10,
        }
    }
}

/// When a copy of a request goes to another backend: a GET or HEAD without a body, once, out of the budget
/// of retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HedgePolicy {
    /// Where no answer has come for so long.
    pub after_ms: u64,
}

/// What an upstream takes in at once: the rest waits, or is told to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheddingPolicy {
    /// Requests at once.
    pub requests_max: u32,
    /// Requests that wait for one of those to end.
    pub queue_max: u32,
    /// How long one waits.
    pub queue_timeout_ms: u64,
}

impl Default for SheddingPolicy {
    fn default() -> Self {
        Self {
            requests_max: UPSTREAM_REQUESTS_MAX,
            queue_max: QUEUE_MAX,
            queue_timeout_ms: QUEUE_TIMEOUT_MS,
        }
    }
}
