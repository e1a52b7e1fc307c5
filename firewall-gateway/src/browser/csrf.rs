//! Whose page a request that changes something comes from. A browser adds cookies to what any page sends, so a
//! page elsewhere could act as the user. Browsers say where a request comes from in `Sec-Fetch-Site` and in
//! `Origin`, and pages cannot write these; a token of the session is for what a browser says nothing about.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::{
    BrowserError, CrossSite,
    origin::{Origins, is_own},
    token::Tokens,
};
use crate::policy::CsrfPolicy;

/// The rules of a route.
#[derive(Debug)]
pub struct Csrf {
    origins: Origins,
    tokens: Option<Tokens>,
}

impl Csrf {
    /// Prepares the rules.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(policy: &CsrfPolicy) -> Result<Self, BrowserError> {
        Ok(Self {
            origins: Origins::new(&policy.origins)?,
            tokens: policy.token.as_ref().map(Tokens::new).transpose()?,
        })
    }

    /// Whether a request to this host may change something. A WebSocket may, whose browser asks with `GET` and
    /// lets the page set no header.
    ///
    /// # Errors
    /// Why not.
    pub fn check(
        &self,
        method: &Method,
        upgrade: bool,
        headers: &HeaderMap,
        host: &str,
    ) -> Result<(), CrossSite> {
        if method.is_safe() && !upgrade {
            return Ok(());
        }
        self.check_page(headers, host)?;
        match &self.tokens {
            Some(tokens) if !upgrade => tokens.check(headers),
            _ => Ok(()),
        }
    }

    fn check_page(&self, headers: &HeaderMap, host: &str) -> Result<(), CrossSite> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let origin = origins.next();
        let known = |origin: &HeaderValue| {
            origin
                .to_str()
                .is_ok_and(|origin| is_own(origin, host) || self.origins.contains(origin))
        };
        // Two of them are nobody's: which one would the reader take?
        let sole = origins.next().is_none().then_some(()).and(origin);
        let origin_known = sole.is_some_and(known);
        // A form of a page with `Referrer-Policy: no-referrer`, which is our own default, does not name its origin
        // (Fetch, 3.1). A sandboxed page does not either, and is cross-site.
        let origin_hidden = sole.is_some_and(|origin| origin.as_bytes() == b"null");
        let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
        match (sites.next().map(HeaderValue::as_bytes), sites.next()) {
            (Some(b"same-origin"), None) if origin_hidden => Ok(()),
            // A page of ours, or the user alone.
            (Some(b"same-origin" | b"none"), None) if origin.is_none() || origin_known => Ok(()),
            (Some(_), _) if origin_known => Ok(()),
            (Some(_), _) => Err(CrossSite::FetchSite),
            (None, _) if origin_known => Ok(()),
            (None, _) if origin.is_some() => Err(CrossSite::Origin),
            // No browser of the last years says neither. Without a cookie nobody acts for somebody else.
            (None, _) if headers.contains_key(header::COOKIE) => Err(CrossSite::Unknown),
            (None, _) => Ok(()),
        }
    }

    /// A new token for the session of these headers, where it has none that is good. A page gets it when it is
    /// read, not when it changes something.
    #[must_use]
    pub fn token(&self, method: &Method, headers: &HeaderMap) -> Option<HeaderValue> {
        self.tokens.as_ref().filter(|_| method.is_safe())?.missing(headers)
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
