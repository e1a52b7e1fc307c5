//! Logins: a provider that can be found, an address of ours that it can send people back to, and a cookie that no
//! other host can write.

use std::{collections::BTreeMap, path::Path, time::Duration};

use firewall_gateway::{
    browser::{Csrf, is_token},
    identity::jwt::Algorithm,
    limits::LOGINS_MAX,
    login::{is_own_path, provider},
    policy::{
        AuthenticationPolicy, ClientAuthentication, CsrfPolicy, JwtPolicy, KeyOrigin, LoginPolicy,
        RoutePolicy, SecretText, SessionStorePolicy,
    },
};
use serde_saphyr::{Location, Spanned};

use super::jwt::{CONSUMER_CLAIM, LEEWAY_S, REFRESH, STALE_MAX_S, fingerprint};
use crate::config::{
    ConfigError, JwtConfig, KeysUrlConfig, LoginConfig, SessionStoreConfig,
    document::login::{LoginDocument, SessionStoreDocument},
    scalar::{Name, Url},
    valid::Check,
};

/// What a browser takes from this host alone, over TLS (RFC 6265bis, 4.1.3.2).
const HOST_PREFIX: &str = "__Host-";
/// Cookies of logins in progress begin so.
const PROGRESS_PREFIX: &str = "__Host-login-";
const IDLE_TIMEOUT_S: u32 = 1_800;
const ABSOLUTE_TIMEOUT_S: u32 = 43_200;
/// Those that providers sign with; which of them a token may have is its key's to say.
const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];
/// Without it there is no ID token (OpenID Connect Core 1.0, 3.1.2.1).
const OPENID: &str = "openid";
const STORE_TIMEOUT_MS: u32 = 50;
const STORE_PREFIX: &str = "seawall";
/// Without the store, one that was taken back elsewhere may go on for so long.
const STORE_AWAY_MAX_S: u32 = 300;

