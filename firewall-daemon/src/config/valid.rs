//! From a document to a configuration: what one value alone cannot tell.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
};

use firewall_gateway::limits::Limits;
use serde_saphyr::{Location, Spanned};

use crate::{
    config::{
        AttachPolicy, Config, ConfigError, ControlConfig, EventsConfig, GatewayConfig, GeoConfig,
        InterfaceConfig, KernelLog, ListConfig, LogConfig, LogFormat, LogLevel, MetricsConfig,
        NonIp, PacketConfig, RateLimitConfig, UpstreamConfig,
        document::{
            Document, FormatDocument, GatewayDocument, GeoDocument, KernelLogDocument,
            LevelDocument, LimitsDocument, ListDocument, LogDocument, ModeDocument, NonIpDocument,
            PacketDocument,
        },
        scalar::{Address, CountryCode, FilePath, Prefix},
    },
    policy::GeoMode,
};

/// Interfaces at most: each is a link update in every change of policy.
const INTERFACES_MAX: usize = 16;
/// Addresses at most on which clients connect.
const LISTENS_MAX: usize = firewall_gateway::limits::LISTEN_ADDRESSES_MAX;
const THREADS_MAX: usize = firewall_gateway::limits::THREADS_MAX as usize;

const PIN_PATH: &str = "/sys/fs/bpf/seawall";
const CONTROL_SOCKET: &str = "/run/seawall/control.sock";
const METRICS_LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 9_464);
const GATEWAY_USER: &str = "seawall";
const SAMPLE_ONE_IN: u32 = 100;
const UPSTREAM_CONNECTIONS_MAX: u32 = 256;

/// Checks a document that was read from `path`.
pub(super) fn config(path: &Path, document: Document) -> Result<Config, ConfigError> {
    let check = Check { path, folder: path.parent().unwrap_or(Path::new("")) };
    Ok(Config {
        path: path.to_path_buf(),
        interfaces: check.interfaces(document.interfaces)?,
        packet: check.packet(document.packet)?,
        gateway: document.gateway.map(|gateway| check.gateway(gateway)).transpose()?,
        control: ControlConfig {
            socket: check.absolute("socket", document.control.socket, CONTROL_SOCKET)?,
        },
        metrics: MetricsConfig { listen: check.metrics_listen(document.metrics.listen)? },
        log: log(document.log),
    })
}

struct Check<'a> {
    path: &'a Path,
    folder: &'a Path,
}

