//! What the oracle judges by: plain data.

use std::net::IpAddr;

use super::{Letters, Networks};

/// What the oracle judges by. The default lets all in that is neither malformed, nor not IP, nor a
/// later fragment, nor TCP with flags that do not go together.
#[derive(Clone, Debug, Default)]
pub struct OraclePolicy {
    /// Lists that outrank every other.
    pub protected: Vec<OracleList>,
    /// Lists that pass.
    pub allow: Vec<OracleList>,
    /// Lists that are dropped.
    pub deny: Vec<OracleList>,
    /// Banned sources: IPv4 addresses, and IPv6 addresses that stand for their /64.
    pub bans: Vec<IpAddr>,
    /// Networks and their countries: the most specific that holds an address has its country.
    pub geo: Vec<((IpAddr, u32), Letters)>,
    /// Which countries are dropped.
    pub countries: OracleCountries,
    /// Countries that would be dropped, and are in shadow.
    pub shadow_countries: Vec<Letters>,
    /// Whether the whole policy is in shadow.
    pub shadow: bool,
    /// Source sets for rules.
    pub sets: Vec<(String, Networks)>,
    /// The first that matches and does not only limit decides.
    pub rules: Vec<OracleRule>,
    /// Whether what no rule decides is dropped, where there are no public services.
    pub default_drop: bool,
    /// Services that anyone may reach; none are all.
    pub public: Vec<OracleService>,
    /// How much of what is wanted.
    pub limits: OracleLimits,
    /// SYN cookies, where they are on.
    pub syn_cookies: Option<OracleSynCookies>,
    /// What else passes.
    pub pass: OraclePass,
}

/// A named list.
#[derive(Clone, Debug, Default)]
pub struct OracleList {
    /// Its name.
    pub name: String,
    /// Whether it only says what it would drop (deny lists alone).
    pub shadow: bool,
    /// What it holds.
    pub networks: Networks,
}

/// Which countries are dropped.
#[derive(Clone, Debug, Default)]
pub enum OracleCountries {
    /// None.
    #[default]
    None,
    /// All but these, the unknown one too.
    Only(Vec<Letters>),
    /// These.
    Block(Vec<Letters>),
}

/// Whether frames pass that are dropped by default.
#[derive(Clone, Debug, Default)]
pub struct OraclePass {
    /// Frames that cannot be read.
    pub malformed: bool,
    /// Frames that are neither IP nor link control.
    pub non_ip: bool,
    /// TCP flags that do not go together.
    pub tcp_flags: bool,
    /// Fragments that are not the first.
    pub fragments: bool,
}

/// One rule; what is empty matches everything.
#[derive(Clone, Debug, Default)]
pub struct OracleRule {
    /// Its name.
    pub name: String,
    /// What the packet carries.
    pub protocol: OracleProtocol,
    /// Destination ports, first and last.
    pub ports: Vec<(u16, u16)>,
    /// ICMP types.
    pub icmp_types: Vec<u8>,
    /// TCP flags that are set.
    pub flags_set: u8,
    /// TCP flags that are clear.
    pub flags_clear: u8,
    /// Names of sets, one of which holds the source.
    pub sources: Vec<String>,
    /// Countries, one of which is the source's.
    pub countries: Vec<Letters>,
    /// What the rule does.
    pub action: OracleAction,
}

/// What a rule asks of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OracleProtocol {
    /// Nothing.
    #[default]
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, in IPv4 alone.
    Icmp,
    /// ICMPv6, in IPv6 alone.
    Icmpv6,
    /// The number, in either family.
    Number(u8),
}

/// What a rule does.
#[derive(Clone, Debug, Default)]
pub enum OracleAction {
    /// It lets the packet on to the limits.
    #[default]
    Pass,
    /// It drops it.
    Drop,
    /// It takes from a bucket, and leaves the rest to the rules behind it.
    Limit(OraclePer, OracleRate),
}

/// Whose bucket a rule takes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OraclePer {
    /// One for every IPv4 address and IPv6 /64.
    #[default]
    Source,
    /// One for every /24 and /48.
    Prefix,
    /// One.
    Rule,
}

/// A service that anyone may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OracleService {
    /// TCP ports, first and last.
    Tcp(u16, u16),
    /// UDP ports, first and last.
    Udp(u16, u16),
    /// Echo requests of both families.
    IcmpEcho,
}

/// A rate and a burst.
#[derive(Clone, Copy, Debug)]
pub struct OracleTokens {
    /// Tokens a second.
    pub rate: u64,
    /// Tokens that a full bucket holds.
    pub burst: u64,
}

/// A limit of packets, of bytes, or of both.
#[derive(Clone, Copy, Debug, Default)]
pub struct OracleRate {
    /// Packets a second.
    pub packets: Option<OracleTokens>,
    /// Bytes of whole frames a second.
    pub bytes: Option<OracleTokens>,
}

/// The limits.
#[derive(Clone, Debug, Default)]
pub struct OracleLimits {
    /// For every IPv4 address and IPv6 /64.
    pub source: Option<OracleRate>,
    /// For every /24 and /48.
    pub prefix: Option<OracleRate>,
    /// For every country, and for the unknown one.
    pub country: Option<OracleRate>,
    /// TCP SYN without ACK, of all sources.
    pub syn: Option<OracleRate>,
    /// UDP of all sources.
    pub udp: Option<OracleRate>,
    /// ICMP and ICMPv6 of all sources.
    pub icmp: Option<OracleRate>,
    /// All else, of all sources.
    pub other: Option<OracleRate>,
    /// By destination port.
    pub ports: Vec<OraclePortLimit>,
}

/// The limit of one destination port.
#[derive(Clone, Copy, Debug)]
pub struct OraclePortLimit {
    /// Whether it is a TCP port; a UDP port where not.
    pub tcp: bool,
    /// The port.
    pub port: u16,
    /// How much, of all sources.
    pub rate: OracleRate,
}

/// When the program answers SYNs itself.
#[derive(Clone, Debug)]
pub struct OracleSynCookies {
    /// The ports it answers for.
    pub ports: Vec<u16>,
    /// The SYNs a second, of all sources to all these ports, that it lets through.
    pub threshold_pps: u64,
}

impl OracleSynCookies {
    /// One bucket for all sources and all listed ports.
    pub(super) fn meter(&self) -> OracleRate {
        let rate = self.threshold_pps;
        let packets = OracleTokens { rate, burst: (rate / 10).max(1) };
        OracleRate { packets: Some(packets), bytes: None }
    }
}
