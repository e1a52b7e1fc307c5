//! The configuration file as it is written. Every key is known; an unknown one is an error.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::scalar::{Address, CountryCode, FilePath, InterfaceName, Number, Prefix};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    pub interfaces: Spanned<Vec<Spanned<InterfaceDocument>>>,
    pub packet: PacketDocument,
    pub gateway: Option<GatewayDocument>,
    #[serde(default)]
    pub control: ControlDocument,
    #[serde(default)]
    pub metrics: MetricsDocument,
    #[serde(default)]
    pub log: LogDocument,
}

/// An entry of `interfaces`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceDocument {
    pub name: InterfaceName,
    #[serde(default)]
    pub mode: ModeDocument,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModeDocument {
    #[default]
    Native,
    NativeOrGeneric,
    Generic,
}

/// `packet`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PacketDocument {
    #[serde(default)]
    pub protected: Vec<Prefix>,
    #[serde(default)]
    pub allow: ListDocument,
    #[serde(default)]
    pub deny: ListDocument,
    pub geo: Option<Spanned<GeoDocument>>,
    pub rate_limit: Option<RateLimitDocument>,
    #[serde(default)]
    pub non_ip: NonIpDocument,
    #[serde(default)]
    pub events: EventsDocument,
    #[serde(default)]
    pub kernel_log: KernelLogDocument,
    pub pin_path: Option<Spanned<FilePath>>,
}

/// `packet.allow` and `packet.deny`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListDocument {
    #[serde(default)]
    pub prefixes: Vec<Prefix>,
    #[serde(default)]
    pub files: Vec<FilePath>,
}

/// `packet.geo`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeoDocument {
    pub database: FilePath,
    pub only: Option<Vec<CountryCode>>,
    pub block: Option<Vec<CountryCode>>,
}

/// `packet.rate_limit`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitDocument {
    pub rate_pps: Number<1, 10_000_000>,
    pub burst_packets: Number<1, 10_000_000>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NonIpDocument {
    #[default]
    Drop,
    Pass,
}

/// `packet.events`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsDocument {
    pub sample_one_in: Option<Number<0, 1_000_000_000>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelLogDocument {
    #[default]
    Off,
    Debug,
}

/// `gateway`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayDocument {
    pub listen: Spanned<Vec<Spanned<Address>>>,
    pub certificate: FilePath,
    pub private_key: FilePath,
    pub user: Option<Spanned<String>>,
    pub threads: Option<Number<1, 64>>,
    pub upstream: UpstreamDocument,
    #[serde(default)]
    pub limits: LimitsDocument,
}

/// `gateway.upstream`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamDocument {
    pub address: Address,
    pub server_name: Spanned<String>,
    pub ca: FilePath,
    pub connections_max: Option<Number<1, 65_536>>,
}

/// A wait of at most an hour.
pub type WaitMs = Number<1, 3_600_000>;

/// `gateway.limits`; what is left out has the default of [`firewall_gateway::limits::Limits`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsDocument {
    pub connections_max: Option<Number<1, 1_000_000>>,
    pub header_bytes_max: Option<Number<1_024, 262_144>>,
    pub headers_max: Option<Number<1, 1_000>>,
    pub body_bytes_max: Option<Number<0, 1_099_511_627_776>>,
    pub header_timeout_ms: Option<WaitMs>,
    pub body_timeout_ms: Option<WaitMs>,
    pub idle_timeout_ms: Option<WaitMs>,
    pub tls_handshake_timeout_ms: Option<WaitMs>,
    pub upstream_connect_timeout_ms: Option<WaitMs>,
    pub upstream_response_timeout_ms: Option<WaitMs>,
    pub drain_timeout_ms: Option<WaitMs>,
    pub http2_streams_max: Option<Number<1, 10_000>>,
}

/// `control`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlDocument {
    pub socket: Option<Spanned<FilePath>>,
}

/// `metrics`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsDocument {
    pub listen: Option<Spanned<Address>>,
}

/// `log`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogDocument {
    #[serde(default)]
    pub level: LevelDocument,
    #[serde(default)]
    pub format: FormatDocument,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LevelDocument {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatDocument {
    #[default]
    Json,
    Text,
}
