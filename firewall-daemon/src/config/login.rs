//! Logins at a provider.

use std::path::PathBuf;

use firewall_gateway::policy::{LoginPolicy, SessionStorePolicy};

use super::{JwtConfig, KeysConfig, KeysUrlConfig};

/// `gateway.session_store`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionStoreConfig {
    /// What the worker is told; the password is not in it.
    pub policy: SessionStorePolicy,
    /// Where the password stands.
    pub password: Option<PathBuf>,
}

/// An entry of `gateway.logins`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginConfig {
    /// What a worker is told; secrets, authorities and what the provider says are not there yet.
    pub policy: LoginPolicy,
    /// Where the provider says what it is, and so where its keys are.
    pub discovery: KeysUrlConfig,
    /// Where the client's secret is.
    pub client_secret: Option<PathBuf>,
}

impl LoginConfig {
    /// The issuer of its ID tokens.
    #[must_use]
    pub fn issuer(&self) -> JwtConfig {
        let client = self.client_secret.as_ref().map(|_| self.policy.client_authentication);
        let keys = KeysConfig::Discovered { endpoint: self.discovery.clone(), client };
        JwtConfig { policy: self.policy.jwt.clone(), keys }
    }
}
