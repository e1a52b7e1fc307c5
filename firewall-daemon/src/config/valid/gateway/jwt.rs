//! Issuers of tokens: one place for the keys of each, algorithms that go together, claims and headers that
//! can be.

use std::{collections::BTreeMap, path::Path, time::Duration};

use aws_lc_rs::digest;
use firewall_gateway::{
    identity::jwt::{Algorithm, is_header_for_claims},
    limits::{CLAIM_HEADERS_MAX, JWT_KEYS_TEXT_BYTES_MAX, JWTS_MAX},
    policy::{AuthenticationPolicy, ClaimHeader, JwtPolicy, KeyOrigin, RoutePolicy},
};
use serde_saphyr::{Location, Spanned};

use crate::config::{
    ConfigError, JwtConfig, KeysConfig, KeysUrlConfig,
    document::{Entries, jwt::JwtDocument},
    scalar::{Given, Name, Url},
    valid::Check,
};

/// Audiences, types, parties and claims that one list may name.
const TEXTS_MAX: usize = 32;
/// Bytes of an issuer, an audience, a type, a party, or the name of a claim.
const TEXT_BYTES_MAX: usize = 512;
const ALGORITHMS_MAX: usize = Algorithm::ALL.len();

pub(super) const LEEWAY_S: u32 = 60;
pub(super) const CONSUMER_CLAIM: &str = "sub";
pub(super) const REFRESH: Duration = Duration::from_secs(600);
pub(super) const STALE_MAX_S: u32 = 86_400;

