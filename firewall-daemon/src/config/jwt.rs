//! Tokens of issuers: what is asked of them, and where their keys are.

use std::{path::PathBuf, time::Duration};

use firewall_gateway::policy::{ClientAuthentication, JwtPolicy};

/// An entry of `gateway.jwt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtConfig {
    /// What is asked of tokens; its keys are not there yet.
    pub policy: JwtPolicy,
    /// Where the keys are.
    pub keys: KeysConfig,
}

/// Where the keys of an issuer are.
#[derive(Clone, PartialEq, Eq)]
pub enum KeysConfig {
    /// In the configuration.
    Inline(String),
    /// In a file: a JWK, a set of them, or PEM.
    File(PathBuf),
    /// At the issuer's endpoint.
    Url(KeysUrlConfig),
    /// Where a provider of logins says that they are.
    Discovered {
        /// Where it says it.
        endpoint: KeysUrlConfig,
        /// How the client proves itself there, where it has a secret.
        client: Option<ClientAuthentication>,
    },
}

/// An issuer's endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysUrlConfig {
    /// Its address.
    pub url: String,
    /// Who may have signed its certificate, PEM; else those that the host trusts.
    pub ca: Option<PathBuf>,
    /// How often it is asked.
    pub interval: Duration,
    /// The last good copy.
    pub copy: PathBuf,
}

// Keys in the configuration may be shared secrets.
impl std::fmt::Debug for KeysConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inline(text) => write!(formatter, "Inline({} bytes)", text.len()),
            Self::File(path) => write!(formatter, "File({})", path.display()),
            Self::Url(url) | Self::Discovered { endpoint: url, .. } => write!(formatter, "{url:?}"),
        }
    }
}
