//! The configuration, valid by construction: [`Config::load`] is the only way to one.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use ipnetwork::IpNetwork;

use crate::control::ListKind;
pub use firewall_gateway::policy::{LogFormat, LogLevel};

mod packet;
mod rules;
mod limits;
mod feeds;
mod behaviour;
mod gateway;
mod jwt;
mod login;
mod tls;
pub mod country;
mod scalar;
mod document;
mod read;
mod valid;

pub use behaviour::{BehaviourConfig, OffenceBans};
pub use feeds::{FeedConfig, GeoUpdateConfig, Provider};
pub use gateway::{
    BackendName, EventsSinks, GatewayConfig, IntrospectionConfig, OpenApiConfig, RateStoreConfig,
    UpstreamConfig, UpstreamTlsConfig,
};
pub use jwt::{JwtConfig, KeysConfig, KeysUrlConfig};
pub use limits::{
    ByteRate, LimitScope, LimitsConfig, PacketRate, PortLimit, PortProtocol, RateConfig,
    SynCookiesConfig,
};
pub use login::{LoginConfig, SessionStoreConfig};
pub use packet::{
    EventsConfig, Fate, GeoConfig, KernelLog, ListConfig, PacketConfig, ProtectConfig, ShadowConfig,
};
pub(crate) use read::options as yaml_options;
pub use read::{ConfigError, FILE_BYTES_MAX as CONFIG_BYTES_MAX};
pub use rules::{LimitPer, PortRange, RuleConfig, RuleProtocol, RuleVerdict, Service, TcpFlags};
pub use tls::{AcmeConfig, CertificateConfig, ClientCertificateConfig, TlsConfig};

/// All of the configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that it was read from.
    pub path: PathBuf,
    /// The file's content.
    pub text: Arc<[u8]>,
    /// Where to attach.
    pub interfaces: Vec<InterfaceConfig>,
    /// What the XDP program does.
    pub packet: PacketConfig,
    /// The gateway, where there is one.
    pub gateway: Option<GatewayConfig>,
    /// The state folder.
    pub state: StateConfig,
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
        Self::from_bytes(path, read::bytes(path)?)
    }

    /// Checks what is to stand in a file: errors and relative paths are those of that file.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, ConfigError> {
        let text: Arc<[u8]> = bytes.as_slice().into();
        let document = read::parse(path, bytes)?;
        Ok(Self { text, ..valid::config(path, document)? })
    }

    /// The line in which a prefix of `packet.deny.prefixes` or `packet.allow.prefixes` stands, as the file
    /// is now.
    #[must_use]
    pub fn line_of(&self, list: ListKind, prefix: IpNetwork) -> Option<u64> {
        let bytes = read::bytes(&self.path).ok()?;
        let packet = read::parse(&self.path, bytes).ok()?.packet;
        let list = match list {
            ListKind::Deny => packet.deny,
            ListKind::Allow => packet.allow,
        };
        let found = list.prefixes.iter().find(|found| found.value.0 == prefix)?;
        Some(found.referenced.line())
    }
}

/// Where to attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// Its name.
    pub name: String,
    /// How.
    pub mode: AttachPolicy,
    /// Whether another XDP program that is attached there makes way.
    pub replace: bool,
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

/// The `state` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// A folder.
    pub path: PathBuf,
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
