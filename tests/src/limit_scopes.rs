//! A limit of each scope, the traffic that shares one bucket of it, and what may pass.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use firewall_common::Reason;
use firewall_daemon::{
    config::{LimitPer, LimitsConfig, PortLimit, PortProtocol, RateConfig, RuleVerdict},
    datapath::PacketOptions,
    policy::{GeoMode, PolicySource},
};

use crate::{
    engine::plain_options,
    policies::{geo, rule},
};

/// What a limit is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// An IPv4 address, an IPv6 /64.
    Source,
    /// An IPv4 /24, an IPv6 /48.
    Prefix,
    /// A country.
    Country,
    /// UDP.
    Protocol,
    /// A port.
    Port,
    /// All that a rule matches.
    Rule,
}

/// Of what family the traffic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The word in the name of a row.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        }
    }
}

/// The /24 of all IPv4 sources.
const PREFIX_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 0);
/// The /48 of all IPv6 sources.
const PREFIX_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 0);
/// Sources that share the bucket of anything but a source.
const SOURCES: u32 = 256;

impl Scope {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Source, Self::Prefix, Self::Country, Self::Protocol, Self::Port, Self::Rule];

    /// The word in the name of a row.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Prefix => "prefix",
            Self::Country => "country",
            Self::Protocol => "protocol",
            Self::Port => "port",
            Self::Rule => "rule",
        }
    }

    /// A policy with this limit alone, for UDP to a port.
    #[must_use]
    pub fn policy(self, rate: RateConfig, port: u16) -> (PolicySource, PacketOptions) {
        let (mut limits, mut source) = (LimitsConfig::default(), PolicySource::default());
        let on = Some(rate);
        match self {
            Self::Source => limits.source = on,
            Self::Prefix => limits.prefix = on,
            Self::Country => {
                limits.country = on;
                let networks = [("198.51.100.0/24", "SE"), ("2001:db8:d::/48", "SE")];
                source.geo = Some(geo(GeoMode::Block, "KP", &networks));
            }
            Self::Protocol => limits.udp = on,
            Self::Port => {
                limits.ports = vec![PortLimit { protocol: PortProtocol::Udp, port, rate }];
            }
            Self::Rule => {
                let limiting = RuleVerdict::Limit { per: LimitPer::Rule, rate };
                source.rules = vec![rule("limit", None, &[], limiting)];
            }
        }
        (source, PacketOptions { limits, ..plain_options() })
    }

    /// Why what is over the limit is dropped.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Source => Reason::RateSource,
            Self::Prefix => Reason::RatePrefix,
            Self::Country => Reason::RateCountry,
            Self::Protocol => Reason::RateProtocol,
            Self::Port => Reason::RatePort,
            Self::Rule => Reason::RateRule,
        }
    }

    /// Sources that share one bucket: one address or /64 of [`Self::Source`], else many; of IPv4 one after
    /// the other.
    #[must_use]
    pub fn sources(self, family: Family) -> Vec<IpAddr> {
        let count = if self == Self::Source { 1 } else { SOURCES };
        let source = |number: u32| match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(PREFIX_V4.to_bits() + number)),
            Family::V6 => {
                let network = PREFIX_V6.to_bits() | u128::from(number) << 64;
                IpAddr::V6(Ipv6Addr::from_bits(network | 1))
            }
        };
        (0..count).map(source).collect()
    }
}

/// Packets of so many bytes that a limit lets by: at once, and each second.
#[must_use]
pub fn allowance(rate: RateConfig, frame_bytes: usize) -> (f64, f64) {
    let bytes = frame_bytes as f64;
    let packets =
        rate.packets.map(|packets| (f64::from(packets.burst_packets), f64::from(packets.rate_pps)));
    let of_bytes = rate
        .bytes
        .map(|rate| (rate.burst_bytes as f64 / bytes, rate.rate_bytes_per_s as f64 / bytes));
    packets.into_iter().chain(of_bytes).fold((f64::INFINITY, f64::INFINITY), |least, next| {
        (least.0.min(next.0), least.1.min(next.1))
    })
}
