//! The stage "who is it": a request of a route that asks for a credential has exactly one that is good.

pub mod jwt;

pub mod api_key;

pub mod certificate;

pub mod introspection;

pub mod session;

pub mod consumers;

pub mod table;

mod denied;

pub mod held;

mod failures;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use self::{
    api_key::{Carriers, Found, Presented, store::KeyStore, text::KeyHash},
    certificate::Certificates,
    consumers::Consumers,
    failures::Failures,
    introspection::{Introspector, Opaque, Unanswered},
    session::{OwnCookies, SessionCookie, shared::Away, store::SessionStore},
};
pub use self::{
    denied::{Denied, Refused},
    failures::masked,
};
use crate::{
    behaviour::challenge::PASS_COOKIE,
    figures::Meter,
    login::PREFIX,
    policy::{AuthenticationPolicy, GatewayPolicy, LoginPolicy, RoutePolicy},
    tls::ClientCertificate,
    upstream::Upstream,
};

/// Who sent a request.
#[derive(Clone)]
pub struct Identity {
    /// The consumer.
    pub consumer: Arc<str>,
    /// What it was granted.
    pub scopes: Arc<[Arc<str>]>,
    /// What it is.
    pub roles: Arc<[Arc<str>]>,
    /// What its token says, where it has one.
    pub claims: Option<Arc<Map<String, Value>>>,
    /// How it was recognised.
    pub method: Method,
    /// Which credential it was: a number of it, never a secret.
    pub credential: Arc<str>,
}

// What a token says may be anything, and is nobody else's business: it stays out of every line.
impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("consumer", &self.consumer)
            .field("method", &self.method)
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

/// How somebody is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// An API key.
    ApiKey,
    /// A signed token.
    Jwt,
    /// A session of a browser.
    Session,
    /// A client certificate.
    Certificate,
    /// A token of which whoever gave it out says that it is good.
    Introspection,
}

impl Method {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::ApiKey, Self::Jwt, Self::Session, Self::Certificate, Self::Introspection];

    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Jwt => "jwt",
            Self::Session => "session",
            Self::Certificate => "certificate",
            Self::Introspection => "introspection",
        }
    }
}

/// What routes ask for, and the headers that tell backends who it is; threads share it.
#[derive(Debug)]
pub struct Identities {
    /// Whose tokens are taken.
    pub issuers: Arc<jwt::Issuers>,
    /// The API keys, which may change while requests are served.
    pub keys: KeyStore,
    certificates: Certificates,
    /// The sessions, likewise.
    pub sessions: Arc<SessionStore>,
    own_cookies: OwnCookies,
    introspections: Arc<introspection::Services>,
    failures: Failures,
    routes: Vec<Asks>,
}

/// What a route asks for.
#[derive(Debug)]
struct Asks {
    route: Arc<str>,
    /// Places of issuers.
    tokens: Vec<usize>,
    keys: Option<Carriers>,
    certificate: bool,
    session: Option<AsksSession>,
    /// Place among the services that know tokens.
    introspection: Option<usize>,
}

/// Whose sessions a route takes.
#[derive(Debug)]
struct AsksSession {
    /// The login's place among the issuers.
    place: usize,
    cookie: SessionCookie,
    /// Where browsers log in.
    challenge: HeaderValue,
}

/// Somebody who was recognised.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// Who.
    pub identity: Identity,
    /// What backends are told.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Identities {
    /// Prepares what a policy asks for; there is no key yet.
    ///
    /// # Errors
    /// The part that cannot be used, and why.
    pub fn new(policy: &GatewayPolicy) -> Result<Self, IdentityError> {
        let issuers = jwt::Issuers::new(policy.issuers())?;
        let routes = policy.routes.iter().map(|route| Asks::new(route, &issuers, &policy.logins));
        let routes = routes.collect::<Result<_, _>>()?;
        let consumers = Consumers::new(&policy.consumers);
        let certificates = Certificates::new(&policy.consumers, &consumers);
        let keys = KeyStore::new(consumers);
        let failures = Failures::new(policy.authentication_failures);
        let sessions = Arc::new(SessionStore::new(policy.limits.sessions_max));
        let mut own_cookies = OwnCookies::new(&policy.logins);
        if policy.behaviour.as_ref().is_some_and(|it| it.challenge_page.is_some()) {
            own_cookies.add(PASS_COOKIE);
        }
        let introspections =
            introspection::Services::new(policy).map_err(IdentityError::Introspection)?;
        Ok(Self {
            introspections: Arc::new(introspections),
            issuers: Arc::new(issuers),
            keys,
            certificates,
            sessions,
            own_cookies,
            failures,
            routes,
        })
    }

    /// Whether a header, in lower case, tells backends who somebody is: it is never taken from a client.
    #[must_use]
    pub fn is_ours(&self, name: &str) -> bool {
        self.issuers.is_header(name)
    }

    fn may_try(&self, address: IpAddr, now: Duration) -> Result<(), Refused> {
        self.failures.may_try(address, milliseconds(now)).map_err(Refused::Failures)
    }

    // What did not hold is counted against its address, and against the consumer whose key it was.
    fn failed(
        &self,
        denied: Denied,
        consumer: Option<&str>,
        address: IpAddr,
        now: Duration,
    ) -> Refused {
        match self.failures.failed(address, consumer, milliseconds(now)) {
            Ok(()) => Refused::Denied(denied),
            Err(wait) => Refused::Failures(wait),
        }
    }

    fn key(&self, presented: &Presented<'_>, now: Duration) -> Result<Recognised, Refused> {
        let address = presented.address;
        api_key::verify(&self.keys, presented, now.as_secs()).map_err(|(error, whose)| {
            self.failed(Denied::Key(error), whose.as_deref(), address, now)
        })
    }
}

