//! Logins of people at a provider, and their way out again: pages that the gateway serves itself (OpenID Connect
//! Core 1.0 with RFC 7636; RP-Initiated, Back-Channel and Front-Channel Logout 1.0).

pub mod provider;

mod return_path;

mod progress;

mod exchange;

mod callback;

mod logout;

mod error;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

pub use self::{error::LoginError, return_path::is_own as is_own_path};
use self::{
    progress::{Progress, Sealer},
    provider::ProviderError,
};
use crate::{
    browser::{BrowserError, Csrf, is_own},
    figures::{Meter, one},
    identity::{
        Denied, Identifier,
        session::{SessionCookie, store::SessionStore},
    },
    limits::{LOGIN_EXCHANGES_MAX, LOGIN_TEXT_BYTES_MAX},
    policy::{
        AuthenticationPolicy, BackendProtocol, CsrfPolicy, GatewayPolicy, LoginPolicy,
        ProviderPolicy, RoutePolicy, UpstreamTlsPolicy,
    },
    request::Target,
    upstream::{UpstreamFault, tls::Tls},
};

/// Where our own pages are.
pub const PREFIX: &str = "/.seawall/";

/// What is asked of a login's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Log in.
    Login,
    /// The provider sends the browser back.
    Callback,
    /// Log out.
    Logout,
    /// The provider says that somebody has logged out elsewhere.
    BackChannel,
    /// A page of the provider's says it, in a frame.
    FrontChannel,
}

impl Page {
    const ALL: [(&str, Self); 5] = [
        ("login", Self::Login),
        ("callback", Self::Callback),
        ("logout", Self::Logout),
        ("backchannel", Self::BackChannel),
        ("frontchannel", Self::FrontChannel),
    ];

    /// The only method that it is asked with: a link of another site logs nobody out, unless it knows the name of the
    /// provider's session.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::Login | Self::Callback | Self::FrontChannel => Method::GET,
            Self::Logout | Self::BackChannel => Method::POST,
        }
    }
}

/// All logins of a policy; threads share them.
#[derive(Debug)]
pub struct Logins {
    all: Vec<Login>,
    /// The login of each route that takes sessions.
    routes: Vec<Option<usize>>,
    sessions: Arc<SessionStore>,
    exchanges: AtomicU32,
    /// Only a page of ours logs somebody out.
    csrf: Csrf,
}

/// A login.
#[derive(Debug)]
pub struct Login {
    policy: LoginPolicy,
    cookie: SessionCookie,
    sealer: Sealer,
    provider: ArcSwapOption<Provider>,
}

/// A provider, and how its token endpoint proves who it is.
pub struct Provider {
    policy: ProviderPolicy,
    tls: Tls,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.policy.fmt(formatter)
    }
}

/// A request for a login's page.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// Its query.
    pub query: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Who sends it.
    pub address: IpAddr,
    /// When.
    pub now: Duration,
}

impl Logins {
    /// Prepares the logins of a policy, whose sessions are kept here.
    ///
    /// # Errors
    /// The one that cannot be used, and why.
    pub fn new(policy: &GatewayPolicy, sessions: Arc<SessionStore>) -> Result<Self, LoginFault> {
        let all = policy.logins.iter().map(Login::new).collect::<Result<Vec<_>, _>>()?;
        let of = |route: &RoutePolicy| {
            let names = route.authentication.iter().filter_map(|asked| match asked {
                AuthenticationPolicy::Session(name) => Some(name),
                AuthenticationPolicy::Jwt(_)
                | AuthenticationPolicy::ApiKey(_)
                | AuthenticationPolicy::Certificate
                | AuthenticationPolicy::Introspection(_) => None,
            });
            let mut places = names.map(|name| all.iter().position(|one| one.name() == name));
            places.next().flatten()
        };
        let routes = policy.routes.iter().map(of).collect();
        let csrf = Csrf::new(&CsrfPolicy::default())?;
        Ok(Self { all, routes, sessions, exchanges: AtomicU32::new(0), csrf })
    }

    /// The page that a request asks for, where it is one of ours.
    #[must_use]
    pub fn page(&self, target: &Target) -> Option<(&Login, Page)> {
        if self.all.is_empty() {
            return None;
        }
        let (word, name) = target.path.path().strip_prefix(PREFIX)?.split_once('/')?;
        let (_, page) = Page::ALL.into_iter().find(|(known, _)| *known == word)?;
        let login = self.all.iter().find(|login| login.name() == name)?;
        if page == Page::FrontChannel && !login.policy.front_channel_logout {
            return None;
        }
        is_own(&login.policy.origin, &target.host).then_some((login, page))
    }

