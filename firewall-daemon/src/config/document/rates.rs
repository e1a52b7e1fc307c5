//! `gateway.rate_limits` and `gateway.rate_store` as they are written.

use firewall_gateway::policy::Counted;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::Entries,
    scalar::{Address, FilePath, Flag, Given, Name, Number},
};

/// An entry of `gateway.rate_limits`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitDocument {
    pub name: Spanned<Name>,
    pub algorithm: Option<Spanned<AlgorithmWord>>,
    pub limit: Spanned<Number<1, 1_000_000_000_000>>,
    pub window_s: Option<Spanned<Number<1, 2_678_400>>>,
    pub burst: Option<Spanned<Number<1, 1_000_000_000_000>>>,
    pub wait_max_ms: Option<Spanned<Number<1, 60_000>>>,
    #[serde(default)]
    pub key: Given<Entries<String>>,
    pub count: Option<Spanned<CountWord>>,
    #[serde(default)]
    pub shadow: Flag,
    #[serde(default)]
    pub everywhere: Flag,
    pub shared: Option<Spanned<Flag>>,
    pub keys_max: Option<Number<16, 1_048_576>>,
}

/// `gateway.rate_store`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateStoreDocument {
    pub address: Address,
    pub password: Option<FilePath>,
    pub prefix: Option<Name>,
    pub hosts: Number<1, 1_000>,
    pub timeout_ms: Option<Number<1, 1_000>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlgorithmWord {
    TokenBucket,
    LeakyBucket,
    FixedWindow,
    SlidingLog,
    SlidingCounter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountWord {
    Requests,
    Cost,
    Bytes,
    Failures,
    Concurrency,
}

impl CountWord {
    /// What each of them counts; what is in flight is counted by requests.
    pub fn counted(self) -> Counted {
        match self {
            Self::Requests | Self::Concurrency => Counted::Requests,
            Self::Cost => Counted::Cost,
            Self::Bytes => Counted::Bytes,
            Self::Failures => Counted::Failures,
        }
    }
}
