//! What pages of other sites may do with a route, and what its cookies are like.

use serde::{Deserialize, Serialize};

/// Cross-origin resource sharing (Fetch standard, 3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorsPolicy {
    /// Whose pages may read answers: `https://app.example`, `https://*.app.example`, or `*` alone.
    pub origins: Vec<String>,
    /// With which methods.
    pub methods: Vec<String>,
    /// Which headers they may set, beside those that any page may.
    pub headers: Vec<String>,
    /// Which headers of an answer they see, beside those that any page sees.
    pub expose: Vec<String>,
    /// Whether they may ask as the user who is logged in.
    pub credentials: bool,
    /// For how long a browser remembers what it was told; seconds.
    pub max_age_s: u64,
}

/// Requests that change something come from our own pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsrfPolicy {
    /// Whose pages may send them too.
    pub origins: Vec<String>,
    /// A token for each session, where there is one.
    pub token: Option<CsrfTokenPolicy>,
}

/// A signed token in a cookie, which our pages send back in a header.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsrfTokenPolicy {
    /// The cookie of the session that it belongs to.
    pub session_cookie: String,
    /// What it is signed with; at least 32 bytes.
    pub key_hex: String,
}

impl std::fmt::Debug for CsrfTokenPolicy {
    // A key stays out of logs.
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("CsrfTokenPolicy").field("session_cookie", &self.session_cookie).finish()
    }
}

/// What is added to cookies that an upstream sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CookiePolicy {
    /// Cookies that scripts of our own pages read: these stay without `HttpOnly`.
    pub scripts: Vec<String>,
    /// Where a cookie says nothing of other sites.
    pub same_site: SameSite,
}

/// To which sites' requests a browser adds a cookie (RFC 6265bis, 5.6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameSite {
    /// Our own, and links to us.
    #[default]
    Lax,
    /// Our own alone.
    Strict,
}

impl SameSite {
    /// As cookies say it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Lax => "Lax",
            Self::Strict => "Strict",
        }
    }
}