    /// The login that a browser is sent to in place of a refusal: it goes to a page of the login's host, without a
    /// session that holds, and can be sent elsewhere.
    #[must_use]
    pub fn wanted(
        &self,
        route: usize,
        denied: Denied,
        method: &Method,
        headers: &HeaderMap,
        target: &Target,
    ) -> Option<&Login> {
        let login = self.all.get((*self.routes.get(route)?)?)?;
        let sent = matches!(denied, Denied::Missing | Denied::Session(_))
            && *method == Method::GET
            && is_own(&login.policy.origin, &target.host)
            && !headers.contains_key(header::AUTHORIZATION)
            && is_navigation(headers);
        sent.then_some(login)
    }

    /// Gives a login what its provider says of itself.
    ///
    /// # Errors
    /// It cannot be used: that of before stays.
    pub fn renew(&self, name: &str, provider: &ProviderPolicy) -> Result<(), LoginFault> {
        let login = self.all.iter().find(|login| login.name() == name);
        login.ok_or_else(|| LoginFault::Unknown { name: name.to_owned() })?.renew(provider)
    }

    /// The right to exchange a code.
    fn exchange(&self) -> Result<Exchange<'_>, LoginError> {
        let next = |busy: u32| (busy < LOGIN_EXCHANGES_MAX).then_some(busy + 1);
        self.exchanges.fetch_update(Relaxed, Relaxed, next).map_err(|_| LoginError::Busy)?;
        Ok(Exchange(&self.exchanges))
    }
}

struct Exchange<'a>(&'a AtomicU32);

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Login {
    fn new(policy: &LoginPolicy) -> Result<Self, LoginFault> {
        let fault = |what| LoginFault::Policy { name: policy.name().to_owned(), what };
        let sealer = Sealer::new(policy.name(), &policy.key_hex.0);
        let login = Self {
            cookie: SessionCookie::new(policy),
            sealer: sealer.ok_or_else(|| fault(crate::signing::EXPECTED))?,
            provider: ArcSwapOption::empty(),
            policy: LoginPolicy { provider: None, ..policy.clone() },
        };
        if let Some(provider) = &policy.provider {
            login.renew(provider)?;
        }
        Ok(login)
    }

    fn name(&self) -> &str {
        self.policy.name()
    }

    fn renew(&self, policy: &ProviderPolicy) -> Result<(), LoginFault> {
        let (server_name, _) = provider::endpoint("token_endpoint", &policy.token_endpoint)?;
        let ca_pem = self.policy.ca_pem.clone();
        let tls = UpstreamTlsPolicy { server_name, ca_pem };
        let tls = Tls::new(&tls, BackendProtocol::Http1)
            .map_err(|fault| LoginFault::Tls { name: self.name().to_owned(), fault })?;
        self.provider.store(Some(Arc::new(Provider { policy: policy.clone(), tls })));
        Ok(())
    }

    fn redirect_uri(&self) -> String {
        format!("{}{PREFIX}callback/{}", self.policy.origin, self.name())
    }

    /// Whose tokens it verifies, among the issuers.
    fn place(&self, identifier: &Identifier) -> Result<usize, LoginError> {
        identifier.issuers().place(self.name()).ok_or(LoginError::ProviderUnknown)
    }

    /// Sends a browser to the provider; it comes back to `to`.
    ///
    /// # Errors
    /// Why it cannot be sent there.
    pub fn begin(
        &self,
        to: &str,
        headers: &HeaderMap,
        now: Duration,
        meter: &Meter,
    ) -> Result<Response<Bytes>, LoginError> {
        let provider = self.provider.load_full().ok_or(LoginError::ProviderUnknown)?;
        let progress = Progress::begin(self.name(), to, headers, now.as_secs());
        let progress = progress.ok_or(LoginError::Randomness)?;
        let cookie = self.sealer.cookie(&progress).ok_or(LoginError::Randomness)?;
        let url = with_query(
            &provider.policy.authorization_endpoint,
            &[
                ("response_type", "code"),
                ("client_id", &self.policy.client_id),
                ("redirect_uri", &self.redirect_uri()),
                ("scope", &self.policy.scopes.join(" ")),
                ("state", &progress.state),
                ("nonce", &progress.nonce),
                ("code_challenge", &progress.challenge()),
                ("code_challenge_method", "S256"),
            ],
        );
        one(&meter.logins_begun);
        sent_to(StatusCode::FOUND, &url, [Some(cookie)])
    }

    /// The page `login`.
    pub(crate) fn visit(
        &self,
        visit: Visit<'_>,
        meter: &Meter,
    ) -> Result<Response<Bytes>, LoginError> {
        let given = parameters(visit.query)?;
        let to = given.get("return").map_or("/", String::as_str);
        self.begin(to, visit.headers, visit.now, meter)
    }
}

