//! How requests reach the backends of an upstream, as it is written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::WaitMs;
use crate::config::{
    document::Entries,
    scalar::{Address, Number},
};

/// An entry of `backends`: an address, or a name that has some.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendDocument {
    pub address: Option<Address>,
    pub dns: Option<Spanned<String>>,
    pub port: Option<Number<1, 65_535>>,
    pub refresh_s: Option<Number<1, 86_400>>,
    pub weight: Option<Number<1, 1_000>>,
    pub quota: Option<Number<1, 1_000_000>>,
}

/// `balance`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BalanceDocument {
    #[default]
    RoundRobin,
    LeastBusy,
    Hash,
    Quota,
}

/// `hash`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashDocument {
    pub on: HashOn,
    pub name: Option<Spanned<String>>,
}

/// `hash.on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashOn {
    Address,
    Header,
    Cookie,
    Path,
    Consumer,
}

/// `protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolDocument {
    #[default]
    Http1,
    Http2,
}

/// `sticky_cookie`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StickyCookieDocument {
    pub name: Spanned<String>,
}

/// `health`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthDocument {
    pub path: Spanned<String>,
    pub interval_ms: Option<Number<100, 3_600_000>>,
    pub timeout_ms: Option<Number<1, 60_000>>,
    pub healthy_after: Option<Number<1, 100>>,
    pub unhealthy_after: Option<Number<1, 100>>,
    pub statuses: Option<Entries<Status>>,
}

/// `ejection`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EjectionDocument {
    pub failures: Option<Number<0, 1_000>>,
    pub first_ms: Option<WaitMs>,
    pub max_ms: Option<WaitMs>,
    pub percent_max: Option<Number<0, 99>>,
}

/// `breaker`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerDocument {
    pub failures_percent: Option<Number<1, 100>>,
    pub requests_min: Option<Number<1, 1_000_000>>,
    pub window_ms: Option<WaitMs>,
    pub open_ms: Option<WaitMs>,
}

/// `retries`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetriesDocument {
    pub attempts_max: Option<Number<0, 10>>,
    pub statuses: Option<Entries<Status>>,
    pub budget_percent: Option<Number<0, 100>>,
    pub budget_per_second: Option<Number<0, 100_000>>,
}

/// `hedge`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HedgeDocument {
    pub after_ms: WaitMs,
}

/// A status of an answer.
pub type Status = Number<100, 599>;

/// Requests at once.
pub type RequestsMax = Number<1, 1_000_000>;
