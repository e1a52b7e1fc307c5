//! Tokens that a page of ours sends back: in a cookie that it reads and in a header that only it can write.
//! One is random and signed together with the session that it was made for, so that an attacker who can write a
//! cookie (from a subdomain, or over plain HTTP) can write none of another session (OWASP: signed double submit).

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue};

use super::{BrowserError, CrossSite, is_token};
use crate::{headers::cookie, policy::CsrfTokenPolicy, signing};

/// Makes and checks them.
pub struct Tokens {
    session_cookie: String,
    key: hmac::Key,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Tokens").field("session_cookie", &self.session_cookie).finish()
    }
}

impl Tokens {
    pub fn new(policy: &CsrfTokenPolicy) -> Result<Self, BrowserError> {
        if !is_token(&policy.session_cookie) {
            let found = policy.session_cookie.clone();
            return Err(BrowserError::Cookie { key: "session_cookie", found });
        }
        let root = signing::key(&policy.key_hex).ok_or(BrowserError::Key)?;
        // The same key signs sticky cookies: what is signed here must be of no use there.
        let own = hmac::sign(&root, b"seawall csrf token");
        let key = hmac::Key::new(hmac::HMAC_SHA256, own.as_ref());
        Ok(Self { session_cookie: policy.session_cookie.clone(), key })
    }

    /// Without a session there is nobody to act for.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), CrossSite> {
        let Some(session) = cookie(headers, &self.session_cookie) else { return Ok(()) };
        let mut given = headers.get_all(HEADER).iter();
        let (Some(header), None) = (given.next(), given.next()) else {
            return Err(CrossSite::TokenMissing);
        };
        let token = cookie(headers, COOKIE).ok_or(CrossSite::TokenMissing)?;
        let same = verify_slices_are_equal(token.as_bytes(), header.as_bytes());
        same.map_err(|_| CrossSite::TokenInvalid)?;
        if self.is_good(token, session) { Ok(()) } else { Err(CrossSite::TokenInvalid) }
    }

    /// What sets a new one, where the session has none that is good.
    pub fn missing(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let session =
            cookie(headers, &self.session_cookie).filter(|session| !session.is_empty())?;
        if cookie(headers, COOKIE).is_some_and(|token| self.is_good(token, session)) {
            return None;
        }
        let mut token = [0; RANDOM_BYTES + SIGNED_BYTES];
        let (random, signed) = token.split_at_mut(RANDOM_BYTES);
        rand::fill(random).ok()?;
        signed.copy_from_slice(self.signed(random, session).as_ref());
        let token = URL_SAFE_NO_PAD.encode(token);
        // Our page's script reads it, so it is not HttpOnly.
        HeaderValue::try_from(format!("{COOKIE}={token}; Path=/; Secure; SameSite=Strict")).ok()
    }

    fn is_good(&self, token: &str, session: &str) -> bool {
        let mut bytes = [0; RANDOM_BYTES + SIGNED_BYTES];
        if URL_SAFE_NO_PAD.decode_slice(token, &mut bytes) != Ok(bytes.len()) {
            return false;
        }
        let (random, signed) = bytes.split_at(RANDOM_BYTES);
        verify_slices_are_equal(self.signed(random, session).as_ref(), signed).is_ok()
    }

    // The random part has one length, so no two pairs read alike.
    fn signed(&self, random: &[u8], session: &str) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(random);
        context.update(session.as_bytes());
        context.sign()
    }
}

/// A browser takes a cookie of this name only from this host over TLS (RFC 6265bis, 4.1.3.2).
const COOKIE: &str = "__Host-csrf-token";
const HEADER: &str = "x-csrf-token";
const RANDOM_BYTES: usize = 16;
/// SHA-256.
const SIGNED_BYTES: usize = 32;
