//! How often something may be done: limits, each of which routes name.

use std::{fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatePolicy {
    /// Its name in routes, metrics, the log and for the client.
    pub name: String,
    /// How it counts.
    pub algorithm: RateAlgorithm,
    /// What it counts.
    pub count: Counted,
    /// What it tells requests apart by; nothing counts all together.
    pub key: Vec<KeyPart>,
    /// Whether it only says what it would refuse.
    pub shadow: bool,
    /// Whether it holds for every route that names no limits, and for requests that no route takes.
    pub everywhere: bool,
    /// Whether all hosts of the store count together.
    pub shared: bool,
    /// Keys that are remembered at least.
    pub keys_max: u32,
}

/// How a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the modules of crate::rate say what each one is")]
pub enum RateAlgorithm {
    TokenBucket { limit: u64, window_s: u32, burst: u64 },
    LeakyBucket { limit: u64, window_s: u32, wait_max_ms: u32 },
    FixedWindow { limit: u64, window_s: u32 },
    SlidingLog { limit: u64, window_s: u32 },
    SlidingCounter { limit: u64, window_s: u32 },
    Concurrency { limit: u64 },
}

impl RateAlgorithm {
    /// The most that can pass at once.
    #[must_use]
    pub fn most(self) -> u64 {
        match self {
            Self::TokenBucket { burst, .. } => burst,
            Self::LeakyBucket { .. } => u64::MAX,
            Self::FixedWindow { limit, .. }
            | Self::SlidingLog { limit, .. }
            | Self::SlidingCounter { limit, .. }
            | Self::Concurrency { limit } => limit,
        }
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Each request as one.
    Requests,
    /// Each request as its route's cost.
    Cost,
    /// Bytes of bodies, both ways; known when a request is over.
    Bytes,
    /// Answers of 400 to 498, but 429; likewise.
    Failures,
}

/// A thing that requests are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyPart {
    /// The client: an IPv4 address or an IPv6 /64.
    Address,
    /// Its network: an IPv4 /24 or an IPv6 /48.
    Network,
    /// The country that it is in.
    Country,
    /// Who it is.
    Consumer,
    /// Which of their keys or tokens it has.
    Key,
    /// The route.
    Route,
    /// What a header says, of this name in lower case.
    Header(String),
    /// What a claim of its token says: a name or a path.
    Claim(String),
}

impl KeyPart {
    /// Whether it is known only once the sender is.
    #[must_use]
    pub fn needs_identity(&self) -> bool {
        match self {
            Self::Consumer | Self::Key | Self::Claim(_) => true,
            Self::Address | Self::Network | Self::Country | Self::Route | Self::Header(_) => false,
        }
    }
}

/// Where hosts count together: Redis or Valkey.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateStorePolicy {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its password, where it asks for one.
    pub password: Option<String>,
    /// What its keys begin with.
    pub prefix: String,
    /// How many hosts count together: without the store, each has its part.
    pub hosts: u32,
    /// How long it is waited for.
    pub timeout_ms: u32,
}

// The password stays out of every line.
impl fmt::Debug for RateStorePolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RateStorePolicy")
            .field("address", &self.address)
            .field("prefix", &self.prefix)
            .field("hosts", &self.hosts)
            .field("timeout_ms", &self.timeout_ms)
            .finish_non_exhaustive()
    }
}

/// What requests of a route count, and by which limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteRates {
    /// Its limits; those that hold everywhere where it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Vec<String>>,
    /// What a request counts where costs are counted.
    pub cost: u32,
}

impl Default for RouteRates {
    fn default() -> Self {
        Self { limits: None, cost: 1 }
    }
}