/// A browser goes to a page, and nothing of a page asks for something: browsers say so, those of the last years in
/// `Sec-Fetch-Mode` (W3C Fetch Metadata), others by what they would like to see.
#[must_use]
pub fn is_navigation(headers: &HeaderMap) -> bool {
    match (headers.get(SEC_FETCH_MODE), headers.get(SEC_FETCH_DEST)) {
        (Some(mode), dest) => {
            mode.as_bytes() == b"navigate" && dest.is_none_or(|dest| dest.as_bytes() == b"document")
        }
        (None, _) => {
            let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
            accept.is_some_and(|accept| accept.to_ascii_lowercase().contains("text/html"))
        }
    }
}

/// A query or a form: each name once, and no value longer than it has to be.
fn parameters(query: &str) -> Result<BTreeMap<String, String>, LoginError> {
    let mut given = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let long = value.len() > LOGIN_TEXT_BYTES_MAX;
        if long || given.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(LoginError::ParametersWrong);
        }
    }
    Ok(given)
}

fn with_query(url: &str, pairs: &[(&str, &str)]) -> String {
    let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{query}")
}

/// Sends a browser elsewhere. The page that it comes from may have a code in its address, which is for nobody.
fn sent_to(
    status: StatusCode,
    url: &str,
    cookies: impl IntoIterator<Item = Option<HeaderValue>>,
) -> Result<Response<Bytes>, LoginError> {
    let location = HeaderValue::from_str(url).map_err(|_| LoginError::ParametersWrong)?;
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for cookie in cookies.into_iter().flatten() {
        headers.append(header::SET_COOKIE, cookie);
    }
    Ok(answer)
}

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Logins that cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum LoginFault {
    #[error("gateway.logins: {name}: {what}")]
    Policy { name: String, what: &'static str },
    #[error("gateway.logins: {name}: the provider's certificate cannot be verified: {fault}")]
    Tls { name: String, fault: UpstreamFault },
    #[error("gateway.logins: {0}")]
    Provider(#[from] ProviderError),
    #[error("gateway.logins: expected a login that is configured, found {name:?}")]
    Unknown { name: String },
    #[error("gateway.logins: {0}")]
    Csrf(#[from] BrowserError),
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{LoginError, is_navigation, parameters, with_query};

    #[test]
    fn who_goes_to_a_page() {
        for (lines, expected) in [
            (&[][..], false),
            (&[("accept", "text/html,application/xhtml+xml")][..], true),
            (&[("accept", "TEXT/HTML")], true),
            (&[("accept", "*/*")], false),
            (&[("accept", "application/json")], false),
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], true),
            (&[("sec-fetch-mode", "navigate")], true),
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], false),
            (&[("sec-fetch-mode", "cors"), ("accept", "text/html")], false),
            (&[("sec-fetch-mode", "no-cors"), ("accept", "text/html")], false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(is_navigation(&headers), expected, "{lines:?}");
        }
    }

    #[test]
    fn parameters_have_one_meaning() {
        let given = parameters("code=a%2Fb+c&state=&iss=https://x").unwrap();
        let pairs: Vec<(&str, &str)> =
            given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("code", "a/b c"), ("iss", "https://x"), ("state", "")]);
        let long = format!("code={}", "x".repeat(2_049));
        for wrong in ["code=a&code=b", "a=1&%61=2", &long] {
            assert_eq!(parameters(wrong), Err(LoginError::ParametersWrong), "{wrong}");
        }
        assert_eq!(parameters("").unwrap().len(), 0);
    }

    #[test]
    fn a_query_is_added_to_what_is_there() {
        for (url, expected) in [
            ("https://a/b", "https://a/b?x=1+%26&y=%C3%A4"),
            ("https://a/b?c=d", "https://a/b?c=d&x=1+%26&y=%C3%A4"),
        ] {
            assert_eq!(with_query(url, &[("x", "1 &"), ("y", "\u{e4}")]), expected);
        }
    }
}