fn milliseconds(now: Duration) -> u64 {
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

impl Asks {
    /// Whether it takes nothing that HTTP has a challenge for.
    fn is_certificate_alone(&self) -> bool {
        !self.takes_tokens() && self.keys.is_none() && self.session.is_none()
    }

    fn takes_tokens(&self) -> bool {
        !self.tokens.is_empty() || self.introspection.is_some()
    }

    fn new(
        route: &RoutePolicy,
        issuers: &jwt::Issuers,
        logins: &[LoginPolicy],
    ) -> Result<Self, IdentityError> {
        let (mut tokens, mut api_key, mut session) = (Vec::new(), None, None);
        let (mut certificate, mut introspection) = (false, None);
        for asked in &route.authentication {
            match asked {
                AuthenticationPolicy::Jwt(name) => {
                    let place = issuers.place(name).ok_or_else(|| jwt::JwtError::Route {
                        route: route.name.clone(),
                        name: name.clone(),
                    })?;
                    tokens.push(place);
                }
                AuthenticationPolicy::ApiKey(policy) => api_key = Some(policy),
                AuthenticationPolicy::Certificate => certificate = true,
                AuthenticationPolicy::Introspection(place) => introspection = Some(*place),
                AuthenticationPolicy::Session(name) => {
                    let asked = AsksSession::new(name, issuers, logins);
                    let unknown =
                        || IdentityError::Login { route: route.name.clone(), name: name.clone() };
                    session = Some(asked.ok_or_else(unknown)?);
                }
            }
        }
        let others = !tokens.is_empty() || introspection.is_some();
        let keys = api_key.map(|policy| Carriers::new(policy, others)).transpose();
        let keys =
            keys.map_err(|found| IdentityError::Carrier { route: route.name.clone(), found })?;
        let route = route.name.as_str().into();
        Ok(Self { route, tokens, keys, certificate, session, introspection })
    }
}

impl AsksSession {
    fn new(name: &str, issuers: &jwt::Issuers, logins: &[LoginPolicy]) -> Option<Self> {
        let login = logins.iter().find(|login| login.name() == name)?;
        // No scheme is registered for cookies; browsers ask nobody for a password of one that they do not know.
        let challenge = format!("Session login=\"{PREFIX}login/{name}\"");
        Some(Self {
            place: issuers.place(name)?,
            cookie: SessionCookie::new(login),
            challenge: HeaderValue::try_from(challenge).ok()?,
        })
    }
}

/// Identities that cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum IdentityError {
    #[error(transparent)]
    Jwt(#[from] jwt::JwtError),
    #[error(
        "gateway.introspections: {0:?}: expected an upstream, a path and a client that can be asked"
    )]
    Introspection(String),
    #[error(
        "gateway.routes: route {route:?}: authentication: expected a header that can carry a key, found {found:?}"
    )]
    Carrier { route: String, found: String },
    #[error(
        "gateway.routes: route {route:?}: authentication: expected a name of gateway.logins, found {name:?}"
    )]
    Login { route: String, name: String },
}

/// Recognises who sends requests, in one thread.
#[derive(Debug)]
pub struct Identifier {
    identities: Arc<Identities>,
    tokens: jwt::Verifier,
    sessions: session::Reader,
    introspector: Introspector,
}

impl Identifier {
    /// For a thread.
    #[must_use]
    pub fn new(identities: Arc<Identities>, meter: Arc<Meter>) -> Self {
        let tokens = jwt::Verifier::new(identities.issuers.clone(), meter.clone());
        let introspector = Introspector::new(identities.introspections.clone(), meter);
        Self { identities, tokens, sessions: session::Reader::default(), introspector }
    }

