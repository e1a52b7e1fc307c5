//! What a rule asks of a packet, and what is public.

use std::{collections::BTreeSet, fmt};

use firewall_common::Country;

use crate::config::RateConfig;

/// An entry of `packet.rules`. What is left out or empty matches every packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleConfig {
    /// Unique; the label of its counters.
    pub name: String,
    /// The protocol.
    pub protocol: Option<RuleProtocol>,
    /// Destination ports; the protocol is TCP or UDP.
    pub ports: Vec<PortRange>,
    /// Types; the protocol is ICMP or ICMPv6.
    pub icmp_types: Vec<u8>,
    /// Flags; the protocol is TCP.
    pub tcp_flags: Option<TcpFlags>,
    /// Names of `packet.sets`, one of which has the source.
    pub sources: Vec<String>,
    /// Countries, one of which is the source's.
    pub countries: BTreeSet<Country>,
    /// What becomes of a packet that matches.
    pub verdict: RuleVerdict,
}

/// A protocol, as a rule names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleProtocol {
    /// Number 6.
    Tcp,
    /// Number 17.
    Udp,
    /// Number 1.
    Icmp,
    /// Number 58.
    Icmpv6,
    /// Any other.
    Number(u8),
}

impl fmt::Display for RuleProtocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => formatter.write_str("tcp"),
            Self::Udp => formatter.write_str("udp"),
            Self::Icmp => formatter.write_str("icmp"),
            Self::Icmpv6 => formatter.write_str("icmpv6"),
            Self::Number(number) => number.fmt(formatter),
        }
    }
}

/// Ports from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// From 1.
    pub first: u16,
    /// Not below the first.
    pub last: u16,
}

impl PortRange {
    /// Whether they have a port in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return self.first.fmt(formatter);
        }
        write!(formatter, "{}-{}", self.first, self.last)
    }
}

/// An entry of `packet.public_ports`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Ports of TCP.
    Tcp(PortRange),
    /// Ports of UDP.
    Udp(PortRange),
    /// Echo requests of ICMP and ICMPv6.
    IcmpEcho,
}

impl Service {
    /// Whether a packet could be for both.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::Tcp(range), Self::Tcp(other)) | (Self::Udp(range), Self::Udp(other)) => {
                range.overlaps(other)
            }
            (service, other) => service == other,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(range) => write!(formatter, "{range}/tcp"),
            Self::Udp(range) => write!(formatter, "{range}/udp"),
            Self::IcmpEcho => formatter.write_str("icmp_echo"),
        }
    }
}

/// Flags that are set and flags that are not; bits as in the TCP header, from FIN = 1 to CWR = 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFlags {
    /// All of these are set.
    pub set: u8,
    /// None of these is; none is in both.
    pub clear: u8,
}

/// What becomes of a packet that a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleVerdict {
    /// It passes, as far as limits let it.
    Pass,
    /// It is dropped.
    Drop,
    /// It is dropped where its bucket is empty; else the next rule is asked.
    Limit {
        /// Who shares a bucket.
        per: LimitPer,
        /// How much a bucket gives.
        rate: RateConfig,
    },
}

/// Who shares a bucket of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitPer {
    /// An IPv4 address, an IPv6 /64.
    Source,
    /// An IPv4 /24, an IPv6 /48.
    Prefix,
    /// All that the rule matches.
    Rule,
}
