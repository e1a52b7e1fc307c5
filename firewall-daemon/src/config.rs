//! The configuration, valid by construction.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use firewall_common::Country;
use ipnetwork::IpNetwork;

use crate::policy::GeoMode;

/// Where to attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// Its name.
    pub name: String,
    /// How.
    pub mode: AttachPolicy,
}

/// In which mode the program may be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachPolicy {
    /// In the driver or not at all.
    Native,
    /// In the driver, or in the network stack where the driver refuses.
    NativeOrGeneric,
    /// In the network stack.
    Generic,
}

/// The `packet` section.
#[derive(Clone, Debug)]
pub struct PacketConfig {
    /// Prefixes that outrank every rule.
    pub protected: Vec<IpNetwork>,
    /// Prefixes that pass.
    pub allow: ListConfig,
    /// Prefixes that are dropped.
    pub deny: ListConfig,
    /// Countries.
    pub geo: Option<GeoConfig>,
    /// Token bucket per source.
    pub rate_limit: Option<RateLimitConfig>,
    /// Frames that are neither IP, ARP nor link control.
    pub non_ip: NonIp,
    /// Sampling of drops.
    pub events: EventsConfig,
    /// Log lines of the XDP program.
    pub kernel_log: KernelLog,
    /// A folder on a bpffs.
    pub pin_path: PathBuf,
}

/// A list: prefixes in the configuration and in files.
#[derive(Clone, Debug, Default)]
pub struct ListConfig {
    /// Prefixes.
    pub prefixes: Vec<IpNetwork>,
    /// Files of prefixes.
    pub files: Vec<PathBuf>,
}

/// The `geo` section.
#[derive(Clone, Debug)]
pub struct GeoConfig {
    /// A MaxMind DB file.
    pub database: PathBuf,
    /// What the countries mean.
    pub mode: GeoMode,
    /// At least one.
    pub countries: BTreeSet<Country>,
}

/// The `rate_limit` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitConfig {
    /// Packets a second and source.
    pub rate_pps: u32,
    /// Packets at once from a source that was quiet.
    pub burst_packets: u32,
}

/// What becomes of frames that are neither IP, ARP nor link control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonIp {
    /// They are dropped.
    Drop,
    /// They pass.
    Pass,
}

/// The `events` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsConfig {
    /// One in so many drops becomes an event; 0 is none.
    pub sample_one_in: u32,
}

/// Whether the XDP program logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelLog {
    /// Not at all.
    Off,
    /// A line a packet.
    Debug,
}

/// The `gateway` section.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Where clients connect.
    pub listen: Vec<SocketAddr>,
}
