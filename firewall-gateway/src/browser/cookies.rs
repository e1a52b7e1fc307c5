//! Cookies that an upstream sets leave with what keeps them from scripts, from plain connections and from other
//! sites (RFC 6265bis).

use http::{HeaderMap, HeaderValue, header};

use super::{BrowserError, is_token};
use crate::policy::CookiePolicy;

/// The rules of a route.
#[derive(Debug)]
pub struct Cookies {
    scripts: Vec<String>,
    same_site: &'static str,
}

impl Cookies {
    /// Prepares the rules.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(policy: &CookiePolicy) -> Result<Self, BrowserError> {
        if let Some(wrong) = policy.scripts.iter().find(|name| !is_token(name)) {
            return Err(BrowserError::Cookie { key: "scripts", found: wrong.clone() });
        }
        Ok(Self { scripts: policy.scripts.clone(), same_site: policy.same_site.text() })
    }

    /// Hardens what an upstream sets; answers how many it changed. One that no two readers agree on is removed.
    pub fn harden(&self, headers: &mut HeaderMap) -> u64 {
        if !headers.contains_key(header::SET_COOKIE) {
            return 0;
        }
        let set: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
        headers.remove(header::SET_COOKIE);
        let mut changed = 0;
        for cookie in set {
            let hardened = self.hardened(&cookie);
            changed += u64::from(hardened.as_ref() != Some(&cookie));
            if let Some(hardened) = hardened {
                headers.append(header::SET_COOKIE, hardened);
            }
        }
        changed
    }

    fn hardened(&self, cookie: &HeaderValue) -> Option<HeaderValue> {
        let text = cookie.to_str().ok()?;
        let mut parts = text.split(';');
        let (name, _) = parts.next()?.split_once('=')?;
        let name = name.trim();
        if !is_token(name) {
            return None;
        }
        let (mut secure, mut http_only, mut same_site) = (false, false, false);
        for part in parts {
            let key = part.split_once('=').map_or(part, |(key, _)| key).trim();
            secure |= key.eq_ignore_ascii_case("secure");
            http_only |= key.eq_ignore_ascii_case("httponly");
            same_site |= key.eq_ignore_ascii_case("samesite");
        }
        http_only |= self.scripts.iter().any(|known| known == name);
        if secure && http_only && same_site {
            return Some(cookie.clone());
        }
        let mut hardened = text.trim_end_matches([';', ' ']).to_owned();
        if !secure {
            hardened.push_str("; Secure");
        }
        if !http_only {
            hardened.push_str("; HttpOnly");
        }
        if !same_site {
            hardened.push_str("; SameSite=");
            hardened.push_str(self.same_site);
        }
        HeaderValue::try_from(hardened).ok()
    }
}
