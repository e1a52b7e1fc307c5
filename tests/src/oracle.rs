//! A second implementation of the verdict, written from the specification and sharing nothing with
//! the engine: its own parser, linear scans of lists and rules, its own token arithmetic.

mod judge;
mod limits;
mod parse;
mod policy;
mod rules;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

pub use policy::{
    OracleAction, OracleCountries, OracleLimits, OracleList, OraclePass, OraclePer, OraclePolicy,
    OraclePortLimit, OracleProtocol, OracleRate, OracleRule, OracleService, OracleSynCookies,
    OracleTokens,
};

/// Networks as an address and a length.
pub type Networks = Vec<(IpAddr, u32)>;

/// The two letters of a country.
pub type Letters = [u8; 2];

/// What becomes of a frame, and why. Its text is `verdict reason protocol`, as the counters are
/// named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// `pass`, `drop`, `reply` or `shadow`.
    pub verdict: &'static str,
    /// The stage that decided.
    pub reason: &'static str,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `other`; `none` where there is no IP packet.
    pub protocol: &'static str,
    /// The list that decided, for `protected`, `allow` and `deny`.
    pub list: Option<String>,
    /// The country of the source: the inner one, where that decided.
    pub country: Option<Letters>,
    /// The rule that decided, for `rule` and `rate_rule`.
    pub rule: Option<String>,
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.verdict, self.reason, self.protocol)
    }
}

/// A policy, and the buckets that frames have taken from.
#[derive(Clone, Debug)]
pub struct Oracle {
    policy: OraclePolicy,
    buckets: limits::Buckets,
}

impl Oracle {
    /// With full buckets.
    #[must_use]
    pub fn new(policy: OraclePolicy) -> Self {
        Self { policy, buckets: limits::Buckets::default() }
    }

    /// What becomes of a frame that arrives now. `now_ns` does not run backwards.
    pub fn judge(&mut self, frame: &[u8], now_ns: u64) -> Judgement {
        let mut judgement = self.enforced(frame, now_ns);
        if self.policy.shadow && judgement.verdict != "pass" {
            judgement.verdict = "shadow";
        }
        judgement
    }
}

/// Whether one of the networks holds the address.
fn holds(networks: &Networks, address: IpAddr) -> bool {
    networks.iter().any(|(network, length)| within(address, *network, *length))
}

fn within(address: IpAddr, network: IpAddr, length: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (0..length).all(|bit| bit_v4(address, bit) == bit_v4(network, bit))
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            (0..length).all(|bit| bit_v6(address, bit) == bit_v6(network, bit))
        }
        _ => false,
    }
}

fn bit_v4(address: Ipv4Addr, bit: u32) -> u8 {
    address.octets()[bit as usize / 8] >> (7 - bit % 8) & 1
}

fn bit_v6(address: Ipv6Addr, bit: u32) -> u8 {
    address.octets()[bit as usize / 8] >> (7 - bit % 8) & 1
}
