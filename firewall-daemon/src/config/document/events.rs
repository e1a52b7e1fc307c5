//! `gateway.events` and `gateway.verdict_services` as they are written, and `verdict` of a route.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::Entries,
    scalar::{Address, FilePath, Given, Name, Number},
};

/// `gateway.events`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayEventsDocument {
    #[serde(default)]
    pub decisions: Given<Entries<String>>,
    pub source: Option<Spanned<String>>,
    pub queue_max: Option<Number<1, 1_000_000>>,
    pub queue_bytes_max: Option<Number<65_536, 1_073_741_824>>,
    pub file: Option<Spanned<FilePath>>,
    #[serde(default)]
    pub webhook: Given<WebhookDocument>,
    #[serde(default)]
    pub syslog: Given<SyslogDocument>,
}

/// `webhook`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookDocument {
    pub upstream: Spanned<Name>,
    pub path: Spanned<String>,
    pub secret: FilePath,
    pub batch_max: Option<Number<1, 10_000>>,
    pub batch_wait_ms: Option<Number<1, 60_000>>,
    pub timeout_ms: Option<Number<1, 60_000>>,
    pub give_up_s: Option<Number<1, 86_400>>,
}

/// `syslog`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogDocument {
    pub address: Address,
    pub facility: Option<Number<0, 23>>,
    pub give_up_s: Option<Number<1, 86_400>>,
}

/// An entry of `gateway.verdict_services`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictServiceDocument {
    pub name: Spanned<Name>,
    pub upstream: Spanned<Name>,
    pub path: Spanned<String>,
    #[serde(default)]
    pub form: FormWord,
    #[serde(default)]
    pub acr_values: Given<Entries<String>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormWord {
    #[default]
    Seawall,
    Opa,
}

/// `verdict` of a route.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteVerdictDocument {
    pub service: Spanned<Name>,
    pub timeout_ms: Option<Number<1, 10_000>>,
    pub on_failure: OnFailureWord,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailureWord {
    Allow,
    Block,
}
