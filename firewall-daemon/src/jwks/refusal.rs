//! Why keys that an endpoint sent are not taken. The last good ones stay in force.

use firewall_gateway::{identity::jwt::keys::KeyError, login::provider::ProviderError};

use crate::{fetch::FetchError, state::StateError};

/// Every name of a reason in metrics: a closed set.
pub const REASONS: [&str; 13] = [
    "connect",
    "tls",
    "timeout",
    "status",
    "redirect",
    "too_large",
    "html",
    "protocol",
    "stopping",
    "keys",
    "discovery",
    "address",
    "store",
];

/// Why keys are not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// They cannot be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// None of them can be used.
    #[error("{0}")]
    Keys(#[from] KeyError),
    /// The provider cannot be used.
    #[error("{0}")]
    Provider(#[from] ProviderError),
    /// Nobody knows where its token endpoint is.
    #[error("token_endpoint: expected a host with an address, found {host:?}: {found}")]
    Address {
        /// The host.
        host: String,
        /// The system's answer.
        found: String,
    },
    /// They are no text.
    #[error("expected keys in UTF-8, found other bytes")]
    Text,
    /// They are in force, and could not be kept for the next start.
    #[error(transparent)]
    Store(#[from] StateError),
}

impl Refusal {
    /// Its name in metrics, one of [`REASONS`].
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.label(),
            Self::Keys(_) | Self::Text => "keys",
            Self::Provider(_) => "discovery",
            Self::Address { .. } => "address",
            Self::Store(_) => "store",
        }
    }
}