    /// Whether a header, in lower case, is ours alone.
    #[must_use]
    pub fn is_ours(&self, name: &str) -> bool {
        self.identities.is_ours(name)
    }

    /// Who sent a request of the route at this place; nobody where the route does not ask.
    ///
    /// # Errors
    /// Why nobody was recognised.
    pub fn recognise(
        &self,
        route: usize,
        headers: &HeaderMap,
        certificate: Option<&ClientCertificate>,
        confirmed: Result<(), Away>,
        address: IpAddr,
        now: Duration,
    ) -> Result<Option<Recognised>, Refused> {
        let Some(asks) = self.identities.routes.get(route) else { return Ok(None) };
        let is_missing = |found: &Result<Option<Recognised>, Refused>| {
            matches!(found, Ok(None) | Err(Refused::Denied(Denied::Missing)))
        };
        // What a client says itself goes before what its browser adds, and that before what its connection
        // showed. One that does not hold is not made up for by another.
        let mut found = self.by_header(asks, headers, address, now);
        if let Some(asked) = &asks.session
            && is_missing(&found)
        {
            found = self.session(asked, headers, confirmed, address, now).map(Some);
        }
        if asks.certificate && is_missing(&found) {
            found = self.certificate(asks, certificate, address, now).map(Some);
        }
        found
    }