impl Check<'_> {
    fn error<T>(&self, location: Location, message: String) -> Result<T, ConfigError> {
        Err(ConfigError::at(self.path, location, message))
    }

    fn file(&self, path: FilePath) -> PathBuf {
        self.folder.join(path.0)
    }

    fn absolute(
        &self,
        key: &str,
        path: Option<Spanned<FilePath>>,
        default: &str,
    ) -> Result<PathBuf, ConfigError> {
        match path {
            None => Ok(PathBuf::from(default)),
            Some(path) if path.value.0.is_absolute() => Ok(path.value.0),
            Some(path) => {
                let found = path.value.0.display().to_string();
                let message = format!("{key}: expected a path from /, found {found:?}");
                self.error(path.referenced, message)
            }
        }
    }

    fn interfaces(
        &self,
        interfaces: Spanned<Vec<Spanned<super::document::InterfaceDocument>>>,
    ) -> Result<Vec<InterfaceConfig>, ConfigError> {
        let found = interfaces.value.len();
        if !(1..=INTERFACES_MAX).contains(&found) {
            let message = format!("expected 1 to {INTERFACES_MAX} interfaces, found {found}");
            return self.error(interfaces.referenced, message);
        }
        let mut names = BTreeSet::new();
        let mut checked = Vec::new();
        for interface in interfaces.value {
            let name = interface.value.name.0;
            if !names.insert(name.clone()) {
                let message =
                    format!("expected each interface once, found {name:?} again; remove one");
                return self.error(interface.referenced, message);
            }
            let mode = match interface.value.mode {
                ModeDocument::Native => AttachPolicy::Native,
                ModeDocument::NativeOrGeneric => AttachPolicy::NativeOrGeneric,
                ModeDocument::Generic => AttachPolicy::Generic,
            };
            checked.push(InterfaceConfig { name, mode });
        }
        Ok(checked)
    }

    fn packet(&self, packet: PacketDocument) -> Result<PacketConfig, ConfigError> {
        Ok(PacketConfig {
            protected: prefixes(packet.protected),
            allow: self.list(packet.allow),
            deny: self.list(packet.deny),
            geo: packet.geo.map(|geo| self.geo(geo)).transpose()?,
            rate_limit: packet.rate_limit.map(|limit| RateLimitConfig {
                rate_pps: limit.rate_pps.cast(),
                burst_packets: limit.burst_packets.cast(),
            }),
            non_ip: match packet.non_ip {
                NonIpDocument::Drop => NonIp::Drop,
                NonIpDocument::Pass => NonIp::Pass,
            },
            events: EventsConfig {
                sample_one_in: packet
                    .events
                    .sample_one_in
                    .map_or(SAMPLE_ONE_IN, |number| number.cast()),
            },
            kernel_log: match packet.kernel_log {
                KernelLogDocument::Off => KernelLog::Off,
                KernelLogDocument::Debug => KernelLog::Debug,
            },
            pin_path: self.absolute("pin_path", packet.pin_path, PIN_PATH)?,
        })
    }

    fn list(&self, list: ListDocument) -> ListConfig {
        ListConfig {
            prefixes: prefixes(list.prefixes),
            files: list.files.into_iter().map(|file| self.file(file)).collect(),
        }
    }

    fn geo(&self, geo: Spanned<GeoDocument>) -> Result<GeoConfig, ConfigError> {
        let (mode, countries) = match (geo.value.only, geo.value.block) {
            (Some(countries), None) => (GeoMode::Only, countries),
            (None, Some(countries)) => (GeoMode::Block, countries),
            (Some(_), Some(_)) | (None, None) => {
                let message = "geo: expected either `only` or `block`, found both or neither";
                return self.error(geo.referenced, message.to_owned());
            }
        };
        if countries.is_empty() {
            let message = "geo: expected at least one country, found an empty list; \
                           without the geo section no country is asked for";
            return self.error(geo.referenced, message.to_owned());
        }
        let countries = countries.into_iter().map(|CountryCode(country)| country).collect();
        Ok(GeoConfig { database: self.file(geo.value.database), mode, countries })
    }

    fn gateway(&self, gateway: GatewayDocument) -> Result<GatewayConfig, ConfigError> {
        let threads = match gateway.threads {
            Some(threads) => threads.cast(),
            None => {
                thread::available_parallelism().map_or(1, |cpus| cpus.get().min(THREADS_MAX)) as u16
            }
        };
        let upstream = gateway.upstream;
        Ok(GatewayConfig {
            listen: self.listen(gateway.listen)?,
            certificate: self.file(gateway.certificate),
            private_key: self.file(gateway.private_key),
            user: self.user(gateway.user)?,
            threads,
            upstream: UpstreamConfig {
                address: upstream.address.0,
                server_name: self.server_name(upstream.server_name)?,
                ca: self.file(upstream.ca),
                connections_max: upstream
                    .connections_max
                    .map_or(UPSTREAM_CONNECTIONS_MAX, |number| number.cast()),
            },
            limits: limits(&gateway.limits),
        })
    }

    fn listen(
        &self,
        listen: Spanned<Vec<Spanned<Address>>>,
    ) -> Result<Vec<SocketAddr>, ConfigError> {
        let found = listen.value.len();
        if !(1..=LISTENS_MAX).contains(&found) {
            let message = format!("listen: expected 1 to {LISTENS_MAX} addresses, found {found}");
            return self.error(listen.referenced, message);
        }
        let mut checked = Vec::new();
        for address in listen.value {
            if checked.contains(&address.value.0) {
                let found = address.value.0;
                let message = format!("listen: expected each address once, found {found} again");
                return self.error(address.referenced, message);
            }
            checked.push(address.value.0);
        }
        Ok(checked)
    }

    fn user(&self, user: Option<Spanned<String>>) -> Result<String, ConfigError> {
        let Some(user) = user else { return Ok(GATEWAY_USER.to_owned()) };
        // useradd(8) allows 32 characters.
        if user.value.is_empty() || user.value.len() > 32 || user.value.contains('\0') {
            let message = format!("user: expected the name of a user, found {:?}", user.value);
            return self.error(user.referenced, message);
        }
        if user.value == "root" {
            let message = "user: expected an unprivileged user, found \"root\"; \
                           the gateway parses what anyone sends";
            return self.error(user.referenced, message.to_owned());
        }
        Ok(user.value)
    }

    fn server_name(&self, name: Spanned<String>) -> Result<String, ConfigError> {
        if rustls::pki_types::ServerName::try_from(name.value.as_str()).is_err() {
            let message = format!(
                "server_name: expected the DNS name or address in the upstream's certificate, found {:?}",
                name.value
            );
            return self.error(name.referenced, message);
        }
        Ok(name.value)
    }

    fn metrics_listen(&self, listen: Option<Spanned<Address>>) -> Result<SocketAddr, ConfigError> {
        match listen {
            None => Ok(SocketAddr::from(METRICS_LISTEN)),
            Some(listen) if listen.value.0.ip().is_loopback() => Ok(listen.value.0),
            Some(listen) => {
                let message = format!(
                    "listen: expected a loopback address such as 127.0.0.1:9464, found {}; \
                     metrics tell strangers what is blocked",
                    listen.value.0
                );
                self.error(listen.referenced, message)
            }
        }
    }
}

