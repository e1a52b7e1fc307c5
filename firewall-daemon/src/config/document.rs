//! The configuration file as it is written. Every key is known; an unknown one is an error.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::scalar::{Address, FilePath, Flag, InterfaceName};

pub mod packet;
pub mod rules;
pub mod limits;
pub mod feeds;
pub mod gateway;
pub mod tls;
pub mod routes;
pub mod jwt;
pub mod login;
pub mod consumers;
pub mod events;
pub mod behaviour;
pub mod authorise;
pub mod browser;
pub mod rates;
pub mod validate;
pub mod clients;
pub mod answers;
pub mod sanitise;
pub mod scrub;
pub mod introspection;

use gateway::GatewayDocument;
use packet::PacketDocument;

/// A list whose length and entries know their place in the file.
pub type Entries<T> = Spanned<Vec<Spanned<T>>>;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    pub interfaces: Entries<InterfaceDocument>,
    pub packet: PacketDocument,
    pub gateway: Option<GatewayDocument>,
    #[serde(default)]
    pub state: StateDocument,
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
    #[serde(default)]
    pub replace: Flag,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModeDocument {
    #[default]
    Native,
    NativeOrGeneric,
    Generic,
}

/// `state`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateDocument {
    pub path: Option<Spanned<FilePath>>,
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