impl Check<'_> {
    pub(super) fn logins(
        &self,
        logins: Option<Spanned<BTreeMap<Name, LoginDocument>>>,
        jwts: &[JwtConfig],
        state: &Path,
    ) -> Result<Vec<LoginConfig>, ConfigError> {
        let Some(logins) = logins else { return Ok(Vec::new()) };
        let (place, found) = (logins.referenced, logins.value.len());
        if !(1..=LOGINS_MAX).contains(&found) {
            let message = format!("logins: expected 1 to {LOGINS_MAX} logins, found {found}");
            return self.error(place, message);
        }
        let mut checked = Vec::<LoginConfig>::new();
        for (Name(name), login) in logins.value {
            // Their keys are kept and counted by name.
            if jwts.iter().any(|jwt| jwt.policy.name == name) {
                let message =
                    format!("logins: expected a name that gateway.jwt has not, found {name:?}");
                return self.error(place, message);
            }
            let cookie_place = login.cookie.as_ref().map_or(place, |cookie| cookie.referenced);
            let login = self.login(name, login, state)?;
            let cookie = &login.policy.cookie;
            if checked.iter().any(|other| other.policy.cookie == *cookie) {
                let message =
                    format!("cookie: expected one of each login's own, found {cookie:?} again");
                return self.error(cookie_place, message);
            }
            checked.push(login);
        }
        Ok(checked)
    }

    /// The store of sessions, which some login needs.
    pub(super) fn session_store(
        &self,
        store: Option<Spanned<SessionStoreDocument>>,
        logins: &[LoginConfig],
    ) -> Result<Option<SessionStoreConfig>, ConfigError> {
        let Some(store) = store else { return Ok(None) };
        if logins.is_empty() {
            let message = "session_store: expected gateway.logins beside it, found none";
            return self.error(store.referenced, message.to_owned());
        }
        let SessionStoreDocument { address, password, prefix, timeout_ms, away_max_s } =
            store.value;
        let policy = SessionStorePolicy {
            address: address.0,
            password: None,
            prefix: prefix.map_or_else(|| STORE_PREFIX.to_owned(), |prefix| prefix.0),
            timeout_ms: timeout_ms.map_or(STORE_TIMEOUT_MS, |timeout| timeout.cast()),
            away_max_s: away_max_s.map_or(STORE_AWAY_MAX_S, |time| time.cast()),
        };
        Ok(Some(SessionStoreConfig { policy, password: password.map(|path| self.file(path)) }))
    }

    fn login(
        &self,
        name: String,
        login: LoginDocument,
        state: &Path,
    ) -> Result<LoginConfig, ConfigError> {
        let (place, Url(issuer)) = (login.issuer.referenced, login.issuer.value);
        let port = match provider::endpoint("issuer", &issuer) {
            Ok((_, port)) if !issuer.contains('?') => port,
            _ => {
                let message = format!(
                    "issuer: expected a URL without a query, such as https://id.example/realms/shop, \
                     found {issuer:?}"
                );
                return self.error(place, message);
            }
        };
        let discovery = KeysUrlConfig {
            url: format!("{}{}", issuer.trim_end_matches('/'), provider::DISCOVERY_PATH),
            ca: login.ca.map(|ca| self.file(ca)),
            interval: login.refresh_s.map_or(REFRESH, |value| Duration::from_secs(value.0)),
            copy: state.join("keys").join(format!("{name}.json")),
        };
        let stale_max_s = login.stale_max_s.map_or(STALE_MAX_S, |max| max.cast());
        let client_id = self.text("client_id", login.client_id)?;
        if let Some(how) = &login.client_authentication
            && login.client_secret_file.is_none()
        {
            let message = "client_authentication: expected client_secret_file beside it, found none; \
                           a public client proves nothing";
            return self.error(how.referenced, message.to_owned());
        }
        let claim = |key: &str, claim: Option<Spanned<String>>| {
            claim.map(|claim| self.text(key, claim)).transpose()
        };
        let algorithms = match login.algorithms.0 {
            None => ALGORITHMS.to_vec(),
            Some(list) => self.algorithms(list)?,
        };
        if algorithms.iter().any(|algorithm| algorithm.is_symmetric()) {
            let message = "algorithms: expected none of HS256, HS384 and HS512 for a login, found \
                           one; the provider's keys are fetched";
            return self.error(place, message.to_owned());
        }
        let jwt = JwtPolicy {
            audiences: vec![client_id.clone()],
            algorithms,
            keys: None,
            origin: KeyOrigin::Fetched { endpoint: fingerprint(&discovery.url), stale_max_s },
            types: Vec::new(),
            authorized_parties: Vec::new(),
            leeway_s: login.leeway_s.map_or(LEEWAY_S, |leeway| leeway.cast()),
            age_max_s: None,
            claims_required: Vec::new(),
            consumer_claim: claim("consumer_claim", login.consumer_claim)?
                .unwrap_or_else(|| CONSUMER_CLAIM.to_owned()),
            scopes_claim: claim("scopes_claim", login.scopes_claim)?,
            roles_claim: claim("roles_claim", login.roles_claim)?,
            headers: self.claim_headers(login.headers)?,
            name,
            issuer,
        };
        let absolute_timeout_s =
            login.absolute_timeout_s.map_or(ABSOLUTE_TIMEOUT_S, |time| time.cast());
        let policy = LoginPolicy {
            client_id,
            client_secret: None,
            client_authentication: login
                .client_authentication
                .map_or_else(ClientAuthentication::default, |how| how.value),
            scopes: self.login_scopes(self.given("scopes", login.scopes)?, place)?,
            origin: self.origin(login.origin)?,
            cookie: self.session_cookie(&jwt.name, login.cookie)?,
            after_logout: self.after_logout(login.after_logout)?,
            front_channel_logout: login.front_channel_logout.0,
            idle_timeout_s: login
                .idle_timeout_s
                .map_or(IDLE_TIMEOUT_S.min(absolute_timeout_s), |time| time.cast()),
            absolute_timeout_s,
            ca_pem: String::new(),
            key_hex: SecretText(String::new()),
            port,
            provider: None,
            jwt,
        };
        if policy.idle_timeout_s > absolute_timeout_s {
            let message = format!(
                "idle_timeout_s: expected at most absolute_timeout_s, {absolute_timeout_s}, found {}",
                policy.idle_timeout_s
            );
            return self.error(place, message);
        }
        let client_secret = login.client_secret_file.map(|path| self.file(path));
        Ok(LoginConfig { policy, discovery, client_secret })
    }

    fn login_scopes(
        &self,
        scopes: Vec<String>,
        place: Location,
    ) -> Result<Vec<String>, ConfigError> {
        if scopes.is_empty() {
            return Ok(vec![OPENID.to_owned()]);
        }
        if !scopes.iter().any(|scope| scope == OPENID) || scopes.iter().any(|one| one.contains(' '))
        {
            let message = format!(
                "scopes: expected {OPENID} among single words, found {}",
                scopes.join(", ")
            );
            return self.error(place, message);
        }
        Ok(scopes)
    }

    fn origin(&self, origin: Spanned<String>) -> Result<String, ConfigError> {
        let rules = CsrfPolicy { origins: vec![origin.value.clone()], token: None };
        let plain = origin.value.starts_with("https://") && !origin.value.contains('*');
        if plain && Csrf::new(&rules).is_ok() {
            return Ok(origin.value);
        }
        let message = format!(
            "origin: expected where people find this gateway, such as https://app.example, in lower \
             case, without a path and the usual port, found {:?}",
            origin.value
        );
        self.error(origin.referenced, message)
    }

    fn session_cookie(
        &self,
        name: &str,
        cookie: Option<Spanned<String>>,
    ) -> Result<String, ConfigError> {
        let Some(cookie) = cookie else { return Ok(format!("{HOST_PREFIX}session-{name}")) };
        let text = &cookie.value;
        if is_token(text)
            && text.len() <= COOKIE_BYTES_MAX
            && text.starts_with(HOST_PREFIX)
            && text.len() > HOST_PREFIX.len()
            && !text.starts_with(PROGRESS_PREFIX)
        {
            return Ok(cookie.value);
        }
        let message = format!(
            "cookie: expected a name that begins with {HOST_PREFIX}, which browsers take from this \
             host alone, and not with {PROGRESS_PREFIX}, found {text:?}"
        );
        self.error(cookie.referenced, message)
    }

    fn after_logout(&self, path: Option<Spanned<String>>) -> Result<String, ConfigError> {
        let Some(path) = path else { return Ok("/".to_owned()) };
        if is_own_path(&path.value) {
            return Ok(path.value);
        }
        let message = format!("after_logout: expected a path such as /bye, found {:?}", path.value);
        self.error(path.referenced, message)
    }

    /// A login that no route asks for lets nobody in, whatever its settings say; and where its browsers do not
    /// come back to, nobody has a session.
    pub(super) fn logins_act(
        &self,
        place: Location,
        logins: &[LoginConfig],
        routes: &[RoutePolicy],
    ) -> Result<(), ConfigError> {
        for login in logins {
            let name = login.policy.name();
            let asks = |route: &&RoutePolicy| {
                let mut asked = route.authentication.iter();
                asked.any(|one| matches!(one, AuthenticationPolicy::Session(of) if of == name))
            };
            let mut asking = routes.iter().filter(asks).peekable();
            if asking.peek().is_none() {
                let message = format!(
                    "logins: expected a route that asks for {name:?}, found none; write \
                     authentication: [{{session: {name}}}] in gateway.routes, or remove it"
                );
                return self.error(place, message);
            }
            let host = login.policy.origin.trim_start_matches("https://");
            let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
            let elsewhere = |route: &&RoutePolicy| {
                !route.hosts.is_empty() && !route.hosts.iter().any(|one| serves(one, host))
            };
            if let Some(route) = asking.find(elsewhere) {
                let message = format!(
                    "routes: expected the host of the origin {:?} among the hosts of route {:?}, \
                     which takes sessions of {name:?}, found {}",
                    login.policy.origin,
                    route.name,
                    route.hosts.join(", ")
                );
                return self.error(place, message);
            }
        }
        Ok(())
    }
}

fn serves(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(end) => host.ends_with(end) && host.len() > end.len(),
        None => pattern == host,
    }
}

const COOKIE_BYTES_MAX: usize = 64;
