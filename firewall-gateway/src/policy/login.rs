//! Logins of people at a provider (OpenID Connect), and the sessions that follow.

use std::{fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

use super::JwtPolicy;

/// A login, under the name that routes call it by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginPolicy {
    /// What is asked of ID tokens, under the login's name: its one audience is the client.
    pub jwt: JwtPolicy,
    /// Who we are at the provider.
    pub client_id: String,
    /// How we prove it; nothing where we are a public client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretText>,
    /// In which way.
    #[serde(default)]
    pub client_authentication: ClientAuthentication,
    /// What is asked for, `openid` among it.
    pub scopes: Vec<String>,
    /// Where people find us, such as `https://app.example`: logins happen there alone.
    pub origin: String,
    /// The cookie of its sessions.
    pub cookie: String,
    /// A path of ours that a browser is sent to after a logout.
    pub after_logout: String,
    /// Whether a frame of the provider's page ends sessions.
    #[serde(default)]
    pub front_channel_logout: bool,
    /// A session ends that was not used for so long...
    pub idle_timeout_s: u32,
    /// ...and each after so long.
    pub absolute_timeout_s: u32,
    /// Who may have signed the provider's certificate.
    pub ca_pem: String,
    /// What seals logins in progress; at least 32 bytes.
    pub key_hex: SecretText,
    /// The port of the token endpoint: the only one of the provider's that a worker may reach.
    pub port: u16,
    /// What the provider said of itself; nothing where it was never heard. It travels to a worker by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderPolicy>,
}

impl LoginPolicy {
    /// Its name in routes, in paths, in metrics and in the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.jwt.name
    }
}

/// How a client proves to a token endpoint who it is (OpenID Connect Core 1.0, 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientAuthentication {
    /// With its secret in `Authorization: Basic`.
    #[default]
    ClientSecretBasic,
    /// With its secret in the form.
    ClientSecretPost,
}

impl ClientAuthentication {
    /// As discovery documents and the configuration have it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
        }
    }
}

/// A provider's endpoints, as its discovery document names them (OpenID Connect Discovery 1.0, 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderPolicy {
    /// Where people log in.
    pub authorization_endpoint: String,
    /// Where a code becomes a token.
    pub token_endpoint: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Where people log out, if it has such a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_session_endpoint: Option<String>,
    /// Whether it names itself in its answers (RFC 9207).
    pub names_itself: bool,
    /// The addresses of the token endpoint: a worker can look up no name.
    pub addresses: Vec<SocketAddr>,
}

/// Where hosts share sessions: Redis or Valkey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionStorePolicy {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its password, where it asks for one.
    pub password: Option<SecretText>,
    /// What its keys begin with.
    pub prefix: String,
    /// How long it is waited for.
    pub timeout_ms: u32,
    /// For how long sessions that it confirmed hold without it.
    pub away_max_s: u32,
}

/// A text that stays out of logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(pub String);

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("redacted")
    }
}