fn prefixes(prefixes: Vec<Prefix>) -> Vec<ipnetwork::IpNetwork> {
    prefixes.into_iter().map(|Prefix(prefix)| prefix).collect()
}

fn limits(document: &LimitsDocument) -> Limits {
    let default = Limits::default();
    let wait = |wait: Option<super::document::WaitMs>, default| wait.map_or(default, |wait| wait.0);
    Limits {
        connections_max: document
            .connections_max
            .map_or(default.connections_max, |number| number.cast()),
        header_bytes_max: document
            .header_bytes_max
            .map_or(default.header_bytes_max, |number| number.cast()),
        headers_max: document.headers_max.map_or(default.headers_max, |number| number.cast()),
        body_bytes_max: document.body_bytes_max.map_or(default.body_bytes_max, |number| number.0),
        header_timeout_ms: wait(document.header_timeout_ms, default.header_timeout_ms),
        body_timeout_ms: wait(document.body_timeout_ms, default.body_timeout_ms),
        idle_timeout_ms: wait(document.idle_timeout_ms, default.idle_timeout_ms),
        tls_handshake_timeout_ms: wait(
            document.tls_handshake_timeout_ms,
            default.tls_handshake_timeout_ms,
        ),
        upstream_connect_timeout_ms: wait(
            document.upstream_connect_timeout_ms,
            default.upstream_connect_timeout_ms,
        ),
        upstream_response_timeout_ms: wait(
            document.upstream_response_timeout_ms,
            default.upstream_response_timeout_ms,
        ),
        drain_timeout_ms: wait(document.drain_timeout_ms, default.drain_timeout_ms),
        http2_streams_max: document
            .http2_streams_max
            .map_or(default.http2_streams_max, |number| number.cast()),
    }
}

fn log(log: LogDocument) -> LogConfig {
    LogConfig {
        level: match log.level {
            LevelDocument::Error => LogLevel::Error,
            LevelDocument::Warn => LogLevel::Warn,
            LevelDocument::Info => LogLevel::Info,
            LevelDocument::Debug => LogLevel::Debug,
            LevelDocument::Trace => LogLevel::Trace,
        },
        format: match log.format {
            FormatDocument::Json => LogFormat::Json,
            FormatDocument::Text => LogFormat::Text,
        },
    }
}
