//! `gateway.clients` as it is written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::Entries,
    scalar::{Given, Number, Prefix},
};

/// `gateway.clients`; what is left out has the default of [`firewall_gateway::policy::ClientsPolicy`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientsDocument {
    pub proxy_protocol: Option<Spanned<ProxyProtocolWord>>,
    #[serde(default)]
    pub trusted_proxies: Given<Entries<Prefix>>,
    pub address_header: Option<Spanned<AddressHeaderWord>>,
    pub connections_max: Option<Number<1, 65_535>>,
    pub requests_active_max: Option<Number<1, 65_535>>,
    pub requests_per_s: Option<Number<1, 1_000_000>>,
    pub requests_burst: Option<Spanned<Number<1, 1_000_000>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProtocolWord {
    Off,
    Required,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressHeaderWord {
    XForwardedFor,
    Forwarded,
}
