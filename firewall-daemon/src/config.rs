//! The configuration, valid by construction: [`Config::load`] is the only way to one.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use firewall_common::Country;
use firewall_gateway::limits::Limits;
pub use firewall_gateway::policy::{LogFormat, LogLevel};
use ipnetwork::IpNetwork;

use crate::policy::GeoMode;

mod country;
mod scalar;
mod document;
mod read;
mod valid;

pub use read::ConfigError;

/// All of the configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that it was read from.
    pub path: PathBuf,
    /// Where to attach.
    pub interfaces: Vec<InterfaceConfig>,
    /// What the XDP program does.
    pub packet: PacketConfig,
    /// The gateway, where there is one.
    pub gateway: Option<GatewayConfig>,
    /// The control socket.
    pub control: ControlConfig,
    /// The metrics endpoint.
    pub metrics: MetricsConfig,
    /// Log lines.
    pub log: LogConfig,
}

impl Config {
    /// Reads and checks a file. Paths in it are taken from the file's own folder.
    ///
    /// # Errors
    ///
    /// The first thing wrong: its file, line and column, what was expected, what was found.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let document = read::document(path)?;
        valid::config(path, document)
    }
}

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// Where clients connect.
    pub listen: Vec<SocketAddr>,
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub private_key: PathBuf,
    /// The worker's unprivileged user.
    pub user: String,
    /// Threads of the worker.
    pub threads: u16,
    /// Where requests go.
    pub upstream: UpstreamConfig,
    /// Sizes, counts and waits.
    pub limits: Limits,
}

/// The `gateway.upstream` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// The API server.
    pub address: SocketAddr,
    /// The name in its certificate.
    pub server_name: String,
    /// Who may have signed its certificate, PEM.
    pub ca: PathBuf,
    /// Connections, for each thread.
    pub connections_max: u32,
}

/// The `control` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlConfig {
    /// A unix socket.
    pub socket: PathBuf,
}

/// The `metrics` section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// A loopback address.
    pub listen: SocketAddr,
}

/// The `log` section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The least severe line that is written.
    pub level: LogLevel,
    /// How it is written.
    pub format: LogFormat,
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod reference;
