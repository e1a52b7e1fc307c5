//! Which backend a request goes to: pure rules over what is known of each backend.

mod round_robin;

mod least_busy;

mod hash;

mod quota;

mod sticky;

use std::net::IpAddr;

use http::HeaderMap;

use self::round_robin::RoundRobin;
pub use self::{
    hash::digest,
    sticky::{Signer, is_tag},
};
use crate::{
    headers::cookie,
    policy::{BalancePolicy, HashKey},
};

/// A backend that a request may go to, as it is known at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its place among all backends of the upstream.
    pub index: usize,
    /// Its share, in hundredths of a weight; never 0.
    pub weight: u64,
    /// Requests at once; 0 is any number.
    pub quota: u32,
    /// Requests in flight.
    pub in_flight: u32,
    /// How long its answers took lately.
    pub latency_us: u64,
    /// What it is known by in hashes.
    pub digest: u64,
}

/// What of a request it may be known by.
#[derive(Clone, Copy, Debug)]
pub struct Marks<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its path, without the query.
    pub path: &'a str,
    /// The client's address.
    pub client: IpAddr,
    /// Who sent it, where that is known.
    pub consumer: Option<&'a str>,
}

/// The rule of an upstream, and what one thread remembers for it.
pub struct Balancer {
    rule: BalancePolicy,
    round_robin: RoundRobin,
    chance: u64,
}

impl Balancer {
    /// A rule that has seen no request yet; from the same `seed` follow the same choices.
    #[must_use]
    pub fn new(rule: BalancePolicy, seed: u64) -> Self {
        Self { rule, round_robin: RoundRobin::default(), chance: seed.max(1) }
    }

    /// The place within `candidates` of the one that is chosen; nothing where all are full.
    ///
    /// `key` is what the request is known by.
    pub fn pick(&mut self, candidates: &[Candidate], key: u64) -> Option<usize> {
        match self.rule {
            BalancePolicy::RoundRobin => self.round_robin.pick(candidates),
            BalancePolicy::LeastBusy => least_busy::pick(candidates, self.next_chance()),
            BalancePolicy::Hash(_) => hash::pick(candidates, key),
            BalancePolicy::Quota => quota::pick(candidates),
        }
    }

    // Marsaglia's xorshift: it spreads load, nothing rests on its being secret.
    fn next_chance(&mut self) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance
    }

    /// What a request is known by.
    #[must_use]
    pub fn key(&self, from: &Marks<'_>) -> u64 {
        let BalancePolicy::Hash(key) = &self.rule else { return 0 };
        let named = match key {
            HashKey::Address => None,
            HashKey::Header(name) => from.headers.get(name).map(|value| digest(value.as_bytes())),
            HashKey::Cookie(name) => {
                cookie(from.headers, name).map(|value| digest(value.as_bytes()))
            }
            HashKey::Path => Some(digest(from.path.as_bytes())),
            HashKey::Consumer => from.consumer.map(|consumer| digest(consumer.as_bytes())),
        };
        named.unwrap_or_else(|| match from.client.to_canonical() {
            IpAddr::V4(address) => digest(&address.octets()),
            IpAddr::V6(address) => digest(&address.octets()),
        })
    }
}

#[cfg(test)]
mod tests;