    /// The token that has to be asked about before a request of this route is recognised, where there is one.
    ///
    /// # Errors
    /// Too many credentials of this address did not hold.
    pub fn opaque<'a>(
        &self,
        route: usize,
        headers: &'a HeaderMap,
        address: IpAddr,
        now: Duration,
    ) -> Result<Option<Opaque<'a>>, Refused> {
        let Some(asks) = self.identities.routes.get(route) else { return Ok(None) };
        let Some(place) = asks.introspection else { return Ok(None) };
        if let Some(carriers) = &asks.keys
            && !matches!(carriers.find(headers), Ok(Found::Token))
        {
            return Ok(None);
        }
        let opaque = self.introspector.unknown(place, headers, now.as_secs());
        if opaque.is_some() {
            self.identities.may_try(address, now)?;
        }
        Ok(opaque)
    }

    /// Asks about a token, and remembers what is said of it.
    ///
    /// # Errors
    /// Nobody says anything of it.
    pub async fn introspect(
        &self,
        opaque: &Opaque<'_>,
        upstreams: &[Upstream],
        address: IpAddr,
        now: Duration,
    ) -> Result<(), Unanswered> {
        self.introspector.ask(opaque, upstreams, address, now.as_secs()).await
    }

    /// The session that the store which hosts share has to be asked about first, where there is one.
    #[must_use]
    pub fn unconfirmed(
        &self,
        route: usize,
        headers: &HeaderMap,
        address: IpAddr,
        now: Duration,
    ) -> Option<KeyHash> {
        let sessions = &self.identities.sessions;
        sessions.sharing()?;
        let asked = self.identities.routes.get(route)?.session.as_ref()?;
        let hash = asked.cookie.find(headers).ok()?.hash();
        sessions.asks(&hash, now.as_secs())?;
        self.identities.may_try(address, now).is_ok().then_some(hash)
    }

    /// Asks it: the table of sessions has the answer, unless there is none.
    pub async fn confirm(&self, hash: KeyHash) -> Result<(), Away> {
        match self.identities.sessions.sharing() {
            Some(sharing) => sharing.find(hash).await,
            None => Ok(()),
        }
    }

    fn certificate(
        &self,
        asks: &Asks,
        certificate: Option<&ClientCertificate>,
        address: IpAddr,
        now: Duration,
    ) -> Result<Recognised, Refused> {
        let certificates = &self.identities.certificates;
        let found = certificate.ok_or(Denied::Missing).and_then(|certificate| {
            let verified = certificates.verify(certificate, address, now.as_secs());
            verified.map_err(Denied::Certificate)
        });
        found.map_err(match asks.is_certificate_alone() {
            true => Refused::Uncertified,
            false => Refused::Denied,
        })
    }

    fn session(
        &self,
        asked: &AsksSession,
        headers: &HeaderMap,
        confirmed: Result<(), Away>,
        address: IpAddr,
        now: Duration,
    ) -> Result<Recognised, Refused> {
        let identities = &self.identities;
        let read = match asked.cookie.find(headers) {
            Err(Denied::Missing) => return Err(Refused::Denied(Denied::Missing)),
            found => {
                identities.may_try(address, now)?;
                if let Ok(text) = &found
                    && identities.sessions.is_unconfirmed(&text.hash(), confirmed, now.as_secs())
                {
                    return Err(Refused::Unconfirmed);
                }
                let at = (&*identities.sessions, &*identities.issuers, asked.place);
                found.map_err(|denied| (denied, None)).and_then(|text| {
                    let read = self.sessions.read(at, &text.hash(), now.as_secs());
                    read.map_err(|(error, whose)| (Denied::Session(error), whose))
                })
            }
        };
        read.map_err(|(denied, whose)| match denied {
            // Every browser comes back once with a session that is over.
            Denied::Session(error) if !error.is_try() => Refused::Denied(denied),
            denied => identities.failed(denied, whose.as_deref(), address, now),
        })
    }

    fn by_header(
        &self,
        asks: &Asks,
        headers: &HeaderMap,
        address: IpAddr,
        now: Duration,
    ) -> Result<Option<Recognised>, Refused> {
        if let Some(carriers) = &asks.keys {
            match carriers.find(headers) {
                // Who shows nothing has tried nothing.
                Err(Denied::Missing) => return Err(Refused::Denied(Denied::Missing)),
                Err(denied) => {
                    self.identities.may_try(address, now)?;
                    return Err(self.identities.failed(denied, None, address, now));
                }
                Ok(Found::Key { text, user }) => {
                    self.identities.may_try(address, now)?;
                    let (text, user) = (text.as_ref(), user.as_deref());
                    let presented = Presented { text, user, address, route: &asks.route };
                    return self.identities.key(&presented, now).map(Some);
                }
                Ok(Found::Token) => {}
            }
        }
        if let Some(place) = asks.introspection {
            let found = self.introspector.recall(place, headers, now.as_secs());
            return found.map(Some).map_err(|denied| match denied {
                Denied::Introspection(_) => self.identities.failed(denied, None, address, now),
                denied => Refused::Denied(denied),
            });
        }
        if asks.keys.is_none() && asks.tokens.is_empty() {
            return Ok(None);
        }
        self.token(asks, headers, now.as_secs()).map(Some).map_err(Refused::Denied)
    }

    fn token(
        &self,
        asks: &Asks,
        headers: &HeaderMap,
        now_epoch_s: u64,
    ) -> Result<Recognised, Denied> {
        let mut denied = Denied::Missing;
        for place in &asks.tokens {
            match self.tokens.verify(headers, *place, now_epoch_s) {
                Ok(identity) => {
                    let headers = self.identities.issuers.headers(*place, &identity);
                    return Ok(Recognised { identity, headers });
                }
                Err(error) => denied = denied.or(error),
            }
        }
        Err(denied)
    }

    /// Takes keys out of what the upstream gets, unless its route says otherwise.
    pub fn withhold(&self, route: usize, identity: Option<&Identity>, headers: &mut HeaderMap) {
        let by_key = identity.is_some_and(|identity| identity.method == Method::ApiKey);
        let carriers = self.identities.routes.get(route).and_then(|asks| asks.keys.as_ref());
        if let Some(carriers) = carriers {
            carriers.withhold(headers, by_key);
        }
        self.identities.own_cookies.withhold(headers);
    }

    /// Takes cookies that are ours alone out of what an upstream sets.
    pub fn keep_own_cookies(&self, headers: &mut HeaderMap) {
        self.identities.own_cookies.keep_own(headers);
    }

    /// Whose tokens are verified.
    #[must_use]
    pub fn issuers(&self) -> &jwt::Issuers {
        &self.identities.issuers
    }

    /// What a token says that is not a request's; see [`jwt::Verifier::claims`].
    ///
    /// # Errors
    /// Why it is not good.
    pub fn claims(
        &self,
        token: &str,
        place: usize,
        types: &[String],
        now_epoch_s: u64,
    ) -> Result<Map<String, Value>, jwt::TokenError> {
        self.tokens.claims(token, place, types, now_epoch_s)
    }

    /// What takes a session that does not hold out of its browser, which would come back with it each time.
    #[must_use]
    pub fn taken(&self, route: usize, denied: Denied) -> Option<HeaderValue> {
        let asked = self.identities.routes.get(route)?.session.as_ref()?;
        matches!(denied, Denied::Session(_)).then(|| asked.cookie.taken())?
    }

    /// The answer's `WWW-Authenticate`: which kinds of credentials the route takes, and nothing of why one does
    /// not hold.
    #[must_use]
    pub fn challenges(&self, route: usize, denied: Denied) -> Vec<HeaderValue> {
        let Some(asks) = self.identities.routes.get(route) else { return Vec::new() };
        let by_bearer = asks.keys.as_ref().is_some_and(Carriers::takes_bearer);
        let bearer = (by_bearer || asks.takes_tokens()).then(|| denied.bearer());
        let session = asks.session.iter().map(|asked| asked.challenge.clone());
        let by_key = asks.keys.iter().flat_map(Carriers::challenges);
        bearer.into_iter().chain(by_key).chain(session).collect()
    }
}
