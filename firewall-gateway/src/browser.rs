//! What browsers are told and what they tell: who may read an answer (CORS), whose page a request comes from
//! (CSRF), and who gets a cookie. Browsers keep these rules for their users; a client that is none can say
//! anything here, which is why nothing of it says who somebody is.

mod origin;
mod cors;
mod csrf;
mod token;
mod cookies;

use http::StatusCode;

pub use self::{
    cookies::Cookies,
    cors::{Cors, Preflight},
    csrf::Csrf,
    origin::is_own,
};
use crate::signing;

/// Why a browser's request is refused: for the log, never for the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrossSite {
    /// A preflight of a page that may not.
    PreflightOrigin,
    /// A preflight for a method that is not shared.
    PreflightMethod,
    /// A preflight for a header that may not be set.
    PreflightHeader,
    /// `Sec-Fetch-Site` says another site, and its origin may not.
    FetchSite,
    /// `Origin` is not ours, and may not.
    Origin,
    /// Neither is there, but a cookie.
    Unknown,
    /// The token is not there.
    TokenMissing,
    /// It is none that this session was given.
    TokenInvalid,
}

impl CrossSite {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::PreflightOrigin,
        Self::PreflightMethod,
        Self::PreflightHeader,
        Self::FetchSite,
        Self::Origin,
        Self::Unknown,
        Self::TokenMissing,
        Self::TokenInvalid,
    ];

    /// The word in metrics and the log.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::PreflightOrigin => "preflight_origin",
            Self::PreflightMethod => "preflight_method",
            Self::PreflightHeader => "preflight_header",
            Self::FetchSite => "fetch_site",
            Self::Origin => "origin",
            Self::Unknown => "unknown",
            Self::TokenMissing => "token_missing",
            Self::TokenInvalid => "token_invalid",
        }
    }
}

/// The status of an answer to a preflight: it has no body.
pub const PREFLIGHT_STATUS: StatusCode = StatusCode::NO_CONTENT;

/// Rules that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum BrowserError {
    #[error(
        "origins: expected https://HOST, https://HOST:PORT or https://*.HOST, in lower case and without a path, found {0:?}"
    )]
    Origin(String),
    #[error("origins: expected https, or http on localhost, found {0:?}")]
    Plain(String),
    #[error(
        "origins: expected names beside credentials, found \"*\": any page could act as the user"
    )]
    AnyWithCredentials,
    #[error("origins: expected \"*\" alone or names, found both")]
    AnyAndNames,
    #[error("methods: expected GET, HEAD, POST, PUT, PATCH or DELETE, found {0:?}")]
    Method(String),
    #[error("{key}: expected the name of a header, found {found:?}")]
    Header { key: &'static str, found: String },
    #[error("{key}: expected the name of a cookie, found {found:?}")]
    Cookie { key: &'static str, found: String },
    #[error("token: {}", signing::EXPECTED)]
    Key,
}

/// Whether a header or a cookie can have this name (RFC 9110, 5.6.2; RFC 6265, 4.1.1).
#[must_use]
pub fn is_token(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}

#[cfg(test)]
mod tests;