impl Check<'_> {
    pub(super) fn jwts(
        &self,
        jwts: Option<Spanned<BTreeMap<Name, JwtDocument>>>,
        state: &Path,
    ) -> Result<Vec<JwtConfig>, ConfigError> {
        let Some(jwts) = jwts else { return Ok(Vec::new()) };
        let found = jwts.value.len();
        if !(1..=JWTS_MAX).contains(&found) {
            let message = format!("jwt: expected 1 to {JWTS_MAX} issuers, found {found}");
            return self.error(jwts.referenced, message);
        }
        let checked = jwts.value.into_iter().map(|(Name(name), jwt)| self.jwt(name, jwt, state));
        checked.collect()
    }

    fn jwt(&self, name: String, jwt: JwtDocument, state: &Path) -> Result<JwtConfig, ConfigError> {
        let place = jwt.issuer.referenced;
        let algorithms = self.algorithms(jwt.algorithms)?;
        let symmetric = algorithms.iter().any(|algorithm| algorithm.is_symmetric());
        if symmetric && jwt.jwks_url.is_some() {
            let message = "algorithms: expected none of HS256, HS384 and HS512 with jwks_url, found \
                           one; a secret that is to be fetched is none";
            return self.error(place, message.to_owned());
        }
        let stale_max_s = jwt.stale_max_s.0.as_ref().map_or(STALE_MAX_S, |max| max.value.cast());
        let fetched_alone = [
            ("refresh_s", jwt.refresh_s.0.as_ref().map(|value| value.referenced)),
            ("stale_max_s", jwt.stale_max_s.0.as_ref().map(|value| value.referenced)),
            ("ca", jwt.ca.0.as_ref().map(|value| value.referenced)),
        ];
        let (keys, origin) = match (jwt.jwks_url, jwt.jwks_file, jwt.keys) {
            (Some(url), None, None) => {
                let Url(url) = url.value;
                let origin = KeyOrigin::Fetched { endpoint: fingerprint(&url), stale_max_s };
                let interval = jwt.refresh_s.0;
                let interval = interval.map_or(REFRESH, |value| Duration::from_secs(value.value.0));
                let ca = jwt.ca.0.map(|ca| self.file(ca.value));
                let copy = state.join("keys").join(format!("{name}.json"));
                (KeysConfig::Url(KeysUrlConfig { url, ca, interval, copy }), origin)
            }
            (None, Some(file), None) => (KeysConfig::File(self.file(file)), KeyOrigin::Local),
            (None, None, Some(keys)) if keys.len() <= JWT_KEYS_TEXT_BYTES_MAX => {
                (KeysConfig::Inline(keys), KeyOrigin::Local)
            }
            (None, None, Some(keys)) => {
                let message = format!(
                    "keys: expected at most {JWT_KEYS_TEXT_BYTES_MAX} bytes, found {}",
                    keys.len()
                );
                return self.error(place, message);
            }
            (url, file, keys) => {
                let several = [url.is_some(), file.is_some(), keys.is_some()].contains(&true);
                let found = if several { "more than one" } else { "none of them" };
                let message =
                    format!("jwt: expected one of jwks_url, jwks_file and keys, found {found}");
                return self.error(place, message);
            }
        };
        if let (KeyOrigin::Local, Some((key, Some(place)))) =
            (&origin, fetched_alone.into_iter().find(|(_, place)| place.is_some()))
        {
            return self.error(place, format!("{key}: expected it with jwks_url alone"));
        }
        let claim = |key: &str, claim: Option<Spanned<String>>| {
            claim.map(|claim| self.text(key, claim)).transpose()
        };
        let policy = JwtPolicy {
            name,
            issuer: self.text("issuer", jwt.issuer)?,
            audiences: self.texts("audience", jwt.audience)?,
            algorithms,
            keys: None,
            origin,
            types: self.types(jwt.types)?,
            authorized_parties: self.given("authorized_parties", jwt.authorized_parties)?,
            leeway_s: jwt.leeway_s.map_or(LEEWAY_S, |leeway| leeway.cast()),
            age_max_s: jwt.age_max_s.map(|age| age.cast()),
            claims_required: self.given("claims_required", jwt.claims_required)?,
            consumer_claim: claim("consumer_claim", jwt.consumer_claim)?
                .unwrap_or_else(|| CONSUMER_CLAIM.to_owned()),
            scopes_claim: claim("scopes_claim", jwt.scopes_claim)?,
            roles_claim: claim("roles_claim", jwt.roles_claim)?,
            headers: self.claim_headers(jwt.headers)?,
        };
        Ok(JwtConfig { policy, keys })
    }

    /// An issuer that no route asks for protects nothing, whatever its settings say.
    pub(super) fn jwts_act(
        &self,
        place: Location,
        jwts: &[JwtConfig],
        routes: &[RoutePolicy],
    ) -> Result<(), ConfigError> {
        let asked = |name: &str| {
            let mut asked = routes.iter().flat_map(|route| &route.authentication);
            asked.any(|asked| matches!(asked, AuthenticationPolicy::Jwt(other) if other == name))
        };
        match jwts.iter().find(|jwt| !asked(&jwt.policy.name)) {
            None => Ok(()),
            Some(jwt) => {
                let message = format!(
                    "jwt: expected a route that asks for {0:?}, found none; write authentication: \
                     [{{jwt: {0}}}] in gateway.routes, or remove it",
                    jwt.policy.name
                );
                self.error(place, message)
            }
        }
    }

    pub(super) fn algorithms(&self, list: Entries<String>) -> Result<Vec<Algorithm>, ConfigError> {
        let whole = list.referenced;
        let mut algorithms = Vec::new();
        for entry in self.counted("algorithms", 1..=ALGORITHMS_MAX, list)? {
            match Algorithm::parse(&entry.value) {
                Some(value) => algorithms.push(Spanned {
                    value,
                    referenced: entry.referenced,
                    defined: entry.defined,
                }),
                None => {
                    let message =
                        format!("algorithms: expected {}, found {:?}", names(), entry.value);
                    return self.error(entry.referenced, message);
                }
            }
        }
        let algorithms = self.each_once("algorithms", algorithms, |algorithm| algorithm)?;
        let symmetric = algorithms.iter().filter(|algorithm| algorithm.is_symmetric()).count();
        if symmetric > 0 && symmetric < algorithms.len() {
            // RFC 8725, 3.1: of one issuer's tokens it is known which of the two they are.
            let message = "algorithms: expected HS256, HS384 and HS512 alone or none of them, found \
                           them beside others; make two entries of gateway.jwt";
            return self.error(whole, message.to_owned());
        }
        Ok(algorithms)
    }

    fn types(&self, types: Given<Entries<String>>) -> Result<Vec<String>, ConfigError> {
        let types = self.given("types", types)?;
        let short = types.iter().map(|typ| typ.to_ascii_lowercase());
        Ok(short.map(|typ| typ.strip_prefix("application/").unwrap_or(&typ).to_owned()).collect())
    }

    /// A list of texts that may be left out.
    pub(super) fn given(
        &self,
        key: &str,
        list: Given<Entries<String>>,
    ) -> Result<Vec<String>, ConfigError> {
        list.0.map_or(Ok(Vec::new()), |list| self.texts(key, list))
    }

    pub(super) fn texts(
        &self,
        key: &str,
        list: Entries<String>,
    ) -> Result<Vec<String>, ConfigError> {
        let list = self.counted(key, 1..=TEXTS_MAX, list)?;
        for entry in &list {
            self.check_text(key, &entry.value, entry.referenced)?;
        }
        self.each_once(key, list, |text| text)
    }

    pub(super) fn text(&self, key: &str, text: Spanned<String>) -> Result<String, ConfigError> {
        self.check_text(key, &text.value, text.referenced)?;
        Ok(text.value)
    }

    pub(super) fn check_text(
        &self,
        key: &str,
        text: &str,
        place: Location,
    ) -> Result<(), ConfigError> {
        let fits = (1..=TEXT_BYTES_MAX).contains(&text.len()) && text.trim() == text;
        if fits && !text.chars().any(char::is_control) {
            return Ok(());
        }
        let message = format!(
            "{key}: expected 1 to {TEXT_BYTES_MAX} bytes without spaces around them, found {text:?}"
        );
        self.error(place, message)
    }

    pub(super) fn claim_headers(
        &self,
        headers: Option<Spanned<BTreeMap<String, String>>>,
    ) -> Result<Vec<ClaimHeader>, ConfigError> {
        let Some(headers) = headers else { return Ok(Vec::new()) };
        let place = headers.referenced;
        let found = headers.value.len();
        if found > CLAIM_HEADERS_MAX {
            let message =
                format!("headers: expected at most {CLAIM_HEADERS_MAX} headers, found {found}");
            return self.error(place, message);
        }
        let (mut checked, mut plain) = (Vec::new(), Vec::new());
        for (header, claim) in headers.value {
            let name = header.to_ascii_lowercase();
            if !is_header_for_claims(&name) {
                let message = format!(
                    "headers: expected the name of a header that the gateway may set, such as \
                     X-User, found {header:?}"
                );
                return self.error(place, message);
            }
            self.check_text("headers", &claim, place)?;
            // Backends may read `_` and `.` as `-`: two such names would be one to them.
            let value = name.replace(['_', '.'], "-");
            plain.push(Spanned { value, referenced: place, defined: place });
            checked.push(ClaimHeader { name, claim });
        }
        self.each_once("headers", plain, |name| name)?;
        Ok(checked)
    }
}

fn names() -> String {
    Algorithm::ALL.map(Algorithm::name).join(", ")
}

pub(super) fn fingerprint(url: &str) -> String {
    let digest = digest::digest(&digest::SHA256, url.as_bytes());
    digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
