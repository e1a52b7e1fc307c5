//! The stage "who is it": a request of a route that asks for a credential has exactly one that is good.

pub mod jwt;

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::{
    figures::Meter,
    policy::{AuthenticationPolicy, GatewayPolicy},
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
}

/// Why a request has no identity. The client is told no more than whether it brought a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It brought none of a kind that the route takes.
    Missing,
    /// It brought more than one.
    Repeated,
    /// Its token is not good.
    Jwt(jwt::TokenError),
}

impl Denied {
    /// How many there are.
    pub const COUNT: usize = 2 + jwt::TokenError::ALL.len();

    /// All of them, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Missing, Self::Repeated]
            .into_iter()
            .chain(jwt::TokenError::ALL.into_iter().map(Self::Jwt))
    }

    /// Its place among all.
    #[must_use]
    pub fn number(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Repeated => 1,
            Self::Jwt(error) => 2 + error as usize,
        }
    }

    /// The value of the metric label and of the access log's `denied`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing => "credential_missing",
            Self::Repeated => "credential_repeated",
            Self::Jwt(error) => error.label(),
        }
    }

    /// The answer's `WWW-Authenticate` (RFC 6750, 3): whoever brought nothing is told of no error.
    #[must_use]
    pub fn challenge(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Missing => "Bearer",
            Self::Repeated => "Bearer error=\"invalid_request\"",
            Self::Jwt(_) => "Bearer error=\"invalid_token\"",
        })
    }
}

/// What routes ask for, and the headers that tell backends who it is; threads share it.
#[derive(Debug)]
pub struct Identities {
    /// Whose tokens are taken.
    pub issuers: Arc<jwt::Issuers>,
    routes: Vec<Vec<usize>>,
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
    /// Prepares what a policy asks for.
    ///
    /// # Errors
    /// The part that cannot be used, and why.
    pub fn new(policy: &GatewayPolicy) -> Result<Self, jwt::JwtError> {
        let issuers = jwt::Issuers::new(&policy.jwts)?;
        let place = |route: &str, asked: &AuthenticationPolicy| {
            let AuthenticationPolicy::Jwt(name) = asked;
            issuers
                .place(name)
                .ok_or_else(|| jwt::JwtError::Route { route: route.to_owned(), name: name.clone() })
        };
        let routes = policy.routes.iter().map(|route| {
            route.authentication.iter().map(|asked| place(&route.name, asked)).collect()
        });
        let routes = routes.collect::<Result<_, _>>()?;
        Ok(Self { issuers: Arc::new(issuers), routes })
    }

    /// Whether a header, in lower case, tells backends who somebody is: it is never taken from a client.
    #[must_use]
    pub fn is_ours(&self, name: &str) -> bool {
        self.issuers.is_header(name)
    }
}

/// Recognises who sends requests, in one thread.
#[derive(Debug)]
pub struct Identifier {
    identities: Arc<Identities>,
    tokens: jwt::Verifier,
}

impl Identifier {
    /// For a thread.
    #[must_use]
    pub fn new(identities: Arc<Identities>, meter: Arc<Meter>) -> Self {
        let tokens = jwt::Verifier::new(identities.issuers.clone(), meter);
        Self { identities, tokens }
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
        now_epoch_s: u64,
    ) -> Result<Option<Recognised>, Denied> {
        let Some(asked) = self.identities.routes.get(route).filter(|asked| !asked.is_empty())
        else {
            return Ok(None);
        };
        let mut denied = Denied::Missing;
        for place in asked {
            match self.tokens.verify(headers, *place, now_epoch_s) {
                Ok(identity) => {
                    let headers = self.identities.issuers.headers(*place, &identity);
                    return Ok(Some(Recognised { identity, headers }));
                }
                Err(error) => denied = denied.or(error),
            }
        }
        Err(denied)
    }
}

impl Denied {
    // Of several issuers' reasons the one that says most: that a token is of another issuer says least.
    fn or(self, other: Self) -> Self {
        match other {
            Self::Jwt(jwt::TokenError::IssuerWrong) if self != Self::Missing => self,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Denied;

    #[test]
    fn numbers_and_labels_agree() {
        let all: Vec<Denied> = Denied::all().collect();
        assert_eq!(all.len(), Denied::COUNT);
        for (number, denied) in all.iter().enumerate() {
            assert_eq!(denied.number(), number, "{denied:?}");
        }
        let labels: BTreeSet<&str> = all.iter().map(|denied| denied.label()).collect();
        assert_eq!(labels.len(), all.len());
    }
}
