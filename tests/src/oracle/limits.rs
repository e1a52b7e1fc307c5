//! Token buckets in whole numbers: a token is a billion parts, so that nothing is rounded.
//!
//! A bucket starts full and fills by `rate` a second up to `burst`. A packet of `cost` tokens
//! conforms where so many are there. With GCRA's theoretical arrival time this is the same: the
//! tokens that are missing are `(tat - now) * rate`, so `tat - now <= (burst - cost) / rate`.

use std::{collections::HashMap, net::IpAddr};

use super::OracleRate;

const PARTS: u128 = 1_000_000_000;

/// What a bucket belongs to.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) enum What {
    Source,
    Prefix,
    Country,
    Port { tcp: bool, port: u16 },
    Class(&'static str),
    Rule(usize),
    SynCookies { v6: bool, port: u16 },
}

/// Whose bucket it is.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) enum Whose {
    Everyones,
    Network(IpAddr, u32),
    Country(Option<[u8; 2]>),
}

impl Whose {
    /// The IPv4 address, or the first 64 bits.
    pub fn source(address: IpAddr) -> Self {
        Self::network(address, 32, 64)
    }

    /// The first 24 bits of an IPv4 address, the first 48 of an IPv6 one.
    pub fn prefix(address: IpAddr) -> Self {
        Self::network(address, 24, 48)
    }

    fn network(address: IpAddr, v4: u32, v6: u32) -> Self {
        match address {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                let kept = if v4 == 32 { [a, b, c, d] } else { [a, b, c, 0] };
                Self::Network(kept.into(), v4)
            }
            IpAddr::V6(address) => {
                let mut segments = address.segments();
                segments[v6 as usize / 16..].fill(0);
                Self::Network(segments.into(), v6)
            }
        }
    }
}

/// Tokens of one bucket, in parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    parts: u128,
    at_ns: u64,
}

impl Bucket {
    pub fn full(burst: u64, now_ns: u64) -> Self {
        Self { parts: u128::from(burst) * PARTS, at_ns: now_ns }
    }

    /// Takes `cost` tokens, where they are there.
    pub fn take(&mut self, rate: u64, burst: u64, cost: u64, now_ns: u64) -> bool {
        let since = now_ns.saturating_sub(self.at_ns);
        let filled = self.parts + u128::from(since) * u128::from(rate);
        self.parts = filled.min(u128::from(burst) * PARTS);
        self.at_ns = self.at_ns.max(now_ns);
        match self.parts.checked_sub(u128::from(cost) * PARTS) {
            Some(left) => {
                self.parts = left;
                true
            }
            None => false,
        }
    }
}

/// All buckets; packets and bytes of one limit are two.
#[derive(Clone, Debug, Default)]
pub(super) struct Buckets(HashMap<(What, Whose, bool), Bucket>);

impl Buckets {
    /// Whether a packet of so many bytes conforms. Packets are asked first; where they refuse,
    /// bytes are not asked.
    pub fn conforms(
        &mut self,
        what: What,
        whose: Whose,
        rate: &OracleRate,
        bytes: u64,
        now_ns: u64,
    ) -> bool {
        [(false, rate.packets, 1), (true, rate.bytes, bytes)].into_iter().all(
            |(of_bytes, tokens, cost)| {
                tokens.is_none_or(|tokens| {
                    self.0
                        .entry((what, whose, of_bytes))
                        .or_insert_with(|| Bucket::full(tokens.burst, now_ns))
                        .take(tokens.rate, tokens.burst, cost, now_ns)
                })
            },
        )
    }
}
