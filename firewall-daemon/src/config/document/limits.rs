//! `packet.limits` and `packet.syn_cookies` as they are written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::Entries,
    limits::{BURST_BYTES_MIN, RATE_BYTES_PER_S_MAX, RATE_BYTES_PER_S_MIN, RATE_PPS_MAX},
    scalar::{Given, Number, ports::PortName},
};

pub type PacketRateNumber = Number<1, RATE_PPS_MAX>;
pub type BurstPackets = Number<1, RATE_PPS_MAX>;
pub type ByteRateNumber = Number<RATE_BYTES_PER_S_MIN, RATE_BYTES_PER_S_MAX>;
pub type BurstBytes = Number<BURST_BYTES_MIN, RATE_BYTES_PER_S_MAX>;

/// A rate. Where it stands among other keys they are repeated: serde's flatten would lose places
/// and let unknown keys in.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateDocument {
    #[serde(default)]
    pub rate_pps: Given<PacketRateNumber>,
    #[serde(default)]
    pub burst_packets: Given<BurstPackets>,
    #[serde(default)]
    pub rate_bytes_per_s: Given<ByteRateNumber>,
    #[serde(default)]
    pub burst_bytes: Given<BurstBytes>,
}

/// `packet.limits`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsDocument {
    #[serde(default)]
    pub source: Given<Spanned<RateDocument>>,
    #[serde(default)]
    pub prefix: Given<Spanned<RateDocument>>,
    #[serde(default)]
    pub country: Given<Spanned<RateDocument>>,
    #[serde(default)]
    pub syn: Given<Spanned<RateDocument>>,
    #[serde(default)]
    pub udp: Given<Spanned<RateDocument>>,
    #[serde(default)]
    pub icmp: Given<Spanned<RateDocument>>,
    #[serde(default)]
    pub other: Given<Spanned<RateDocument>>,
    #[serde(default)]
    pub ports: Given<Entries<PortLimitDocument>>,
}

/// An entry of `packet.limits.ports`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortLimitDocument {
    pub port: Spanned<PortName>,
    #[serde(default)]
    pub rate_pps: Given<PacketRateNumber>,
    #[serde(default)]
    pub burst_packets: Given<BurstPackets>,
    #[serde(default)]
    pub rate_bytes_per_s: Given<ByteRateNumber>,
    #[serde(default)]
    pub burst_bytes: Given<BurstBytes>,
}

impl PortLimitDocument {
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

/// `packet.syn_cookies`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SynCookiesDocument {
    pub ports: Entries<Number<1, 65_535>>,
    pub threshold_pps: Number<1, 10_000_000>,
}
