//! From a document to a configuration: what one value alone cannot tell.

use std::{
    collections::BTreeSet,
    fmt,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use serde_saphyr::{Location, Spanned};

use crate::{
    config::{
        AttachPolicy, Config, ConfigError, ControlConfig, InterfaceConfig, LogConfig, LogFormat,
        LogLevel, MetricsConfig, StateConfig,
        document::{
            Document, Entries, FormatDocument, InterfaceDocument, LevelDocument, LogDocument,
            ModeDocument,
        },
        scalar::{Address, FilePath, Name},
    },
    state,
};

mod packet;
mod rules;
mod feeds;
mod limits;
mod gateway;
mod clients;
mod tls;

/// Interfaces at most: each is a link update in every change of policy.
const INTERFACES_MAX: usize = 16;

const CONTROL_SOCKET: &str = "/run/seawall/control.sock";
const METRICS_LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 9_464);

/// Checks a document that was read from `path`.
pub(super) fn config(path: &Path, document: Document) -> Result<Config, ConfigError> {
    let check = Check { path, folder: path.parent().unwrap_or(Path::new("")) };
    let state = StateConfig { path: check.absolute("path", document.state.path, state::PATH)? };
    let interfaces = check.interfaces(document.interfaces)?;
    let packet = check.packet(document.packet, &state.path)?;
    let database = packet.geo.as_ref().map(|geo| geo.database.as_path());
    let gateway = document.gateway.map(|gateway| check.gateway(gateway, &state.path, database));
    Ok(Config {
        path: path.to_path_buf(),
        text: Default::default(),
        interfaces,
        gateway: gateway.transpose()?,
        packet,
        state,
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

    /// The entries of a list that has so many.
    fn counted<T>(
        &self,
        key: &str,
        range: RangeInclusive<usize>,
        list: Entries<T>,
    ) -> Result<Vec<Spanned<T>>, ConfigError> {
        let found = list.value.len();
        if !range.contains(&found) {
            let (min, max) = range.into_inner();
            let message = format!("{key}: expected {min} to {max} entries, found {found}");
            return self.error(list.referenced, message);
        }
        Ok(list.value)
    }

    /// The name of an entry, which no other of its list has.
    fn new_name<'a>(
        &self,
        name: &Spanned<Name>,
        mut others: impl Iterator<Item = &'a String>,
    ) -> Result<(), ConfigError> {
        let found = &name.value.0;
        if others.any(|other| other == found) {
            let message =
                format!("name: expected each name once, found {found:?} again; rename one");
            return self.error(name.referenced, message);
        }
        Ok(())
    }

    /// Entries none of which is there twice.
    fn each_once<T, U: PartialEq + fmt::Display>(
        &self,
        key: &str,
        entries: Vec<Spanned<T>>,
        value: impl Fn(T) -> U,
    ) -> Result<Vec<U>, ConfigError> {
        self.disjoint(key, entries, value, U::eq)
    }

    /// Entries no two of which say the same.
    fn disjoint<T, U: fmt::Display>(
        &self,
        key: &str,
        entries: Vec<Spanned<T>>,
        value: impl Fn(T) -> U,
        same: impl Fn(&U, &U) -> bool,
    ) -> Result<Vec<U>, ConfigError> {
        let mut checked = Vec::new();
        for entry in entries {
            let found = value(entry.value);
            if let Some(other) = checked.iter().find(|other| same(other, &found)) {
                let again = match (other.to_string(), found.to_string()) {
                    (other, found) if other == found => format!("{found} again"),
                    (other, found) => format!("{found} beside {other}"),
                };
                let message = format!("{key}: expected each once, found {again}; remove one");
                return self.error(entry.referenced, message);
            }
            checked.push(found);
        }
        Ok(checked)
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
        interfaces: Entries<InterfaceDocument>,
    ) -> Result<Vec<InterfaceConfig>, ConfigError> {
        let interfaces = self.counted("interfaces", 1..=INTERFACES_MAX, interfaces)?;
        let mut names = BTreeSet::new();
        let mut checked = Vec::new();
        for interface in interfaces {
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
            checked.push(InterfaceConfig { name, mode, replace: interface.value.replace.0 });
        }
        Ok(checked)
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
