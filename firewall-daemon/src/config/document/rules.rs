//! `packet.rules` as they are written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::{
        Entries,
        limits::{BurstBytes, BurstPackets, ByteRateNumber, PacketRateNumber, RateDocument},
    },
    scalar::{
        CountryCode, Given, Name, Number,
        ports::{Ports, ProtocolName, TcpFlag},
    },
};

/// An entry of `packet.rules`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleDocument {
    pub name: Spanned<Name>,
    #[serde(default)]
    pub protocol: Given<ProtocolName>,
    #[serde(default)]
    pub ports: Given<Entries<Ports>>,
    #[serde(default)]
    pub icmp_types: Given<Entries<Number<0, 255>>>,
    #[serde(default)]
    pub tcp_flags: Given<Spanned<TcpFlagsDocument>>,
    #[serde(default)]
    pub sources: Given<Entries<String>>,
    #[serde(default)]
    pub countries: Given<Entries<CountryCode>>,
    pub verdict: Spanned<VerdictDocument>,
    #[serde(default)]
    pub limit: Given<Spanned<RuleLimitDocument>>,
}

/// `packet.rules.tcp_flags`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcpFlagsDocument {
    #[serde(default)]
    pub set: Vec<Spanned<TcpFlag>>,
    #[serde(default)]
    pub clear: Vec<Spanned<TcpFlag>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictDocument {
    Pass,
    Drop,
    Limit,
}

/// `packet.rules.limit`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleLimitDocument {
    #[serde(default)]
    pub per: PerDocument,
    #[serde(default)]
    pub rate_pps: Given<PacketRateNumber>,
    #[serde(default)]
    pub burst_packets: Given<BurstPackets>,
    #[serde(default)]
    pub rate_bytes_per_s: Given<ByteRateNumber>,
    #[serde(default)]
    pub burst_bytes: Given<BurstBytes>,
}

impl RuleLimitDocument {
    /// Its rate alone.
    pub fn rate(&self) -> RateDocument {
        RateDocument {
            rate_pps: self.rate_pps,
            burst_packets: self.burst_packets,
            rate_bytes_per_s: self.rate_bytes_per_s,
            burst_bytes: self.burst_bytes,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PerDocument {
    #[default]
    Source,
    Prefix,
    Rule,
}
