//! How much of what passes: rates for each source, port and protocol, and SYN cookies.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// Packets a second, and at once, at most: what a link of 10 Gbit/s carries is 15 million.
pub const RATE_PPS_MAX: u64 = 10_000_000;
/// Bytes a second at least: a fraction of a frame is no rate.
pub const RATE_BYTES_PER_S_MIN: u64 = 1_000;
/// At least one frame: a bucket that holds less lets none through, ever.
pub const BURST_BYTES_MIN: u64 = 1_600;
/// Bytes a second, and at once, at most.
pub const RATE_BYTES_PER_S_MAX: u64 = 100_000_000_000;
/// A bucket is full again after so many seconds at most; past that it is a quota, and a typo.
pub const REFILL_S_MAX: u64 = 3_600;

/// A rate in packets, in bytes, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateConfig {
    /// In packets.
    pub packets: Option<PacketRate>,
    /// In bytes of frames. At least one of the two is there.
    pub bytes: Option<ByteRate>,
}

impl RateConfig {
    /// Whether it is within the bounds that the configuration has too.
    ///
    /// # Errors
    ///
    /// What was expected and what was found.
    pub fn check(self) -> Result<(), String> {
        if self.packets.is_none() && self.bytes.is_none() {
            return Err(
                "expected rate_pps with burst_packets, rate_bytes_per_s with burst_bytes, \
                 or both, found neither"
                    .to_owned(),
            );
        }
        if let Some(PacketRate { rate_pps, burst_packets }) = self.packets {
            let (rate, burst) = (u64::from(rate_pps), u64::from(burst_packets));
            within("rate_pps", 1, RATE_PPS_MAX, rate)?;
            within("burst_packets", 1, RATE_PPS_MAX, burst)?;
            refilled("burst_packets", burst, "rate_pps", rate)?;
        }
        if let Some(ByteRate { rate_bytes_per_s: rate, burst_bytes: burst }) = self.bytes {
            within("rate_bytes_per_s", RATE_BYTES_PER_S_MIN, RATE_BYTES_PER_S_MAX, rate)?;
            within("burst_bytes", BURST_BYTES_MIN, RATE_BYTES_PER_S_MAX, burst)?;
            refilled("burst_bytes", burst, "rate_bytes_per_s", rate)?;
        }
        Ok(())
    }
}

impl fmt::Display for RateConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(PacketRate { rate_pps, burst_packets }) = self.packets {
            write!(formatter, "{rate_pps} packets/s, burst {burst_packets}")?;
        }
        if let Some(ByteRate { rate_bytes_per_s, burst_bytes }) = self.bytes {
            let and = if self.packets.is_some() { ", " } else { "" };
            write!(formatter, "{and}{rate_bytes_per_s} bytes/s, burst {burst_bytes}")?;
        }
        Ok(())
    }
}

fn within(key: &str, min: u64, max: u64, found: u64) -> Result<(), String> {
    if (min..=max).contains(&found) {
        return Ok(());
    }
    Err(format!("expected {key} from {min} to {max}, found {found}"))
}

fn refilled(burst_key: &str, burst: u64, rate_key: &str, rate: u64) -> Result<(), String> {
    if burst.div_ceil(rate) <= REFILL_S_MAX {
        return Ok(());
    }
    Err(format!(
        "expected {burst_key} of at most {REFILL_S_MAX} s of {rate_key} ({}), found {burst}; \
         lower it or raise {rate_key}",
        rate.saturating_mul(REFILL_S_MAX)
    ))
}

/// A rate in packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PacketRate {
    /// Packets a second.
    pub rate_pps: u32,
    /// Packets at once, after quiet.
    pub burst_packets: u32,
}

/// A rate in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByteRate {
    /// Bytes a second.
    pub rate_bytes_per_s: u64,
    /// Bytes at once, after quiet.
    pub burst_bytes: u64,
}

/// The `limits` section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Each IPv4 address, IPv6 /64.
    pub source: Option<RateConfig>,
    /// Each IPv4 /24, IPv6 /48.
    pub prefix: Option<RateConfig>,
    /// Each country; unknown is one of its own.
    pub country: Option<RateConfig>,
    /// TCP SYN without ACK, together.
    pub syn: Option<RateConfig>,
    /// UDP together.
    pub udp: Option<RateConfig>,
    /// ICMP and ICMPv6 together.
    pub icmp: Option<RateConfig>,
    /// All else together.
    pub other: Option<RateConfig>,
    /// Single destination ports.
    pub ports: Vec<PortLimit>,
}

/// What a limit is kept for, ports aside.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum LimitScope {
    /// Each IPv4 address, IPv6 /64.
    Source,
    /// Each IPv4 /24, IPv6 /48.
    Prefix,
    /// Each country; unknown is one of its own.
    Country,
    /// TCP SYN without ACK, together.
    Syn,
    /// UDP together.
    Udp,
    /// ICMP and ICMPv6 together.
    Icmp,
    /// All else together.
    Other,
}

impl LimitScope {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Source, Self::Prefix, Self::Country, Self::Syn, Self::Udp, Self::Icmp, Self::Other];

    /// The word used in the configuration and on the command line.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Prefix => "prefix",
            Self::Country => "country",
            Self::Syn => "syn",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for LimitScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.label())
    }
}

impl LimitsConfig {
    /// The limit of a scope.
    #[must_use]
    pub fn of(&self, scope: LimitScope) -> Option<RateConfig> {
        match scope {
            LimitScope::Source => self.source,
            LimitScope::Prefix => self.prefix,
            LimitScope::Country => self.country,
            LimitScope::Syn => self.syn,
            LimitScope::Udp => self.udp,
            LimitScope::Icmp => self.icmp,
            LimitScope::Other => self.other,
        }
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, scope: LimitScope) -> &mut Option<RateConfig> {
        match scope {
            LimitScope::Source => &mut self.source,
            LimitScope::Prefix => &mut self.prefix,
            LimitScope::Country => &mut self.country,
            LimitScope::Syn => &mut self.syn,
            LimitScope::Udp => &mut self.udp,
            LimitScope::Icmp => &mut self.icmp,
            LimitScope::Other => &mut self.other,
        }
    }
}

/// An entry of `limits.ports`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortLimit {
    /// Whose port.
    pub protocol: PortProtocol,
    /// The destination port.
    pub port: u16,
    /// What may go there.
    pub rate: RateConfig,
}

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortProtocol {
    /// Number 6.
    Tcp,
    /// Number 17.
    Udp,
}

impl fmt::Display for PortProtocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// The `syn_cookies` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynCookiesConfig {
    /// Destination ports, at least one.
    pub ports: BTreeSet<u16>,
    /// From so many SYN a second on, the program answers.
    pub threshold_pps: u32,
}
