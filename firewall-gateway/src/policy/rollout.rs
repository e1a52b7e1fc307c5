//! Which of several upstreams a request of a route goes to.

use serde::{Deserialize, Serialize};

/// Where the requests of a route go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardPolicy {
    /// The upstreams, and which part each gets; at least one.
    pub shares: Vec<SharePolicy>,
    /// Requests that say themselves where they go; the first that fits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<OverridePolicy>,
    /// What keeps a client where it is; nothing where each request is for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// The path that the upstream is asked for; see [`crate::route::Template`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<String>,
    /// Who gets a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<MirrorPolicy>,
    /// What is tried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryPolicy>,
}

impl ForwardPolicy {
    /// All of it to one upstream.
    #[must_use]
    pub fn to(upstream: usize) -> Self {
        Self {
            shares: vec![SharePolicy { upstream, weight: 1 }],
            overrides: Vec::new(),
            sticky: None,
            rewrite: None,
            mirror: None,
            canary: None,
        }
    }

    /// Every upstream that is named, as its place in `GatewayPolicy::upstreams`.
    pub fn upstreams(&self) -> impl Iterator<Item = usize> {
        self.answering().chain(self.mirror.iter().map(|mirror| mirror.upstream))
    }

    /// Those whose answer a client may get.
    pub fn answering(&self) -> impl Iterator<Item = usize> {
        let shares = self.shares.iter().map(|share| share.upstream);
        shares
            .chain(self.overrides.iter().map(|one| one.upstream))
            .chain(self.canary.iter().map(|canary| canary.upstream))
    }
}

/// A part of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharePolicy {
    /// The upstream's place in `GatewayPolicy::upstreams`.
    pub upstream: usize,
    /// Its part of the sum of all weights.
    pub weight: u32,
}

/// A header or cookie with this value goes to this upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverridePolicy {
    /// Where the value is looked for.
    pub source: Source,
    /// What it must be.
    pub value: String,
    /// The upstream's place in `GatewayPolicy::upstreams`.
    pub upstream: usize,
}

/// What of a request is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The header of this name, in lower case.
    Header(String),
    /// The cookie of this name.
    Cookie(String),
}

/// What tells a client from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sticky {
    /// Its address; an IPv6 one by its /64.
    Address,
    /// A header or cookie; its address where that is missing.
    Source(Source),
    /// Who it is, which the route's authentication tells.
    Consumer,
}

/// A copy of some requests, whose answer is thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorPolicy {
    /// The upstream's place in `GatewayPolicy::upstreams`.
    pub upstream: usize,
    /// 1 to 100.
    pub percent: u8,
    /// A request with a larger body is not copied.
    pub body_bytes_max: u32,
}

/// A part of the requests that goes back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryPolicy {
    /// The upstream's place in `GatewayPolicy::upstreams`.
    pub upstream: usize,
    /// 1 to 100: the shares get the rest.
    pub percent: u8,
    /// More errors than this of the window's requests end it.
    pub error_percent_max: u8,
    /// Fewer requests than this in the window tell nothing.
    pub requests_min: u32,
    /// How far back is looked.
    pub window_s: u32,
}
