//! The cookie of a sticky session: it names a backend, and only we can write it.

use std::{fmt::Write as _, net::SocketAddr};

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use http::HeaderValue;

use crate::{browser::is_token, policy::StickyCookiePolicy, signing};

/// Writes and reads the cookies of an upstream.
pub struct Signer {
    cookie: String,
    key: hmac::Key,
    upstream: String,
}

impl Signer {
    /// Prepares the key.
    ///
    /// # Errors
    /// What is wrong with the key or the name.
    pub fn new(policy: &StickyCookiePolicy, upstream: &str) -> Result<Self, &'static str> {
        if !is_token(&policy.cookie) {
            return Err("expected a cookie name of letters, digits and -_. signs");
        }
        let key = signing::key(&policy.key_hex).ok_or(signing::EXPECTED)?;
        Ok(Self { cookie: policy.cookie.clone(), key, upstream: upstream.to_owned() })
    }

    /// The cookie's name.
    #[must_use]
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// A backend's tag, the value of the cookie: it tells nobody the address, and nobody without the key
    /// can make one that is valid.
    #[must_use]
    pub fn tag(&self, backend: SocketAddr) -> String {
        // An upstream's name has no line feed, so no two pairs read alike.
        let signed = hmac::sign(&self.key, format!("{}\n{backend}", self.upstream).as_bytes());
        let mut tag = String::with_capacity(2 * TAG_BYTES);
        for byte in signed.as_ref().iter().take(TAG_BYTES) {
            // Writing to a string cannot fail.
            let _ = write!(tag, "{byte:02x}");
        }
        tag
    }

    /// What tells the client the tag.
    #[must_use]
    pub fn set_cookie(&self, tag: &str) -> Option<HeaderValue> {
        let text = format!("{}={tag}; Path=/; Secure; HttpOnly; SameSite=Lax", self.cookie);
        HeaderValue::from_str(&text).ok()
    }
}

/// Whether a client's cookie is this tag, in a time that says nothing of where they differ.
#[must_use]
pub fn is_tag(tag: &str, cookie: &str) -> bool {
    verify_slices_are_equal(tag.as_bytes(), cookie.as_bytes()).is_ok()
}

/// 128 bits of the signature.
const TAG_BYTES: usize = 16;
