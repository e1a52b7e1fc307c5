//! What a route lets pages of other sites do, checked by what the worker checks it with.

use firewall_gateway::{
    browser::{BrowserError, Cookies, Cors, Csrf},
    limits::ORIGINS_MAX,
    policy::{CookiePolicy, CorsPolicy, CsrfPolicy, CsrfTokenPolicy},
};
use serde_saphyr::{Location, Spanned};

use crate::config::{
    ConfigError,
    document::{
        Entries,
        browser::{CookiesDocument, CorsDocument, CsrfDocument},
    },
    scalar::Given,
    valid::Check,
};

/// Headers that browsers may be told of.
const NAMES_MAX: usize = 64;
/// What a page may send without asking.
const METHODS: [&str; 3] = ["GET", "HEAD", "POST"];
/// Browsers take no longer time than two hours (Chromium) or a day (Firefox).
const MAX_AGE_S: u64 = 600;
/// Long enough for the check; the worker's is the one of the state folder.
const NO_KEY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Check<'_> {
    /// Whose pages may read the answers of a route.
    pub(super) fn cors(
        &self,
        cors: Option<Spanned<CorsDocument>>,
    ) -> Result<Option<CorsPolicy>, ConfigError> {
        let Some(Spanned { value: cors, referenced: place, .. }) = cors else { return Ok(None) };
        let methods = self.names("methods", cors.methods)?;
        let policy = CorsPolicy {
            origins: self.origins(cors.origins)?,
            methods: if methods.is_empty() { METHODS.map(str::to_owned).to_vec() } else { methods },
            headers: self.names("headers", cors.headers)?,
            expose: self.names("expose", cors.expose)?,
            credentials: cors.credentials.is_some_and(|flag| flag.0),
            max_age_s: cors.max_age_s.map_or(MAX_AGE_S, |number| number.0),
        };
        self.usable(place, "cors", Cors::new(&policy))?;
        Ok(Some(policy))
    }

    /// Whose pages may change something.
    pub(super) fn csrf(
        &self,
        csrf: Option<Spanned<CsrfDocument>>,
    ) -> Result<Option<CsrfPolicy>, ConfigError> {
        let Some(Spanned { value: csrf, referenced: place, .. }) = csrf else { return Ok(None) };
        let token = csrf.session_cookie.map(|cookie| CsrfTokenPolicy {
            session_cookie: cookie.value,
            key_hex: NO_KEY.to_owned(),
        });
        let origins = match csrf.origins.0 {
            Some(origins) => self.origins(origins)?,
            None => Vec::new(),
        };
        let mut policy = CsrfPolicy { origins, token };
        self.usable(place, "csrf", Csrf::new(&policy))?;
        if let Some(token) = &mut policy.token {
            token.key_hex.clear();
        }
        Ok(Some(policy))
    }

    /// What is added to the cookies of an upstream.
    pub(super) fn cookies(
        &self,
        cookies: Option<Spanned<CookiesDocument>>,
    ) -> Result<Option<CookiePolicy>, ConfigError> {
        let Some(Spanned { value: cookies, referenced: place, .. }) = cookies else {
            return Ok(None);
        };
        let policy = CookiePolicy {
            scripts: self.names("scripts", cookies.scripts)?,
            same_site: cookies.same_site.unwrap_or_default(),
        };
        self.usable(place, "cookies", Cookies::new(&policy))?;
        Ok(Some(policy))
    }

    fn origins(&self, origins: Entries<String>) -> Result<Vec<String>, ConfigError> {
        let origins = self.counted("origins", 1..=ORIGINS_MAX, origins)?;
        self.each_once("origins", origins, |origin| origin)
    }

    fn names(&self, key: &str, names: Given<Entries<String>>) -> Result<Vec<String>, ConfigError> {
        let Some(names) = names.0 else { return Ok(Vec::new()) };
        let names = self.counted(key, 1..=NAMES_MAX, names)?;
        self.each_once(key, names, |name| name)
    }

    fn usable<T>(
        &self,
        place: Location,
        key: &str,
        rules: Result<T, BrowserError>,
    ) -> Result<(), ConfigError> {
        match rules {
            Ok(_) => Ok(()),
            Err(error) => self.error(place, format!("{key}: {error}")),
        }
    }
}
